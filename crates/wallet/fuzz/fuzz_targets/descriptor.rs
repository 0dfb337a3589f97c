//! Descriptors are pasted from anywhere: reading them must never panic, and whatever is read has
//! addresses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet::onchain::{Network, WatchKeys, parse_address};

fuzz_target!(|text: &str| {
    if let Ok(keys) = WatchKeys::parse(text, Network::Regtest) {
        let address = keys.address(0).map(|address| address.to_string());
        let address = address.unwrap_or_default();
        assert!(parse_address(&address, Network::Regtest).is_ok());
    }
    let _ = parse_address(text, Network::Bitcoin);
});
