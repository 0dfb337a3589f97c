//! All keys of a node come from one seed.

use sha2::{Digest, Sha512};
use timestamp::SigningKey;
use zeroize::Zeroizing;

use crate::error::{NodeError, Result};

/// The seed; what it derives is separated by a label.
pub(crate) struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// From the 64 hex digits in the seed's file.
    pub fn from_hex(text: &str) -> Result<Self> {
        match hex::decode(text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(Zeroizing::new(bytes))),
            _ => Err(NodeError::Config("the seed file is damaged".into())),
        }
    }

    /// 64 bytes for one purpose.
    pub fn derive(&self, label: &str) -> [u8; 64] {
        let mut hash = Sha512::new();
        hash.update(b"freehold-key/v1\0");
        hash.update(label.as_bytes());
        hash.update(b"\0");
        hash.update(&*self.0);
        hash.finalize().into()
    }

    /// The key that signs receipts and checkpoints.
    pub fn signing_key(&self) -> SigningKey {
        let mut secret = [0; 32];
        secret.copy_from_slice(&self.derive("receipts")[..32]);
        SigningKey::from_bytes(&secret)
    }
}

/// 32 fresh random bytes as hex.
pub(crate) fn random_hex() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}
