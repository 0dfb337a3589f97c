//! Any header value of a seller: what can be read can be written and read again.
#![no_main]

use http402::xcashu::{PaymentRequest, choose, next_step};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    _ = next_step(402, [("x-cashu", text)]);
    let Ok(request) = PaymentRequest::decode(text) else {
        return;
    };
    // Not all that can be said in CBOR can be said in bech32m; what can is the same.
    if let Ok(bech32) = request.encode_bech32() {
        assert_eq!(PaymentRequest::decode(&bech32).as_ref(), Ok(&request));
    }
    _ = choose(&request, &["https://mint.example.com"], "sat", 1_000);
    // A list of near-empty transports may outgrow the limit when written in full.
    let Ok(canonical) = request.encode() else {
        return;
    };
    assert_eq!(PaymentRequest::decode(&canonical).as_ref(), Ok(&request));
});
