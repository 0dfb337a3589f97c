//! Any of the two headers: what is read can be written and read again, and no bid
//! gets an offer below the floor.
#![no_main]

use http402::haggle::{Answer, Bid, Policy, Seller};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(answer) = Answer::parse(text) {
        assert_eq!(Answer::parse(&answer.to_value()), Ok(answer));
    }
    let Ok(bid) = Bid::parse(text) else {
        return;
    };
    assert_eq!(Bid::parse(&bid.to_value()), Ok(bid));
    let policy = Policy {
        list_msat: 1_000,
        floor_msat: 600,
        quantity_max: 10,
        ..Policy::default()
    };
    let Ok(seller) = Seller::new(&[1; 32], policy) else {
        return;
    };
    match seller.answer("GET /", &bid, 1) {
        Answer::Accept(offer) | Answer::Counter { offer, .. } => {
            assert!(offer.terms.price_msat >= 600 * offer.terms.quantity);
            assert!(matches!(bid, Bid::Open { .. }), "an id was guessed");
        }
        Answer::Refuse(_) => {}
    }
});
