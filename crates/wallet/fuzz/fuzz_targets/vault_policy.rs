//! Policies come in files and from other nodes: reading one must never panic, and one that is
//! accepted can be told in words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wallet::vault::Vault;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(vault) = Vault::from_toml(text) {
        let words = vault.describe(1.0).expect("what compiles can be told");
        assert_eq!(words.paths.len(), vault.paths().len());
    }
});
