//! Invoices and offers come from anyone: reading and checking them must never panic.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use wallet::lightning::Payable;
use wallet::onchain::Network;

fuzz_target!(|text: &str| {
    if let Ok(payable) = Payable::parse(text) {
        let _ = payable.check(Network::Bitcoin, None, Duration::ZERO);
        let _ = payable.payment_id();
    }
});
