//! Values that several tests share.

use timestamp::log::ReceiptLog;
use timestamp::note::VerifierKey;
use timestamp::proof::ReceiptProof;
use timestamp::receipt::{self, Receipt};
use timestamp::{Hash, SigningKey, VerifyingKey};

pub const ORIGIN: &str = "house.example/receipts";
pub const REQUEST: &[u8] = b"What is a freehold?";
pub const ANSWER: &[u8] = b"Land owned outright.";

pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

pub fn public_key() -> VerifyingKey {
    key().verifying_key()
}

pub fn node() -> VerifierKey {
    VerifierKey::new(ORIGIN, public_key()).unwrap()
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

/// The proof of one receipt in a log of `size` receipts.
pub fn proof(index: u64, size: u64) -> ReceiptProof {
    let mut log = ReceiptLog::new(key(), ORIGIN).unwrap();
    let mut signed = None;
    for id in 0..size {
        let appended = log.append(&receipt(id)).unwrap();
        if id == index {
            signed = Some(appended.signed);
        }
    }
    log.prove(index, signed.unwrap()).unwrap()
}
