use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use timestamp::note::{NodeSigner, Note};
use timestamp::receipt::{Receipt, SignedReceipt, answer_digests};
use timestamp::{Error, Hash, SigningKey};

use crate::sample;

// Computed by independent programs (Python's hashlib, cryptography and dilithium-py).
const STATEMENT: &str = "\
freehold-receipt/v2
id receipt-0
request_sha256 5eb740d162474dafe6e4352bc472c8fd4c83088dda311c4c0840a9df836e22ae
answer_sha256 e21ad704fc12469e48c5a9797d5ee20a554e1a1fd89ea1e9e93eb7d26e9d3a2d
model Qwen3 0.6B · Q8
model_sha256 9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c
price_msat 21000
prompt_tokens 5
completion_tokens 4
time_unix_ms 1700000000123
node house.example/receipts+b357c16d+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs,ml-dsa-44:5dac15659e5a2a2a16da035919719c9291c2bad12f341d15dc58948fd76901ee
";
const STATEMENT_SHA256: &str = "6c3850bebaa662e75d431fc05342105dbafde697e94b8c8136081e11fd547c1b";
const LEAF_HASH: &str = "94a199beb82df9bf040bc8d937d087e158ad25ded532c758c11d4317f4faca6b";
const ED25519: &str =
    "ddkLiY43wu0wfsNkTXdFawRQ/0E7rvN9O+98XDD8Zq4xPpWrBE9EY3d8DZAk7oTPxb9NSxQHHl6OzqkbH11eCw==";
const ML_DSA_44_SHA256: &str = "54cbff6f28efdbe7fe20a8830d9ae789be9a7ae89566959e396045e36ce3e0c8";

fn signed(receipt: &Receipt) -> SignedReceipt {
    receipt.sign(&sample::signer()).unwrap()
}

fn verify(signed: &SignedReceipt) -> Result<(), Error> {
    signed.verify(&sample::cosigner())
}

#[test]
fn golden_vector() {
    let receipt = sample::receipt(0);
    assert_eq!(receipt.statement().unwrap(), STATEMENT);
    assert_eq!(receipt.entry().unwrap().to_string(), STATEMENT_SHA256);
    assert_eq!(receipt.leaf_hash().unwrap().to_string(), LEAF_HASH);
    let signed = signed(&receipt);
    let [ed25519, ml_dsa_44] = signed.signatures.as_slice() else {
        panic!("two signatures");
    };
    assert_eq!(ed25519.algorithm, "ed25519");
    assert_eq!(ed25519.signature, ED25519);
    assert_eq!(ml_dsa_44.algorithm, "ml-dsa-44");
    let bytes = BASE64.decode(&ml_dsa_44.signature).unwrap();
    assert_eq!(Hash::of(&bytes).to_string(), ML_DSA_44_SHA256);
    verify(&signed).unwrap();
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
    verify(&signed(&receipt)).unwrap();
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

/// What a shell or an editor makes of an answer when it saves it.
#[test]
fn one_newline_at_the_end_of_a_saved_answer_may_be_theirs() {
    let receipt = sample::receipt(0);
    let saved = |end: &str| [sample::ANSWER, end.as_bytes()].concat();
    receipt.verify_answer(&saved("\n")).unwrap();
    for end in ["\n\n", "\r\n", " ", "\0"] {
        assert!(receipt.verify_answer(&saved(end)).is_err(), "{end:?}");
    }
    let answers: [(&[u8], &[&[u8]]); 4] = [
        (b"", &[b""]),
        (b"a", &[b"a"]),
        (b"\n", &[b"\n", b""]),
        (b"a\n\n", &[b"a\n\n", b"a\n"]),
    ];
    for (answer, expected) in answers {
        let expected: Vec<_> = expected.iter().map(|bytes| Hash::of(bytes)).collect();
        assert_eq!(answer_digests(answer), expected);
    }
}

#[test]
fn only_the_named_node_can_sign() {
    for other in [sample::signer_of(8, 9), sample::signer_of(7, 8)] {
        let error = sample::receipt(0).sign(&other).unwrap_err();
        assert_eq!(error.code(), "key_mismatch");
        let key = other.ml_dsa_44().verifier();
        let result = signed(&sample::receipt(0)).verify(key);
        assert_eq!(result.is_ok(), *key == sample::cosigner());
    }
}

#[test]
fn a_receipt_signature_is_no_note_signature() {
    let signed = signed(&sample::receipt(0));
    let node = sample::node();
    let ids = [node.ed25519().key_id(), sample::cosigner().key_id()];
    let mut note = format!("{STATEMENT}\n");
    for (signature, id) in signed.signatures.iter().zip(ids) {
        let bytes = BASE64.decode(&signature.signature).unwrap();
        let encoded = BASE64.encode([id.as_slice(), &bytes].concat());
        note += &format!("— {} {encoded}\n", sample::ORIGIN);
    }
    let error = Note::parse(note.as_bytes()).unwrap();
    let error = error.verify(node.ed25519()).unwrap_err();
    assert_eq!(error.code(), "signature_invalid");
}

#[test]
fn fields_that_could_forge_a_line_are_refused() {
    let code = |receipt: Receipt| receipt.sign(&sample::signer()).unwrap_err().code();
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
            version: 1,
            ..sample::receipt(0)
        }),
        "unsupported_version"
    );
}

