//! Connection URIs come from other wallets, requests and answers from relays: reading them must never
//! panic, and what was read is written so that it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet::nwc::{ConnectionUri, InvoiceFacts, Request, Response};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(uri) = text.parse::<ConnectionUri>() {
        let again = uri.expose().parse::<ConnectionUri>();
        assert!(again.is_ok_and(|again| again.client() == uri.client()));
    }
    let _ = Request::parse(text);
    let _ = Response::parse(text);
    let _ = InvoiceFacts::read(text);
});
