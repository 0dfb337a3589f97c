//! The key of the one address.

use bitcoin::bip32::{DerivationPath, Xpriv};
use bitcoin::key::{Keypair, Secp256k1, TapTweak, TweakedKeypair};
use bitcoin::secp256k1::All;
use bitcoin::{Address, Network, ScriptBuf};

use super::OnchainError;

/// The first receiving address of BIP-86: account 0, as any Taproot wallet finds it.
#[derive(Clone)]
pub struct KeyRing {
    pub(super) secp: Secp256k1<All>,
    pub(super) pair: TweakedKeypair,
    network: Network,
}

impl KeyRing {
    /// Derives the key from a seed (BIP-32, `m/86'/coin'/0'/0/0`).
    ///
    /// # Errors
    /// None that a seed of usual length could cause.
    pub fn from_seed(seed: &[u8], network: Network) -> Result<Self, OnchainError> {
        let fault = |error: bitcoin::bip32::Error| OnchainError::Transaction(error.to_string());
        let secp = Secp256k1::new();
        let coin = u32::from(network != Network::Bitcoin);
        let path: DerivationPath = format!("86'/{coin}'/0'/0/0").parse().map_err(fault)?;
        let child = Xpriv::new_master(network, seed)
            .and_then(|master| master.derive_priv(&secp, &path))
            .map_err(fault)?;
        let pair = Keypair::from_secret_key(&secp, &child.private_key);
        Ok(Self {
            pair: pair.tap_tweak(&secp, None),
            secp,
            network,
        })
    }

    /// The address to pay into.
    #[must_use]
    pub fn address(&self) -> Address {
        let (key, _) = self.pair.public_parts();
        Address::p2tr_tweaked(key, self.network)
    }

    pub(super) fn script(&self) -> ScriptBuf {
        self.address().script_pubkey()
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyRing({})", self.address())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_of_bip_86() {
        // BIP-86's test vector: the seed of "abandon … about".
        let seed = "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1\
                    9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4";
        let ring = KeyRing::from_seed(&hex::decode(seed).unwrap(), Network::Bitcoin).unwrap();
        let expected = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr";
        assert_eq!(ring.address().to_string(), expected);
    }
}
