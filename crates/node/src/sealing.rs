//! Secrets that are kept in the database: encrypted with a key that follows from the seed.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use crate::error::{NodeError, Result};

/// Bytes of the nonce that stands before what was encrypted.
const NONCE_BYTES: usize = 24;

/// Seals and opens (XChaCha20-Poly1305, a random nonce each time).
pub(crate) struct SealingKey(XChaCha20Poly1305);

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealingKey(…)")
    }
}

impl SealingKey {
    /// A key from 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(secret.into()))
    }

    /// Encrypts `secret`. It opens at the same `place` only: moved to another row, it is worthless.
    pub fn seal(&self, place: &str, secret: &[u8]) -> Result<Vec<u8>> {
        let nonce: [u8; NONCE_BYTES] = rand::random();
        let payload = Payload {
            msg: secret,
            aad: place.as_bytes(),
        };
        let sealed = self.0.encrypt(XNonce::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| NodeError::Config("a secret can't be sealed".into()))?;
        Ok([&nonce[..], &sealed].concat())
    }

    /// What was sealed at this place; none if it was changed, or sealed elsewhere or with another key.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let payload = Payload {
            msg: sealed,
            aad: place.as_bytes(),
        };
        let opened = self.0.decrypt(XNonce::from_slice(nonce), payload).ok()?;
        Some(Zeroizing::new(opened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_at_its_place_only() {
        let key = SealingKey::new(&[7; 32]);
        let sealed = key.seal("row 1", b"secret").unwrap();
        assert_eq!(&**key.open("row 1", &sealed).unwrap(), b"secret");
        assert_ne!(sealed, key.seal("row 1", b"secret").unwrap());
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert!(key.open("row 2", &sealed).is_none());
        assert!(SealingKey::new(&[8; 32]).open("row 1", &sealed).is_none());
        let mut changed = sealed.clone();
        changed[NONCE_BYTES] ^= 1;
        assert!(key.open("row 1", &changed).is_none());
        for short in [&[][..], &sealed[..NONCE_BYTES - 1], &sealed[..NONCE_BYTES]] {
            assert!(key.open("row 1", short).is_none());
        }
    }
}
