//! Proofs that are made to do harm.

use std::time::{Duration, Instant};

use timestamp::ots::{
    Attestation, DetachedProof, Error, MAX_DEPTH, MAX_MESSAGE_BYTES, MAX_PROOF_BYTES, Op, Timestamp,
};

use crate::sample::append;

/// How a proof begins: magic, version, SHA-256, digest.
fn head() -> Vec<u8> {
    let timestamp = Timestamp::attested(Attestation::Bitcoin { height: 1 });
    let proof = DetachedProof::of_bytes(b"x", timestamp).unwrap();
    let mut bytes = proof.to_bytes().unwrap();
    bytes.truncate(65);
    bytes
}

fn refusal(tail: &[u8]) -> Error {
    let bytes = [head().as_slice(), tail].concat();
    DetachedProof::from_bytes(&bytes).unwrap_err()
}

/// What an attestation of block 1 looks like.
const BLOCK_1: [u8; 11] = [
    0x00, 0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01, 0x01, 0x01,
];

#[test]
fn the_hexlify_bomb_is_refused_at_once() {
    let bomb = [[0xf3; 30].as_slice(), &BLOCK_1].concat();
    let start = Instant::now();
    assert!(matches!(
        refusal(&bomb),
        Error::MessageTooLong { op: "hexlify", .. }
    ));
    // Lengths alone decide; a second would be a million times what it takes.
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[test]
fn work_is_bounded() {
    // Each byte of it asks for 4 KiB to be turned around.
    let mut bytes = vec![0xf0, 0xe0, 0x1f];
    bytes.extend([1; 4064]);
    for _ in 0..40_000 {
        bytes.extend([0xff, 0xf2]);
        bytes.extend(BLOCK_1);
    }
    bytes.extend(BLOCK_1);
    assert_eq!(refusal(&bytes), Error::TooMuchWork);
}

#[test]
fn depth_is_bounded_as_in_the_reference() {
    let chain = |ops: usize| [vec![0x08; ops].as_slice(), &BLOCK_1].concat();
    assert_eq!(refusal(&chain(MAX_DEPTH)), Error::TooDeep);
    assert_eq!(refusal(&vec![0x08; 1_000_000]), Error::TooDeep);
    let most = [head(), chain(MAX_DEPTH - 1)].concat();
    assert!(DetachedProof::from_bytes(&most).is_ok());
}

#[test]
fn lengths_are_bounded() {
    assert!(matches!(
        DetachedProof::from_bytes(&vec![0; MAX_PROOF_BYTES + 1]),
        Err(Error::TooLong { .. })
    ));
    assert!(matches!(
        refusal(&[0xf0, 0x81, 0x20]),
        Error::TooLong { .. }
    ));
    assert_eq!(refusal(&[0xf0, 0x00]), Error::ArgumentLength { length: 0 });
    let tag = [0x00, 1, 2, 3, 4, 5, 6, 7, 8];
    assert!(matches!(
        refusal(&[tag.as_slice(), &[0x81, 0x40]].concat()),
        Error::TooLong { .. }
    ));
    // A length of 2^64 and more.
    let vast = [0xff; 11];
    assert!(matches!(
        refusal(&[tag.as_slice(), &vast, &[0x01]].concat()),
        Error::TooLong { .. }
    ));
}

#[test]
fn only_the_whole_proof_is_a_proof() {
    let whole = [head().as_slice(), &BLOCK_1].concat();
    assert!(DetachedProof::from_bytes(&whole).is_ok());
    for length in 0..whole.len() {
        assert!(
            DetachedProof::from_bytes(&whole[..length]).is_err(),
            "{length}"
        );
    }
    let more = [whole.as_slice(), &[0]].concat();
    assert_eq!(
        DetachedProof::from_bytes(&more),
        Err(Error::TrailingBytes { excess: 1 })
    );
}

#[test]
fn addresses_can_hide_nothing() {
    let pending = |uri: &[u8]| {
        let mut bytes = vec![0x00, 0x83, 0xdf, 0xe3, 0x0d, 0x2e, 0xf9, 0x0c, 0x8e];
        bytes.push(u8::try_from(uri.len() + 1).unwrap());
        bytes.push(u8::try_from(uri.len()).unwrap());
        bytes.extend(uri);
        bytes
    };
    for uri in [
        &b"http://a/?b"[..],
        b"http://u@h",
        b"\x1b[31m",
        b"http://a b",
        "http://ä".as_bytes(),
        b"\xff",
    ] {
        assert_eq!(refusal(&pending(uri)), Error::InvalidUri, "{uri:?}");
    }
}

#[test]
fn messages_stay_within_bounds_outside_of_files_too() {
    let mut message = vec![0; MAX_MESSAGE_BYTES];
    assert!(append(&[1]).apply(&mut message).is_err());
    assert!(Op::Hexlify.apply(&mut message).is_err());
    assert!(Op::Reverse.apply(&mut message).is_ok());
    message.push(0);
    assert!(Op::SHA256.apply(&mut message).is_err());
}
