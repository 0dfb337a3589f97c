use proptest::prelude::*;
use timestamp::note::{Note, VerifierKey};
use timestamp::receipt::{Receipt, SignedReceipt};
use timestamp::{Hash, SigningKey};

use crate::sample;

// Computed by an independent program (Python's hashlib and cryptography).
const STATEMENT: &str = "\
freehold-receipt/v1
id receipt-0
request_sha256 5eb740d162474dafe6e4352bc472c8fd4c83088dda311c4c0840a9df836e22ae
answer_sha256 e21ad704fc12469e48c5a9797d5ee20a554e1a1fd89ea1e9e93eb7d26e9d3a2d
model Qwen3 0.6B · Q8
model_sha256 9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c
price_msat 21000
prompt_tokens 5
completion_tokens 4
time_unix_ms 1700000000123
node house.example/receipts+b357c16d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs
";
const STATEMENT_SHA256: &str = "fae2c392b8ca6f2edfdd41504aa05c35db6e927b7e6e1946ceaf8de08daa67fe";
const LEAF_HASH: &str = "b66ad275576282f6bcda947655ace34172201486dd8ce159d88b4526b5c5a81f";
const SIGNATURE: &str = "560e00ef136017cc49bcabbf03d0c4669c14ff322e89f69c6544047d1fe963db\
                         ebd15a329f4db0815b42e41a1966616b4080373a9ad67171ab476bb5bec54405";

#[test]
fn golden_vector() {
    let receipt = sample::receipt(0);
    assert_eq!(receipt.statement().unwrap(), STATEMENT);
    assert_eq!(Hash::of(STATEMENT.as_bytes()).to_string(), STATEMENT_SHA256);
    assert_eq!(receipt.leaf_hash().unwrap().to_string(), LEAF_HASH);
    let signed = receipt.sign(&sample::key()).unwrap();
    assert_eq!(signed.signatures[0].algorithm, "ed25519");
    assert_eq!(signed.signatures[0].signature, SIGNATURE);
    signed.verify().unwrap();
}

#[test]
fn an_unknown_model_digest_is_said_plainly() {
    let receipt = Receipt {
        model_sha256: None,
        ..sample::receipt(0)
    };
    assert!(
        receipt
            .statement()
            .unwrap()
            .contains("\nmodel_sha256 unknown\n")
    );
    receipt.sign(&sample::key()).unwrap().verify().unwrap();
}

#[test]
fn digests_are_compared() {
    let receipt = sample::receipt(0);
    receipt.verify_request(sample::REQUEST).unwrap();
    receipt.verify_answer(sample::ANSWER).unwrap();
    let error = receipt.verify_request(sample::ANSWER).unwrap_err();
    assert_eq!(error.code(), "digest_mismatch");
    assert!(receipt.verify_answer(b"").is_err());
}

#[test]
fn only_the_named_node_can_sign() {
    let other = SigningKey::from_bytes(&[8; 32]);
    assert_eq!(
        sample::receipt(0).sign(&other).unwrap_err().code(),
        "key_mismatch"
    );
}

#[test]
fn a_receipt_signature_is_no_note_signature() {
    let signed = sample::receipt(0).sign(&sample::key()).unwrap();
    let bytes = hex::decode(&signed.signatures[0].signature).unwrap();
    let bytes = [sample::node().key_id().as_slice(), &bytes].concat();
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let note = format!("{STATEMENT}\n— {} {encoded}\n", sample::ORIGIN);
    let error = Note::parse(note.as_bytes())
        .unwrap()
        .verify(&sample::node())
        .unwrap_err();
    assert_eq!(error.code(), "signature_invalid");
}

#[test]
fn fields_that_could_forge_a_line_are_refused() {
    let code = |receipt: Receipt| receipt.sign(&sample::key()).unwrap_err().code();
    for id in ["", "a b", "a\n", "ä", &"i".repeat(129)] {
        assert_eq!(
            code(Receipt {
                id: id.into(),
                ..sample::receipt(0)
            }),
            "invalid_field"
        );
    }
    for model in [
        "",
        "a\nprice_msat 0",
        "a\r",
        "a\0",
        "a\u{85}",
        &"m".repeat(257),
    ] {
        assert_eq!(
            code(Receipt {
                model: model.into(),
                ..sample::receipt(0)
            }),
            "invalid_field"
        );
    }
    assert_eq!(
        code(Receipt {
            version: 2,
            ..sample::receipt(0)
        }),
        "unsupported_version"
    );
}

#[test]
fn unknown_signatures_are_kept_but_prove_nothing() {
    let signed = sample::receipt(0).sign(&sample::key()).unwrap();
    let mut unknown = signed.signatures[0].clone();
    unknown.algorithm = "ml-dsa-44".to_owned();
    let with = |signatures| SignedReceipt {
        signatures,
        ..signed.clone()
    };
    with(vec![unknown.clone(), signed.signatures[0].clone()])
        .verify()
        .unwrap();
    let code = |signatures| with(signatures).verify().unwrap_err().code();
    assert_eq!(code(vec![unknown.clone()]), "signature_missing");
    assert_eq!(code(vec![]), "signature_missing");
    assert_eq!(code(vec![unknown; 9]), "too_large");
    let mut wrong = signed.signatures[0].clone();
    wrong.signature.truncate(126);
    assert_eq!(
        code(vec![signed.signatures[0].clone(), wrong]),
        "signature_invalid"
    );
}

prop_compose! {
    fn any_receipt()(
        id in "[!-~]{1,128}",
        digests: [[u8; 32]; 3],
        model in "\\PC{1,60}",
        model_known: bool,
        numbers: [u64; 4],
        seed: [u8; 32],
    ) -> (Receipt, SigningKey) {
        let key = SigningKey::from_bytes(&seed);
        let receipt = Receipt {
            version: 1,
            id,
            request_sha256: Hash(digests[0]),
            answer_sha256: Hash(digests[1]),
            model,
            model_sha256: model_known.then_some(Hash(digests[2])),
            price_msat: numbers[0],
            prompt_tokens: numbers[1],
            completion_tokens: numbers[2],
            time_unix_ms: numbers[3],
            node: VerifierKey::new("house.example", key.verifying_key()).unwrap(),
        };
        (receipt, key)
    }
}

proptest! {
    #[test]
    fn round_trip((receipt, key) in any_receipt()) {
        let signed = receipt.sign(&key)?;
        let json = serde_json::to_vec(&signed).unwrap();
        let read: SignedReceipt = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&read, &signed);
        read.verify()?;
    }

    #[test]
    fn different_receipts_have_different_statements((a, _) in any_receipt(), (b, _) in any_receipt()) {
        prop_assert_eq!(a == b, a.statement()? == b.statement()?);
        // Each line is one field: nothing can spill over into the next.
        prop_assert_eq!(a.statement()?.lines().count(), 11);
        let other_price = Receipt { price_msat: a.price_msat ^ 1, ..a.clone() };
        prop_assert_ne!(other_price.leaf_hash()?, a.leaf_hash()?);
    }
}
