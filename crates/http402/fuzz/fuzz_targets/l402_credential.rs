//! Any `Authorization` value, and any caveat that a holder may add: nothing is
//! granted that the token before it did not grant.
#![no_main]

use http402::l402::{Credential, Issuer, Request, Terms};
use libfuzzer_sys::fuzz_target;

const PREIMAGE: [u8; 32] = [0; 32];
/// SHA-256 of 32 zero bytes.
const PAYMENT_HASH: [u8; 32] = [
    0x66, 0x68, 0x7a, 0xad, 0xf8, 0x62, 0xbd, 0x77, 0x6c, 0x8f, 0xc1, 0x8b, 0x8e, 0x9f, 0x8e, 0x20,
    0x08, 0x97, 0x14, 0x85, 0x6e, 0xe2, 0x33, 0xb3, 0x90, 0x2a, 0x59, 0x1d, 0x0d, 0x5f, 0x29, 0x25,
];

fuzz_target!(|text: &str| {
    let issuer = Issuer::new(&[1; 32], "here");
    let request = Request {
        service: "m",
        capability: Some("r"),
        host: "h",
        path: "/v1/x",
        method: "GET",
    };
    if let Ok(Some(credential)) = Credential::parse(text) {
        assert_eq!(
            Credential::parse(&credential.to_value()),
            Ok(Some(credential.clone()))
        );
        assert!(issuer.verify(&credential, &request, 1).is_err());
    }
    // One caveat a line, on a token that is for something else already.
    let terms = Terms {
        path: Some("/v2".to_owned()),
        ..Terms::new("m")
    };
    let Ok(mut macaroon) = issuer.mint(PAYMENT_HASH, [2; 32], &terms) else {
        return;
    };
    for caveat in text.lines() {
        macaroon = macaroon.with_caveat(caveat).unwrap_or(macaroon);
    }
    let preimage = PREIMAGE;
    let credential = Credential { macaroon, preimage };
    assert!(issuer.verify(&credential, &request, 1).is_err());
});
