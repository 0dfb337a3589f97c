//! Tokens that a seller refuses before it touches a mint.
#![allow(clippy::unwrap_used)]

mod common;

use ciborium::{Value, cbor};
use common::{MINT, proof, v3, v4, v4_of};
use http402::Error;
use http402::xcashu::{TokenOutline, limits};

fn check(token: &str, code: &str) {
    let error = TokenOutline::parse(token).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert_eq!(error.http_status(), 400);
}

fn with_amount(amount: Value) -> String {
    let keyset_id = Value::Bytes(vec![0; 8]);
    v4_of(
        cbor!({ "m" => MINT, "u" => "sat", "t" => [{
            "i" => keyset_id, "p" => [{ "a" => amount, "s" => "a" }],
        }] })
        .unwrap(),
    )
}

#[test]
fn amounts_that_no_proof_has() {
    check(&with_amount(0.into()), "payment_amount_invalid");
    check(&with_amount((-1).into()), "payment_amount_invalid");
    check(&with_amount(u64::MAX.into()), "payment_amount_invalid");
    check(
        &with_amount(Value::from(u128::from(u64::MAX) + 1)),
        "payment_amount_invalid",
    );
    check(&with_amount(Value::Float(1.5)), "payment_malformed");
    check(&v4(MINT, "sat", &[]), "payment_amount_invalid");
    assert!(TokenOutline::parse(&with_amount(1.into())).is_ok());
}

#[test]
fn sums_that_overflow() {
    let most = proof(u64::MAX, "a");
    check(
        &v4(MINT, "sat", &[most.clone(), proof(1, "b")]),
        "payment_amount_invalid",
    );
    check(
        &v4(
            MINT,
            "sat",
            &[proof(limits::AMOUNT_MAX, "a"), proof(1, "b")],
        ),
        "payment_amount_invalid",
    );
    assert!(TokenOutline::parse(&v4(MINT, "sat", &[proof(limits::AMOUNT_MAX, "a")])).is_ok());
}

#[test]
fn the_same_proof_twice() {
    let twice = [proof(1, "a"), proof(2, "b"), proof(4, "a")];
    check(&v4(MINT, "sat", &twice), "payment_duplicate_proof");
    check(
        &v3(&[(MINT, &twice[..2]), (MINT, &twice[2..])], "sat"),
        "payment_duplicate_proof",
    );
}

#[test]
fn several_mints() {
    let (a, b) = ([proof(1, "a")], [proof(1, "b")]);
    check(
        &v3(&[(MINT, &a), ("https://other.example.com", &b)], "sat"),
        "payment_several_mints",
    );
    let spelt_twice = v3(&[(MINT, &a), ("https://MINT.example.com/", &b)], "sat");
    assert_eq!(TokenOutline::parse(&spelt_twice).unwrap().amount, 2);
}

#[test]
fn too_much_of_anything() {
    let many: Vec<_> = (0..=limits::PROOFS_MAX)
        .map(|n| proof(1, &n.to_string()))
        .collect();
    check(&v4(MINT, "sat", &many), "payment_too_large");
    assert!(TokenOutline::parse(&v4(MINT, "sat", &many[1..])).is_ok());
    let long = "a".repeat(limits::SECRET_BYTES_MAX + 1);
    check(&v4(MINT, "sat", &[proof(1, &long)]), "payment_too_large");
    check(
        &format!("cashuB{}", "A".repeat(limits::TOKEN_BYTES_MAX)),
        "payment_too_large",
    );
}

#[test]
fn nesting_and_lengths_that_lie() {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    for bytes in [
        vec![0x81; 40_000],                                         // arrays in arrays
        vec![0xa1; 40_000],                                         // maps in maps
        vec![0xd8; 40_000],                                         // tags on tags
        vec![0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],       // a text of 2^64 bytes
        vec![0x9b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], // a list of 2^63
    ] {
        check(
            &format!("cashuB{}", URL_SAFE_NO_PAD.encode(bytes)),
            "payment_malformed",
        );
    }
    let json = format!("{{\"token\":{}", "[".repeat(40_000));
    check(
        &format!("cashuA{}", URL_SAFE_NO_PAD.encode(json)),
        "payment_malformed",
    );
}

#[test]
fn an_error_never_repeats_a_secret() {
    let secret = "this-is-money";
    let tokens = [
        v4(MINT, "sat", &[proof(1, secret), proof(1, secret)]),
        v4(MINT, "sat", &[proof(0, secret)]),
        v4("no mint", "sat", &[proof(1, secret)]),
        v4(MINT, "two words", &[proof(1, secret)]),
    ];
    for token in tokens {
        let error: Error = TokenOutline::parse(&token).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(secret));
    }
}

#[test]
fn locked_proofs_are_recognised() {
    let secret = r#"["P2PK",{"nonce":"00","data":"02","tags":[]}]"#;
    assert!(
        TokenOutline::parse(&v4(MINT, "sat", &[proof(1, secret)]))
            .unwrap()
            .locked
    );
    assert!(
        !TokenOutline::parse(&v4(MINT, "sat", &[proof(1, "[not json")]))
            .unwrap()
            .locked
    );
}
