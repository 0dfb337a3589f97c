use proptest::prelude::*;
use serde_json::{Value, json};
use timestamp::proof::{Anchoring, KeySource, MAX_PROOF_BYTES, ReceiptProof, Verified};
use timestamp::{Error, Hash, SigningKey};

use crate::sample;

fn verify(proof: &ReceiptProof) -> Result<Verified, Error> {
    proof.verify(Some(&sample::public_key()))
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
    assert_eq!(verified.anchoring, Anchoring::NotAnchored);
    assert_eq!(verified.checks().len(), 4);
    assert_eq!(
        verified.warnings(),
        ["not anchored yet: the time is the node's own word"]
    );
}

#[test]
fn says_when_the_key_is_only_the_receipts_own() {
    let verified = sample::proof(0, 1).verify(None).unwrap();
    assert_eq!(verified.key_source, KeySource::Receipt);
    assert_eq!(verified.checks().len(), 3);
    assert!(verified.warnings()[0].contains("was taken from the receipt itself"));
    let json = serde_json::to_value(&verified).unwrap();
    assert_eq!(json["key_source"], "receipt");
    assert_eq!(json["anchoring"], json!({ "status": "not_anchored" }));
}

#[test]
fn another_nodes_key_is_refused() {
    let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
    let error = sample::proof(0, 1).verify(Some(&other)).unwrap_err();
    assert_eq!(error.code(), "key_mismatch");
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
fn unknown_anchors_are_kept_and_never_believed() {
    let anchor = json!({ "type": "opentimestamps", "proof": "AE9wZW5UaW1lc3RhbXBz" });
    let proof = edited(|json| json["anchors"] = json!([anchor, 1])).unwrap();
    let verified = verify(&proof).unwrap();
    assert_eq!(verified.anchoring, Anchoring::NotChecked { anchors: 2 });
    assert!(verified.warnings()[0].starts_with("not anchored"));
    let again = ReceiptProof::from_json(proof.to_json().unwrap().as_bytes()).unwrap();
    assert_eq!(again.anchors[0], anchor);
    assert_eq!(
        edited(|json| json["anchors"] = json!(vec![0; 17]))
            .unwrap_err()
            .code(),
        "too_large"
    );
    let without = edited(|json| drop(json.as_object_mut().unwrap().remove("anchors"))).unwrap();
    assert_eq!(verify(&without).unwrap().anchoring, Anchoring::NotAnchored);
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
    let json = br#"{ "format": "freehold-receipt-proof/v2", "shape": "new" }"#;
    let error = ReceiptProof::from_json(json).unwrap_err();
    assert_eq!(error.code(), "unsupported_version");
    assert!(error.to_string().contains("freehold-receipt-proof/v2"));
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
    let doubled = sample::proof(0, 1)
        .to_json()
        .unwrap()
        .replacen('{', r#"{ "anchors": [],"#, 1);
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

/// The promise of the receipt's format: the way from the statement's SHA-256 to the signed root
/// is nothing but prepend, append and sha256, at most three of them a level.
#[test]
fn the_path_can_be_written_as_opentimestamps_operations() {
    for (index, size) in [(0, 1), (2, 5), (4, 5), (6, 11)] {
        let proof = sample::proof(index, size);
        let statement = proof.signed_receipt.receipt.statement().unwrap();
        let mut message = Hash::of(statement.as_bytes()).0.to_vec();
        message = Hash::of(&[&[0], message.as_slice()].concat()).0.to_vec();
        let (mut node, mut last) = (index, size - 1);
        for sibling in &proof.log.path {
            while node == last && node % 2 == 0 {
                (node, last) = (node / 2, last / 2);
            }
            let pair = match node % 2 {
                0 => [message.as_slice(), sibling.as_bytes()],
                _ => [sibling.as_bytes().as_slice(), &message],
            };
            message = Hash::of(&[&[1], pair.concat().as_slice()].concat())
                .0
                .to_vec();
            (node, last) = (node / 2, last / 2);
        }
        assert_eq!(message, verify(&proof).unwrap().root.0);
    }
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
