//! Partially signed transactions come from other programs: reading them must never panic, and what
//! is written is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet::onchain::{Psbt, parse_psbt};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = parse_psbt(text);
    }
    if let Ok(psbt) = Psbt::deserialize(bytes) {
        assert_eq!(parse_psbt(&psbt.to_string()).ok(), Some(psbt));
    }
});
