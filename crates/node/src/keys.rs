//! All keys of a node come from one seed.

use bip39::Mnemonic;
use bitcoin::bip32::Xpriv;
use sha2::{Digest, Sha512};
use timestamp::SigningKey;
use timestamp::note::NodeSigner;
use zeroize::Zeroizing;

use crate::error::{NodeError, Result};

/// The seed; what it derives is separated by a label.
#[derive(Clone)]
pub(crate) struct Seed(Zeroizing<Vec<u8>>);

impl Seed {
    /// From the 64 hex digits in the seed's file.
    pub fn from_hex(text: &str) -> Result<Self> {
        match hex::decode(text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(Zeroizing::new(bytes))),
            _ => Err(damaged()),
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

    /// The seed as 24 words (BIP-39), from which any wallet restores the on-chain money.
    pub fn mnemonic(&self) -> Result<Mnemonic> {
        Mnemonic::from_entropy(&self.0).map_err(|_| damaged())
    }

    /// The root of the on-chain keys: BIP-39 without a passphrase, then BIP-32.
    pub fn master_xpriv(&self, chain: bitcoin::Network) -> Result<Xpriv> {
        let seed = Zeroizing::new(self.mnemonic()?.to_seed_normalized(""));
        Xpriv::new_master(chain, &*seed).map_err(|_| damaged())
    }

    /// The keys that sign receipts and checkpoints, named after the first of them.
    pub fn receipts_signer(&self) -> Result<NodeSigner> {
        let ed25519 = SigningKey::from_bytes(&self.derive_32("receipts"));
        let name = hex::encode(&ed25519.verifying_key().as_bytes()[..8]);
        let origin = format!("freehold/{name}/receipts");
        let ml_dsa_44_seed = self.derive_32("receipts/ml-dsa-44");
        Ok(NodeSigner::new(origin, ed25519, &ml_dsa_44_seed)?)
    }

    /// The 64 hex digits of the seed's file. A secret.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(&*self.0))
    }

    /// The first 32 bytes for one purpose.
    pub fn derive_32(&self, label: &str) -> Zeroizing<[u8; 32]> {
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(&Zeroizing::new(self.derive(label))[..32]);
        secret
    }
}

fn damaged() -> NodeError {
    NodeError::Config("the seed file is damaged".into())
}

/// 32 fresh random bytes as hex.
pub(crate) fn random_hex() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use bitcoin::bip32::Xpriv;

    use super::Seed;

    #[test]
    fn the_same_seed_makes_the_same_keys() {
        let identity = |seed: &str| {
            let signer = Seed::from_hex(seed).unwrap().receipts_signer().unwrap();
            signer.identity().clone()
        };
        let (a, b) = ("07".repeat(32), "08".repeat(32));
        assert_eq!(identity(&a), identity(&a));
        assert_ne!(identity(&a).ed25519(), identity(&b).ed25519());
        assert_ne!(identity(&a).ml_dsa_44(), identity(&b).ml_dsa_44());
    }

    #[test]
    fn the_words_and_the_root_key_are_those_of_bip_39() {
        // 24 words of BIP-39's own vectors, and what PBKDF2 makes of them without a passphrase.
        let seed = Seed::from_hex(&"00".repeat(32)).unwrap();
        let words = seed.mnemonic().unwrap().to_string();
        assert_eq!(words, format!("{}art", "abandon ".repeat(23)));
        let stretched = "408b285c123836004f4b8842c89324c1f01382450c0d439af345ba7fc49acf70\
                         5489c6fc77dbd4e3dc1dd8cc6bc9f043db8ada1e243c4a0eafb290d399480840";
        let stretched = hex::decode(stretched).unwrap();
        let root = Xpriv::new_master(bitcoin::Network::Regtest, &stretched).unwrap();
        assert_eq!(seed.master_xpriv(bitcoin::Network::Regtest).unwrap(), root);
    }
}
