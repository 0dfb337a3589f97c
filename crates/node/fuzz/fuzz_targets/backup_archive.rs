//! A backup file comes back from wherever it was kept: reading it must never panic, nor believe what nobody vouches for.
#![no_main]

use libfuzzer_sys::fuzz_target;
use node::backup::{MacKey, Part, inspect};

const KEY: MacKey = [7; 32];

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = inspect(bytes, &KEY) {
        assert!(manifest.parts.keys().all(|part| Part::ALL.contains(part)));
        assert!(inspect(bytes, &[8; 32]).is_err(), "anybody can vouch for it");
    }
});
