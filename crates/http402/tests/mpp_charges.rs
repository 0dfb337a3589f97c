//! One payment for one request: what a seller takes, and what it refuses.
#![allow(clippy::unwrap_used)]

#[path = "common/mod.rs"]
mod common;
#[path = "common/mpp.rs"]
mod mpp;

// The helpers of this protocol build on those of ecash.
use common::MINT;
use http402::mpp::{
    Challenge, ChallengeKeys, Decision, Error, Quote, challenges, charge_credential,
    content_digest, from_base64url, quote, to_base64url,
};
use mpp::{NOW_S, charge_offer, credential, invoice, keys, preimage};
use serde_json::{Value, json};

const BODY: &[u8] = br#"{"model":"default"}"#;

fn challenge() -> Challenge {
    let invoice = invoice(100, preimage(1).hash());
    charge_offer()
        .challenge(&keys(), &invoice, Some(BODY))
        .unwrap()
}

fn decide(header: &str, body: &[u8], now_s: u64) -> Decision {
    charge_offer().decide(&keys(), Some(header), body, now_s)
}

fn check(challenge: &Challenge, payload: Value, code: &str) {
    let header = credential(challenge, payload).to_header();
    let Decision::Refuse(error) = decide(&header, BODY, NOW_S) else {
        panic!("{header} was not refused")
    };
    assert_eq!(error.code(), code);
    let problem = serde_json::to_value(error.problem(100)).unwrap();
    assert_eq!(problem["status"], 402);
    assert!(
        problem["type"]
            .as_str()
            .unwrap()
            .starts_with("https://paymentauth.org/problems/")
    );
}

fn paid() -> Value {
    json!({ "preimage": preimage(1).to_hex() })
}

#[test]
fn a_buyer_pays_and_is_served() {
    assert_eq!(
        charge_offer().decide(&keys(), None, BODY, NOW_S),
        Decision::Challenge
    );
    let header = challenge().to_header().unwrap();
    let [offered] = challenges([("www-authenticate", header.as_str())])
        .try_into()
        .unwrap();
    let Quote::Charge { challenge, request } = quote(offered, NOW_S).unwrap() else {
        panic!("no charge")
    };
    assert_eq!(request.amount_sat, 100);
    let header = charge_credential(&challenge, &preimage(1)).to_header();
    let Decision::Consume(paid) = decide(&header, BODY, NOW_S) else {
        panic!("refused")
    };
    assert_eq!(paid.payment_hash, preimage(1).hash());
    assert_eq!(paid.challenge_id, challenge.id);
    let receipt = paid.receipt(NOW_S);
    assert_eq!(receipt.reference, preimage(1).hash().to_string());
    assert_eq!(receipt.timestamp, "2026-03-15T12:00:00Z");
}

#[test]
fn a_changed_challenge_is_not_ours() {
    let changes: [fn(&mut Challenge); 9] = [
        |c| c.id = to_base64url([0; 32]),
        |c| c.id.push('='),
        |c| c.realm = "other.example.com".to_owned(),
        |c| c.method = "cashu".to_owned(),
        |c| c.intent = "session".to_owned(),
        |c| c.request = c.request.replacen('e', "f", 1),
        |c| c.expires = None,
        |c| c.digest = Some(content_digest(b"other")),
        |c| c.opaque = Some(to_base64url("{}")),
    ];
    for change in changes {
        let mut changed = challenge();
        change(&mut changed);
        check(&changed, paid(), "challenge_unknown");
    }
    // Nothing vouches for the description.
    let mut described = challenge();
    described.description = Some("free".to_owned());
    let header = credential(&described, paid()).to_header();
    assert!(matches!(decide(&header, BODY, NOW_S), Decision::Consume(_)));
}

#[test]
fn a_payment_for_something_else_buys_nothing() {
    let other = http402::mpp::ChargeOffer {
        id: "GET /cheap".to_owned(),
        ..charge_offer()
    };
    let invoice = invoice(100, preimage(1).hash());
    let challenge = other.challenge(&keys(), &invoice, None).unwrap();
    check(&challenge, paid(), "challenge_elsewhere");
}

#[test]
fn time_body_and_preimage_must_fit() {
    let header = credential(&challenge(), paid()).to_header();
    assert!(matches!(
        decide(&header, BODY, NOW_S + 300),
        Decision::Consume(_)
    ));
    assert_eq!(
        decide(&header, BODY, NOW_S + 301),
        Decision::Refuse(Error::ChallengeExpired)
    );
    assert_eq!(
        decide(&header, b"other", NOW_S),
        Decision::Refuse(Error::DigestMismatch)
    );
    check(
        &challenge(),
        json!({ "preimage": preimage(2).to_hex() }),
        "preimage_invalid",
    );
    check(
        &challenge(),
        json!({ "preimage": "00" }),
        "credential_malformed",
    );
    check(&challenge(), json!({}), "credential_malformed");
}

