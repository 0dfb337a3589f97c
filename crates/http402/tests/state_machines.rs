//! Seller and buyer, without a network between them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::{MINT, TestProof, proof, v4};
use http402::xcashu::{
    ClientStep, Decision, Nut10Option, Offer, PaymentRequest, X_CASHU, change, choose, next_step,
};

const LOCKED: &str = r#"["P2PK",{"nonce":"00","data":"02"}]"#;

fn offer() -> Offer {
    Offer::new(21, "sat", &[MINT, "https://other.example.com"]).unwrap()
}

fn refused(credential: &str, code: &str) {
    let offer = offer();
    let Decision::Refuse { error, challenge } = offer.decide(Some(credential)) else {
        panic!("not refused");
    };
    assert_eq!(error.code(), code);
    assert_eq!(challenge, offer.challenge());
    let problem = offer.problem(Some(&error));
    assert_eq!((problem.status, problem.code), (400, code));
    assert!(!problem.detail.is_empty() && !problem.hint.is_empty());
}

fn money(amount: u64) -> [TestProof; 1] {
    [proof(amount, "secret")]
}

#[test]
fn the_seller_challenges_without_a_payment() {
    for header in [None, Some(""), Some("  ")] {
        let Decision::Challenge(challenge) = offer().decide(header) else {
            panic!("{header:?}")
        };
        assert_eq!(challenge.name, X_CASHU);
        let request = PaymentRequest::decode(&challenge.value).unwrap();
        assert_eq!(request.amount, Some(21));
        assert_eq!(request.mints, offer().mints());
    }
    assert_eq!(offer().problem(None).status, 402);
}

#[test]
fn the_seller_redeems_what_fits() {
    for (mint, unit, amount) in [
        (MINT, "sat", 21),
        ("https://Mint.Example.com/", "SAT", 64),
        (MINT, "sat", u64::from(u32::MAX)),
    ] {
        let token = v4(mint, unit, &money(amount));
        let Decision::Redeem(outline) = offer().decide(Some(&token)) else {
            panic!("{mint} {unit}")
        };
        assert_eq!((outline.mint.as_str(), outline.amount), (MINT, amount));
        assert_eq!(outline.token(), token);
    }
}

#[test]
fn the_seller_refuses_what_does_not_fit() {
    refused(
        &v4("https://evil.example.com", "sat", &money(21)),
        "payment_wrong_mint",
    );
    refused(
        &v4("http://mint.example.com", "sat", &money(21)),
        "payment_wrong_mint",
    );
    refused(&v4(MINT, "usd", &money(21)), "payment_wrong_unit");
    refused(&v4(MINT, "sat", &money(20)), "payment_too_little");
    refused(&v4(MINT, "sat", &[proof(32, LOCKED)]), "payment_locked");
    refused("cashuB", "payment_malformed");
    refused("Bearer abc", "payment_malformed");
    refused(&offer().challenge().value, "payment_malformed");
    let token = v4(MINT, "sat", &money(21));
    refused(&format!("{token}, {token}"), "payment_malformed");
}

#[test]
fn an_offer_makes_sense_or_is_none() {
    for offer in [
        Offer::new(0, "sat", &[MINT]),
        Offer::new(1, "", &[MINT]),
        Offer::new(1, "two words", &[MINT]),
        Offer::new(1, "sat", &[] as &[&str]),
        Offer::new(1, "sat", &["mint.example.com"]),
        Offer::new(1, "sat", &[MINT; 65]),
    ] {
        assert_eq!(offer.unwrap_err().code(), "offer_invalid");
    }
}

#[test]
fn the_buyer_pays_when_asked() {
    let value = offer().challenge().value;
    let wanted = ClientStep::Pay(PaymentRequest::decode(&value).unwrap());
    let joined = format!("creqAnonsense, {value}");
    for headers in [
        vec![("x-cashu", value.as_str())],
        vec![("Content-Type", "text/plain"), ("X-CASHU", value.as_str())],
        vec![("X-Cashu", "creqB1unread"), ("X-Cashu", value.as_str())],
        vec![("X-Cashu", joined.as_str())],
    ] {
        assert_eq!(next_step(402, headers).unwrap(), wanted);
    }
}

#[test]
fn the_buyer_does_not_pay_when_not_asked() {
    let value = offer().challenge().value;
    for status in [200, 204, 400, 404, 500] {
        assert_eq!(
            next_step(status, [(X_CASHU, value.as_str())]).unwrap(),
            ClientStep::Done
        );
    }
}

#[test]
fn a_402_must_say_how_to_pay() {
    let code = |headers: &[(&'static str, &'static str)]| {
        next_step(402, headers.iter().copied()).unwrap_err().code()
    };
    assert_eq!(code(&[]), "challenge_missing");
    assert_eq!(code(&[("WWW-Authenticate", "Basic")]), "challenge_missing");
    assert_eq!(code(&[("X-Cashu", "creqA!")]), "challenge_malformed");
    assert_eq!(code(&[("X-Cashu", "eyJhIjoxfQ")]), "challenge_malformed");
}

fn request() -> PaymentRequest {
    PaymentRequest {
        amount: Some(21),
        unit: Some("sat".to_owned()),
        mints: vec![MINT.to_owned(), "not a mint".to_owned()],
        ..PaymentRequest::default()
    }
}

#[test]
fn the_buyer_chooses_its_preferred_mint() {
    let mine = ["https://mine.example.com", "https://MINT.example.com/"];
    let purchase = choose(&request(), &mine, "sat", 21).unwrap();
    assert_eq!(purchase.mint, "https://MINT.example.com/");
    assert_eq!((purchase.amount_sat, purchase.unit.as_str()), (21, "sat"));
}

#[test]
fn the_buyer_refuses_what_it_cannot_or_must_not_pay() {
    let code = |change: fn(&mut PaymentRequest)| {
        let mut request = request();
        change(&mut request);
        choose(&request, &[MINT], "sat", 21).unwrap_err().code()
    };
    assert_eq!(code(|r| r.amount = None), "amount_missing");
    assert_eq!(code(|r| r.amount = Some(0)), "amount_missing");
    assert_eq!(code(|r| r.amount = Some(22)), "price_above_limit");
    assert_eq!(code(|r| r.unit = None), "unit_unavailable");
    assert_eq!(
        code(|r| r.unit = Some("usd".to_owned())),
        "unit_unavailable"
    );
    assert_eq!(code(|r| r.mints.clear()), "mint_unavailable");
    assert_eq!(
        code(|r| r.mints = vec!["https://x.example".to_owned()]),
        "mint_unavailable"
    );
    let lock = Nut10Option {
        kind: "P2PK".to_owned(),
        ..Nut10Option::default()
    };
    let error = choose(
        &PaymentRequest {
            nut10: Some(lock),
            ..request()
        },
        &[MINT],
        "sat",
        21,
    )
    .unwrap_err();
    assert_eq!(error.code(), "lock_unsupported");
    assert!(error.to_string().contains("P2PK"));
}

#[test]
fn change_comes_back() {
    let token = v4(MINT, "sat", &money(3));
    let challenge = offer().challenge().value;
    let both = format!("{challenge}, {token}");
    assert_eq!(
        change([("x-cashu", both.as_str())])
            .unwrap()
            .unwrap()
            .amount,
        3
    );
    assert_eq!(change([("x-cashu", challenge.as_str())]).unwrap(), None);
    assert_eq!(change([("Date", "now")]).unwrap(), None);
    assert!(change([("x-cashu", &token[..40])]).is_err());
}
