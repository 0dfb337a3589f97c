//! A seller and buyers of the `Payment` scheme, for tests.
#![allow(dead_code, missing_docs, clippy::unwrap_used)]

use http402::mpp::session::{Action, SessionOffer};
use http402::mpp::{
    Challenge, ChallengeKeys, ChargeOffer, Credential, Invoice, PaymentHash, Preimage,
};
use serde_json::{Value, json};

pub const NOW_S: u64 = 1_773_576_000;
pub const UNIT_PRICE_SAT: u64 = 3;
pub const DEPOSIT_SAT: u64 = 60;

pub fn keys() -> ChallengeKeys {
    ChallengeKeys::new(b"0123456789abcdef").unwrap()
}

pub fn preimage(n: u8) -> Preimage {
    Preimage::from([n; 32])
}

/// Text in the shape of an invoice: what stands behind its head is for a wallet to check.
pub fn bolt11(amount_sat: Option<u64>) -> String {
    let amount = amount_sat.map_or(String::new(), |sat| format!("{}n", sat * 10));
    format!("lnbc{amount}1{}", "q".repeat(120))
}

pub fn invoice(amount_sat: u64, payment_hash: PaymentHash) -> Invoice {
    Invoice {
        bolt11: bolt11(Some(amount_sat)),
        payment_hash,
        expires_at_s: NOW_S + 300,
    }
}

pub fn session_offer() -> SessionOffer {
    SessionOffer {
        id: "inference".to_owned(),
        realm: "api.example.com".to_owned(),
        unit_price_sat: UNIT_PRICE_SAT,
        unit_type: Some("token".to_owned()),
        description: Some("answers".to_owned()),
        deposit_sat: DEPOSIT_SAT,
        idle_timeout_s: 300,
        mints: vec![crate::common::MINT.to_owned()],
    }
}

pub fn charge_offer() -> ChargeOffer {
    ChargeOffer {
        id: "POST /v1/chat/completions".to_owned(),
        realm: "api.example.com".to_owned(),
        price_sat: 100,
        description: None,
        network: Some("mainnet".to_owned()),
        agreed: None,
    }
}

pub fn credential(challenge: &Challenge, payload: Value) -> Credential {
    let sent = Credential {
        challenge: challenge.clone(),
        source: None,
        payload,
    };
    Credential::parse(&sent.to_header()).unwrap()
}

pub fn read(challenge: &Challenge, payload: Value) -> Action {
    session_offer()
        .read(&keys(), &credential(challenge, payload))
        .unwrap()
}

/// The challenge for the Lightning deposit number `n`.
pub fn lightning(n: u8) -> Challenge {
    session_offer()
        .challenge(&keys(), &invoice(DEPOSIT_SAT, preimage(n).hash()))
        .unwrap()
}

/// The challenge for a deposit in ecash.
pub fn ecash() -> Challenge {
    session_offer()
        .ecash_challenge(&keys(), NOW_S + 300)
        .unwrap()
}

/// Opens a session with the Lightning deposit of this number.
pub fn open_action(secret: u8) -> Action {
    let payload =
        json!({ "action": "open", "preimage": preimage(secret), "returnInvoice": bolt11(None) });
    read(&lightning(secret), payload)
}