/// The price of a body that was quoted holds; without a body, a cheap payment must not buy a dear answer.
#[test]
fn a_risen_price() {
    let dear = http402::mpp::ChargeOffer {
        price_sat: 101,
        ..charge_offer()
    };
    let quoted = credential(&challenge(), paid());
    assert!(dear.verify(&keys(), &quoted, BODY, NOW_S).is_ok());
    let invoice = invoice(100, preimage(1).hash());
    let open = charge_offer().challenge(&keys(), &invoice, None).unwrap();
    let error = dear
        .verify(&keys(), &credential(&open, paid()), BODY, NOW_S)
        .unwrap_err();
    assert_eq!(
        error,
        Error::PaidTooLittle {
            given_sat: 100,
            price_sat: 101
        }
    );
}

#[test]
fn an_old_secret_is_recognised_until_it_is_dropped() {
    let rotated = ChallengeKeys::new(b"fedcba9876543210").unwrap();
    let quoted = credential(&challenge(), paid());
    let verify = |keys: &ChallengeKeys| charge_offer().verify(keys, &quoted, BODY, NOW_S);
    assert_eq!(verify(&rotated), Err(Error::ChallengeUnknown));
    assert!(verify(&rotated.with_previous(b"0123456789abcdef").unwrap()).is_ok());
    assert!(ChallengeKeys::new(b"short").is_err());
}

/// What a buyer is told and what the invoice takes are two things.
#[test]
fn a_buyer_sees_through_a_seller_that_lies() {
    let lie = |amount: &str| {
        let json = from_base64url(&challenge().request).unwrap();
        let json = String::from_utf8(json).unwrap().replace("\"100\"", amount);
        let lying = Challenge {
            request: to_base64url(json),
            ..challenge()
        };
        quote(lying, NOW_S)
    };
    assert!(lie("\"100\"").is_ok());
    for amount in [
        "\"99\"",
        "\"0100\"",
        "\"0\"",
        "\"-100\"",
        "100",
        "\"1e2\"",
        "\"9999999999999999\"",
    ] {
        assert_eq!(
            lie(amount).unwrap_err().code(),
            "payment_challenge_malformed",
            "{amount}"
        );
    }
    assert_eq!(
        quote(challenge(), NOW_S + 301),
        Err(Error::ChallengeExpired)
    );
}

#[test]
fn errors_repeat_no_secret() {
    let secret = preimage(7).to_hex();
    let credential = credential(&challenge(), json!({ "preimage": secret, "note": MINT }));
    let error = charge_offer()
        .verify(&keys(), &credential, BODY, NOW_S)
        .unwrap_err();
    assert!(!format!("{error} {error:?} {credential:?}").contains(&secret));
    let error =
        http402::mpp::Credential::parse(&format!("Payment {}", to_base64url(&secret))).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(&secret));
}

/// @getalby/lightning-tools 9.0.1 echoes no `digest` and no `opaque`. They bind all the same.
#[test]
fn a_client_that_echoes_only_what_it_must_is_served() {
    let sparse = Challenge {
        digest: None,
        opaque: None,
        description: None,
        ..challenge()
    };
    let header = credential(&sparse, paid()).to_header();
    assert!(matches!(decide(&header, BODY, NOW_S), Decision::Consume(_)));
    assert_eq!(
        decide(&header, b"other", NOW_S),
        Decision::Refuse(Error::ChallengeUnknown)
    );
    let other = http402::mpp::ChargeOffer {
        id: "GET /dear".to_owned(),
        ..charge_offer()
    };
    let decision = other.decide(&keys(), Some(&header), BODY, NOW_S);
    assert_eq!(decision, Decision::Refuse(Error::ChallengeUnknown));
    // Without a digest in the challenge, any body will do, but not any price.
    let open = charge_offer()
        .challenge(&keys(), &invoice(100, preimage(1).hash()), None)
        .unwrap();
    let header = credential(
        &Challenge {
            opaque: None,
            ..open
        },
        paid(),
    )
    .to_header();
    assert!(matches!(
        decide(&header, b"other", NOW_S),
        Decision::Consume(_)
    ));
}
