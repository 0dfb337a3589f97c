//! Any headers of a seller of the `Payment` scheme: what can be read can be written and read again, and a quote asks
//! for what its invoice asks for.
#![no_main]

use http402::mpp::session::SessionEvent;
use http402::mpp::{InvoiceHead, Quote, Receipt, challenges, quote};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    _ = SessionEvent::parse("payment-need-topup", text);
    if let Ok(receipt) = Receipt::decode(text) {
        _ = receipt.encode();
    }
    for challenge in challenges([("www-authenticate", text)]) {
        if let Ok(header) = challenge.to_header() {
            assert_eq!(challenges([("www-authenticate", header.as_str())]), [challenge.clone()]);
        }
        if let Ok(Quote::Charge { request, .. }) = quote(challenge, 0) {
            let head = InvoiceHead::parse(&request.method_details.invoice);
            assert_eq!(head.and_then(|head| head.amount_sat()), Some(request.amount_sat));
        }
    }
});
