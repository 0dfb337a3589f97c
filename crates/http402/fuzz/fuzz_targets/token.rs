//! Any header value of a buyer: what is redeemed fits the offer, and the token
//! handed to the wallet is the one that was looked at.
#![no_main]

use http402::xcashu::{Decision, Offer, TokenOutline, change, limits};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    _ = change([("x-cashu", text)]);
    if let Ok(token) = TokenOutline::parse(text) {
        assert!((1..=limits::AMOUNT_MAX).contains(&token.amount));
        assert!((1..=limits::PROOFS_MAX).contains(&token.proof_count));
        assert_eq!(TokenOutline::parse(token.token()).as_ref(), Ok(&token));
    }
    let mints = ["http://localhost:3338", "https://8333.space:3338"];
    let Ok(offer) = Offer::new(2, "sat", &mints) else {
        return;
    };
    if let Decision::Redeem(token) = offer.decide(Some(text)) {
        assert!(token.amount >= offer.price_sat() && offer.mints().contains(&token.mint));
    }
});
