//! The vectors of another implementation of the `Payment` scheme, and exact bytes of ours.
//!
//! They stand beside the checkout, not in it; where they don't, this says so and shows nothing.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use http402::mpp::{
    Challenge, ChallengeKeys, Credential, Receipt, canonical_json, challenges, from_base64url,
    session::SessionEvent, to_base64url,
};
use serde_json::{Value, json};

fn vectors() -> Option<Value> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/mpp/vectors.json"
    );
    match std::fs::read(path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            eprintln!("SKIPPED: no vectors of the Payment scheme beside this checkout");
            None
        }
    }
}

/// Runs `check` on each vector of a group, of which there are `count`.
fn each(group: &str, count: usize, check: impl Fn(&Value)) {
    let Some(vectors) = vectors() else { return };
    let group = vectors[group].as_array().unwrap();
    assert_eq!(group.len(), count);
    group.iter().for_each(check);
}

fn text<'a>(vector: &'a Value, name: &str) -> &'a str {
    vector[name].as_str().unwrap()
}

fn fails(vector: &Value) -> bool {
    vector["error"] == true
}

/// A list's challenges have no id that an HMAC made, so they are read field by field.
fn challenge(params: &Value) -> Challenge {
    serde_json::from_value(params.clone()).unwrap()
}

#[test]
fn canonicalization() {
    each("canonicalization", 22, |vector| {
        let read = serde_json::from_str::<Value>(text(vector, "input"));
        assert_eq!(read.is_err(), fails(vector), "{vector}");
        if let Ok(value) = read {
            let canonical = canonical_json(&value).unwrap();
            assert_eq!(canonical, text(vector, "canonical"), "{vector}");
        }
    });
}

#[test]
fn base64url() {
    each("base64url", 17, |vector| {
        let read = from_base64url(text(vector, "encoded"));
        assert_eq!(read.is_none(), fails(vector), "{vector}");
        let Some(bytes) = read else { return };
        let wanted = vector["decodedHex"].as_str().unwrap_or_default();
        assert_eq!(hex::encode(&bytes), wanted, "{vector}");
        let is_canonical = to_base64url(&bytes) == text(vector, "encoded");
        assert_eq!(is_canonical, vector["canonical"] == true, "{vector}");
    });
}

#[test]
fn challenge_headers() {
    each("challengeHeaders", 6, |vector| {
        let header = text(vector, "header");
        assert_eq!(challenge(&vector["params"]).to_header().unwrap(), header);
        let read = challenges([("www-authenticate", header)]);
        assert_eq!(read, [challenge(&vector["parsed"])], "{vector}");
    });
}

#[test]
fn challenge_lists() {
    each("challengeLists", 11, |vector| {
        let read = challenges([("WWW-Authenticate", text(vector, "header"))]);
        assert_eq!(read.is_empty(), fails(vector), "{vector}");
        let wanted = vector["challenges"].as_array().cloned().unwrap_or_default();
        let wanted: Vec<Challenge> = wanted.iter().map(challenge).collect();
        assert_eq!(read, wanted, "{vector}");
    });
}

#[test]
fn challenge_ids() {
    let Some(all) = vectors() else { return };
    let keys = ChallengeKeys::new(&hex::decode(text(&all, "hmacSecretHex")).unwrap()).unwrap();
    each("challengeIds", 4, |vector| {
        let challenge = challenge(&vector["params"]);
        assert_eq!(keys.id(&challenge), challenge.id, "{vector}");
        // Two of the vectors show why: with a | in them, two challenges share an id. We take neither.
        let has_pipe = [&challenge.realm, &challenge.method]
            .iter()
            .any(|slot| slot.contains('|'));
        assert_eq!(keys.verify(&challenge).is_err(), has_pipe, "{vector}");
        assert_eq!(keys.sign(challenge).is_err(), has_pipe, "{vector}");
    });
}

#[test]
fn credentials() {
    each("credentials", 11, |vector| {
        let read = Credential::parse(text(vector, "header"));
        assert_eq!(read.is_err(), fails(vector), "{vector}");
        let Ok(credential) = read else { return };
        let wanted: Value = serde_json::from_str(text(vector, "credentialJson")).unwrap();
        assert_eq!(serde_json::to_value(&credential).unwrap(), wanted);
        // What we write is the same in canonical form.
        let header = credential.to_header();
        let json = from_base64url(header.strip_prefix("Payment ").unwrap()).unwrap();
        assert_eq!(json, canonical_json(&wanted).unwrap().into_bytes());
    });
}

#[test]
fn receipts() {
    each("receipts", 8, |vector| {
        let json = text(vector, "receiptJson");
        let wanted: Value = serde_json::from_str(json).unwrap();
        let header = text(vector, "header");
        assert_eq!(from_base64url(header).unwrap(), json.as_bytes());
        if text(vector, "name").starts_with("need top-up") {
            let event = SessionEvent::parse("payment-need-topup", &with_full_id(json)).unwrap();
            let shown = event.to_sse();
            let data = shown
                .strip_prefix("event: payment-need-topup\ndata: ")
                .unwrap();
            assert_eq!(data.trim_end(), with_full_id(json));
            return;
        }
        let receipt = Receipt::decode(header).unwrap();
        assert_eq!(serde_json::to_value(&receipt).unwrap(), wanted, "{vector}");
        // Canonical JSON has doubles: beyond 2^53, where no amount is, only reading is exact.
        if receipt.refund_sats.unwrap_or_default() < 1 << 53 {
            assert_eq!(Receipt::decode(&receipt.encode()), Ok(receipt));
        }
    });
}

/// The vectors shorten the session's id, which here has the length of a payment hash.
fn with_full_id(json: &str) -> String {
    json.replace("aa11bb22", &"aa11bb22".repeat(8))
}

/// Without the vectors: a challenge's exact bytes, computed with `openssl dgst -sha256 -hmac`.
#[test]
fn a_challenge_has_exactly_these_bytes() {
    let keys = ChallengeKeys::new(b"mpp-test-vector-secret").unwrap();
    let challenge = challenge(&json!({
        "id": "", "realm": "api.example.com", "method": "lightning", "intent": "charge",
        "request": to_base64url(r#"{"amount":"100"}"#),
    }));
    let signed = keys.sign(challenge).unwrap();
    let header = concat!(
        r#"Payment id="_9D0WlPoPRltxAd6AdpQd6auVOOeQGJ_J8BkGeBE_bU", realm="api.example.com", "#,
        r#"method="lightning", intent="charge", request="eyJhbW91bnQiOiIxMDAifQ""#,
    );
    assert_eq!(signed.to_header().unwrap(), header);
    assert_eq!(challenges([("WWW-Authenticate", header)]), [signed]);
}
