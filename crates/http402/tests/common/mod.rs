//! Writes tokens, which the crate itself never does.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ciborium::{Value, cbor};

pub const MINT: &str = "https://mint.example.com";

#[derive(Debug, Clone)]
pub struct TestProof {
    pub amount: u64,
    pub secret: String,
}

pub fn proof(amount: u64, secret: &str) -> TestProof {
    TestProof {
        amount,
        secret: secret.to_owned(),
    }
}

fn v4_proofs(proofs: &[TestProof]) -> Value {
    let proofs = proofs.iter().map(|p| {
        cbor!({ "a" => p.amount, "s" => p.secret, "c" => Value::Bytes(vec![2; 33]) }).unwrap()
    });
    Value::Array(proofs.collect())
}

pub fn v4(mint: &str, unit: &str, proofs: &[TestProof]) -> String {
    v4_of(cbor!({
        "m" => mint,
        "u" => unit,
        "t" => [{ "i" => Value::Bytes(vec![0, 1, 2, 3, 4, 5, 6, 7]), "p" => v4_proofs(proofs) }],
    })
    .unwrap())
}

pub fn v4_of(value: Value) -> String {
    let mut bytes = Vec::new();
    ciborium::into_writer(&value, &mut bytes).unwrap();
    format!("cashuB{}", URL_SAFE_NO_PAD.encode(bytes))
}

pub fn v3(mints: &[(&str, &[TestProof])], unit: &str) -> String {
    let entries: Vec<_> = mints
        .iter()
        .map(|(mint, proofs)| {
            let proofs: Vec<_> = proofs
                .iter()
                .map(|p| {
                    serde_json::json!({
                        "amount": p.amount, "id": "0001020304050607", "secret": p.secret, "C": "02",
                    })
                })
                .collect();
            serde_json::json!({ "mint": mint, "proofs": proofs })
        })
        .collect();
    let json = serde_json::json!({ "token": entries, "unit": unit }).to_string();
    format!("cashuA{}", URL_SAFE_NO_PAD.encode(json))
}
