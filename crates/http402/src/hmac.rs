//! HMAC-SHA256, which everything that is signed here is signed with.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// A key that signs many messages: the work that depends on it alone is done
/// once.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    /// HMAC pads short keys with zeros, so a key below 32 bytes can be written so.
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        block[..32].copy_from_slice(key);
        Self(<Hmac<Sha256> as Mac>::new(&block.into()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mac = self.0.clone().chain_update(message);
        mac.finalize().into_bytes().into()
    }
}
