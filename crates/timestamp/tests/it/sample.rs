//! Values that several tests share.

use timestamp::log::ReceiptLog;
use timestamp::note::{CosignerKey, Identity, NodeSigner};
use timestamp::ots::{Arg, Attestation, Op, Timestamp, Uri};
use timestamp::proof::{Anchor, ReceiptProof};
use timestamp::receipt::{self, Receipt};
use timestamp::{Hash, SigningKey};

pub const ORIGIN: &str = "house.example/receipts";
pub const REQUEST: &[u8] = b"What is a freehold?";
pub const ANSWER: &[u8] = b"Land owned outright.";
/// In seconds since 1970.
pub const NOW: u64 = 1_700_000_001;

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn signer() -> NodeSigner {
    signer_of(7, 9)
}

/// A node with the same name and other keys.
pub fn signer_of(ed25519: u8, ml_dsa_44: u8) -> NodeSigner {
    let ed25519 = SigningKey::from_bytes(&[ed25519; 32]);
    NodeSigner::new(ORIGIN, ed25519, &[ml_dsa_44; 32]).unwrap()
}

pub fn node() -> Identity {
    signer().identity().clone()
}

pub fn cosigner() -> CosignerKey {
    signer().ml_dsa_44().verifier().clone()
}

pub fn receipt(id: u64) -> Receipt {
    Receipt {
        version: receipt::VERSION,
        id: format!("receipt-{id}"),
        request_sha256: Hash::of(REQUEST),
        answer_sha256: Hash::of(ANSWER),
        model: "Qwen3 0.6B · Q8".to_owned(),
        model_sha256: Some(Hash::of(b"weights")),
        price_msat: 21_000,
        prompt_tokens: 5,
        completion_tokens: 4,
        time_unix_ms: 1_700_000_000_123,
        node: node(),
    }
}

/// The proof of one receipt in a log of `size` receipts, not anchored.
pub fn proof(index: u64, size: u64) -> ReceiptProof {
    let mut log = ReceiptLog::new(signer());
    let mut signed = None;
    for id in 0..size {
        let appended = log.append(&receipt(id)).unwrap();
        if id == index {
            signed = Some(appended.signed);
        }
    }
    let head = log.head(NOW).unwrap();
    log.prove(index, signed.unwrap(), &head).unwrap()
}

/// The same with an anchor of all kinds.
pub fn anchored(index: u64, size: u64) -> ReceiptProof {
    let mut timestamp = promised();
    timestamp.merge(on_the_way(Attestation::Bitcoin { height: 840_000 }));
    timestamp.merge(on_the_way(Attestation::stand_in(NOW)));
    with_anchor(proof(index, size), timestamp)
}

pub fn with_anchor(proof: ReceiptProof, timestamp: Timestamp) -> ReceiptProof {
    proof.with_anchor(Some(Anchor::new(timestamp).unwrap()))
}

/// What a calendar says at first.
pub fn promised() -> Timestamp {
    on_the_way(Attestation::Pending(
        Uri::new("https://calendar.example").unwrap(),
    ))
}

/// An attestation of what two operations make of the root.
pub fn on_the_way(attestation: Attestation) -> Timestamp {
    let nonce = Op::Append(Arg::from(&[5; 16]));
    Timestamp::attested(attestation).after([nonce, Op::SHA256])
}