#[test]
fn both_signatures_are_needed_and_unknown_ones_prove_nothing() {
    let signed = signed(&sample::receipt(0));
    let [ed25519, ml_dsa_44] = [0, 1].map(|at| signed.signatures[at].clone());
    let mut unknown = ed25519.clone();
    unknown.algorithm = "slh-dsa".to_owned();
    let code = |signatures: &[&timestamp::receipt::ReceiptSignature]| {
        let signatures = signatures.iter().copied().cloned().collect();
        let signed = SignedReceipt {
            signatures,
            ..signed.clone()
        };
        verify(&signed).map_err(|error| error.code())
    };
    assert_eq!(code(&[&unknown, &ml_dsa_44, &ed25519]), Ok(()));
    assert_eq!(code(&[&unknown, &ed25519]), Err("signature_missing"));
    assert_eq!(code(&[&ml_dsa_44, &unknown]), Err("signature_missing"));
    assert_eq!(code(&[]), Err("signature_missing"));
    assert_eq!(code(&[&unknown; 9]), Err("too_large"));
    for right in [&ed25519, &ml_dsa_44] {
        let mut wrong = right.clone();
        wrong.signature.truncate(80);
        let all = [&ed25519, &ml_dsa_44, &wrong];
        assert_eq!(code(&all), Err("signature_invalid"));
    }
    let swapped = |of: &timestamp::receipt::ReceiptSignature, algorithm: &str| {
        let mut swapped = of.clone();
        swapped.algorithm = algorithm.to_owned();
        swapped
    };
    let (a, b) = (
        swapped(&ed25519, "ml-dsa-44"),
        swapped(&ml_dsa_44, "ed25519"),
    );
    assert_eq!(code(&[&a, &b]), Err("signature_invalid"));
}

prop_compose! {
    fn any_receipt()(
        id in "[!-~]{1,128}",
        digests: [[u8; 32]; 3],
        model in "\\PC{1,60}",
        model_known: bool,
        numbers: [u64; 4],
        seed: [u8; 32],
    ) -> (Receipt, NodeSigner) {
        let key = SigningKey::from_bytes(&seed);
        let signer = NodeSigner::new("house.example", key, &seed).unwrap();
        let receipt = Receipt {
            version: 2,
            id,
            request_sha256: Hash(digests[0]),
            answer_sha256: Hash(digests[1]),
            model,
            model_sha256: model_known.then_some(Hash(digests[2])),
            price_msat: numbers[0],
            prompt_tokens: numbers[1],
            completion_tokens: numbers[2],
            time_unix_ms: numbers[3],
            node: signer.identity().clone(),
        };
        (receipt, signer)
    }
}

proptest! {
    #[test]
    fn round_trip((receipt, signer) in any_receipt()) {
        let signed = receipt.sign(&signer)?;
        let json = serde_json::to_vec(&signed).unwrap();
        let read: SignedReceipt = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(&read, &signed);
        read.verify(signer.ml_dsa_44().verifier())?;
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
