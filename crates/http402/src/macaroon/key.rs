//! The key that begins the chain of signatures.

use std::fmt;

use crate::hmac::Key;

/// The key that all macaroon libraries derive root keys with, padded with zeros
/// as HMAC does.
const KEY_GENERATOR: [u8; 32] = *b"macaroons-key-generator\0\0\0\0\0\0\0\0\0";

/// What a macaroon is minted and verified with, derived from a secret.
/// `Debug` hides it.
#[derive(Clone)]
pub struct RootKey(pub(super) Key);

impl RootKey {
    /// `HMAC-SHA256("macaroons-key-generator", secret)`, as everywhere.
    pub fn derive(secret: &[u8]) -> Self {
        Self(Key::new(&Key::new(&KEY_GENERATOR).sign(secret)))
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(…)")
    }
}
