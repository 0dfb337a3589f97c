//! Any bytes as a macaroon: what is read is written as it came, and only a caveat
//! more is ever signed.
#![no_main]

use http402::macaroon::{Macaroon, RootKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let key = RootKey::derive(b"secret");
    if let Ok(text) = std::str::from_utf8(bytes) {
        _ = Macaroon::from_base64(text);
    }
    let Ok(macaroon) = Macaroon::from_bytes(bytes) else {
        return;
    };
    assert_eq!(macaroon.as_bytes(), bytes);
    assert_eq!(
        Macaroon::from_base64(&macaroon.to_base64()).as_ref(),
        Ok(&macaroon)
    );
    assert!(macaroon.verify(&key).is_err());
    if let Ok(longer) = macaroon.with_caveat("a=b") {
        assert_eq!(longer.caveats().count(), macaroon.caveats().count() + 1);
        assert!(longer.verify(&key).is_err());
    }
});
