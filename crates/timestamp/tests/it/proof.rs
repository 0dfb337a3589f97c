use proptest::prelude::*;
use serde_json::{Value, json};
use timestamp::proof::{AnchorStatus, KeySource, MAX_PROOF_BYTES, ReceiptProof, Verified};
use timestamp::{Error, Hash};

use crate::sample;

fn verify(proof: &ReceiptProof) -> Result<Verified, Error> {
    proof.verify(Some(&sample::node()))
}

fn code(proof: &ReceiptProof) -> &'static str {
    verify(proof).unwrap_err().code()
}

/// The sample proof as JSON, after a change.
fn edited(edit: impl FnOnce(&mut Value)) -> Result<ReceiptProof, Error> {
    let mut json = serde_json::to_value(sample::proof(2, 5)).unwrap();
    edit(&mut json);
    ReceiptProof::from_json(json.to_string().as_bytes())
}

#[test]
fn says_what_was_checked() {
    let verified = verify(&sample::proof(2, 5)).unwrap();
    assert_eq!(verified.id, "receipt-2");
    assert_eq!((verified.index, verified.tree_size), (2, 5));
    assert_eq!(verified.key_source, KeySource::Expected);
    assert_eq!(verified.anchoring.status, AnchorStatus::NotAnchored);
    assert_eq!(verified.checks().len(), 4);
    assert_eq!(verified.warnings(), Vec::<String>::new());
}

#[test]
fn says_when_the_keys_are_only_the_receipts_own() {
    let verified = sample::proof(0, 1).verify(None).unwrap();
    assert_eq!(verified.key_source, KeySource::Receipt);
    assert_eq!(verified.checks().len(), 3);
    let warning = &verified.warnings()[0];
    assert!(warning.contains("were taken from the receipt itself"));
    assert!(warning.contains(&sample::node().to_string()));
    let json = serde_json::to_value(&verified).unwrap();
    assert_eq!(json["key_source"], "receipt");
    assert_eq!(json["anchoring"]["status"], "not_anchored");
}

#[test]
fn another_nodes_keys_are_refused() {
    for other in [sample::signer_of(8, 9), sample::signer_of(7, 8)] {
        let proof = sample::proof(0, 1);
        let error = proof.verify(Some(other.identity())).unwrap_err();
        assert_eq!(error.code(), "key_mismatch");
        // Nor does a key help that the receipt doesn't name.
        let ml_dsa_44_key = other.ml_dsa_44().verifier().clone();
        let is_ours = ml_dsa_44_key == proof.ml_dsa_44_key;
        let other = ReceiptProof {
            ml_dsa_44_key,
            ..proof
        };
        assert_eq!(verify(&other).is_ok(), is_ours);
    }
}

#[test]
fn requests_and_answers_are_compared() {
    let proof = sample::proof(0, 1);
    proof.verify_request(sample::REQUEST).unwrap();
    proof.verify_answer(sample::ANSWER).unwrap();
    assert_eq!(
        proof.verify_answer(sample::REQUEST).unwrap_err().code(),
        "digest_mismatch"
    );
}

#[test]
fn unknown_fields_are_skipped() {
    let proof = edited(|json| {
        json["comment"] = json!("kept by hand");
        json["log"]["url"] = json!({ "a": [1] });
        json["signed_receipt"]["receipt"]["tip_msat"] = json!(5);
    });
    assert_eq!(proof.unwrap(), sample::proof(2, 5));
}

#[test]
fn other_versions_are_named() {
    let json = br#"{ "format": "freehold-receipt-proof/v3", "shape": "new" }"#;
    let error = ReceiptProof::from_json(json).unwrap_err();
    assert_eq!(error.code(), "unsupported_version");
    assert!(error.to_string().contains("freehold-receipt-proof/v3"));
    assert_eq!(error.hint(), "update this program and try again");
}

#[test]
fn reading_is_bounded_and_strict() {
    let code = |edit: fn(&mut Value)| edited(edit).unwrap_err().code();
    assert_eq!(
        code(|json| json["log"]["path"] = json!(vec![Hash([0; 32]); 65])),
        "too_large"
    );
    assert_eq!(
        code(|json| json["comment"] = json!("a".repeat(MAX_PROOF_BYTES))),
        "too_large"
    );
    assert_eq!(
        code(|json| json["log"]["path"][0] = json!("00")),
        "malformed"
    );
    assert_eq!(
        code(|json| json["log"]["path"][0] = json!("A".repeat(64))),
        "malformed"
    );
    assert_eq!(code(|json| json["log"]["index"] = json!(-1)), "malformed");
    assert_eq!(code(|json| json["log"]["index"] = json!(2.0)), "malformed");
    let doubled = sample::proof(0, 1).to_json().unwrap().replacen(
        '{',
        r#"{ "format": "freehold-receipt-proof/v2","#,
        1,
    );
    assert_eq!(
        ReceiptProof::from_json(doubled.as_bytes())
            .unwrap_err()
            .code(),
        "malformed"
    );
    let nested = [b"[".repeat(30_000), b"]".repeat(30_000)].concat();
    assert_eq!(
        ReceiptProof::from_json(&nested).unwrap_err().code(),
        "malformed"
    );
}

#[test]
fn parts_of_two_proofs_do_not_mix() {
    let (a, b, later) = (
        sample::proof(2, 5),
        sample::proof(3, 5),
        sample::proof(2, 6),
    );
    let mut mixed = a.clone();
    mixed.signed_receipt = b.signed_receipt;
    assert_eq!(code(&mixed), "not_included");
    let mut mixed = a.clone();
    mixed.log.checkpoint = later.log.checkpoint.clone();
    assert_eq!(code(&mixed), "checkpoint_mismatch");
    mixed.log.tree_size = 6;
    assert_eq!(code(&mixed), "not_included");
    let mut mixed = a;
    mixed.log.path = later.log.path;
    assert_eq!(code(&mixed), "not_included");
}

proptest! {
    #[test]
    fn round_trip(size in 1_u64..40, at: prop::sample::Index) {
        let proof = sample::proof(at.index(size as usize) as u64, size);
        let read = ReceiptProof::from_json(proof.to_json()?.as_bytes())?;
        prop_assert_eq!(&read, &proof);
        verify(&read)?;
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        prop_assert!(ReceiptProof::from_json(&bytes).is_err());
    }
}
