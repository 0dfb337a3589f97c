//! Proposals come from other signers: reading one, from bytes, text or QR codes, must never panic,
//! and what was read is written as it was.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet::vault::{combine, join_qr, read_psbt};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(psbt) = read_psbt(bytes) {
        let again = read_psbt(&psbt.serialize()).expect("what was written can be read");
        assert_eq!(again, psbt);
        let mut both = psbt;
        let _ = combine(&mut both, &again);
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let parts: Vec<&str> = text.lines().collect();
        let _ = join_qr(&parts);
    }
});
