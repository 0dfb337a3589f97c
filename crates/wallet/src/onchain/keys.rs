//! The keys that this machine holds.

use std::collections::HashSet;

use bdk_wallet::KeychainKind;
use bdk_wallet::descriptor::ExtendedDescriptor;
use bdk_wallet::miniscript::DescriptorPublicKey;
use bdk_wallet::signer::SignersContainer;
use bdk_wallet::template::{Bip86, DescriptorTemplate as _};
use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, Xpriv, Xpub};
use bitcoin::secp256k1::{PublicKey, Secp256k1};
use bitcoin::{Network, NetworkKind};

use super::OnchainError;

/// The purposes of BIP-43 whose accounts a wallet of this seed may have.
const PURPOSES: [u32; 5] = [44, 49, 84, 86, 87];
/// The purpose of older multi-signature wallets, and its kinds of scripts.
const MULTISIG_PURPOSE: u32 = 48;
const MULTISIG_SCRIPTS: [u32; 2] = [1, 2];
/// Accounts of each purpose that are looked at.
const ACCOUNTS: u32 = 10;

/// The signing keys of a single-key Taproot wallet, as BIP-86 derives them, so that any such wallet
/// restores it from the seed.
pub struct Keys {
    network: Network,
    pub(super) external: ExtendedDescriptor,
    pub(super) internal: ExtendedDescriptor,
    pub(super) signers: [SignersContainer; 2],
    fingerprint: Fingerprint,
    master: Xpriv,
}

impl Keys {
    /// The keys below `m/86'/coin'/0'`.
    ///
    /// # Errors
    /// None that a key of usual make could cause.
    pub fn bip86(master: &Xpriv, network: Network) -> Result<Self, OnchainError> {
        let secp = Secp256k1::new();
        let build = |kind| {
            let built = Bip86(*master, kind).build(NetworkKind::from(network));
            let (descriptor, keymap, _) = built.map_err(fault)?;
            let signers = SignersContainer::build(keymap, &descriptor, &secp);
            Ok::<_, OnchainError>((descriptor, signers))
        };
        let (external, for_external) = build(KeychainKind::External)?;
        let (internal, for_internal) = build(KeychainKind::Internal)?;
        Ok(Self {
            network,
            external,
            internal,
            signers: [for_external, for_internal],
            fingerprint: master.fingerprint(&secp),
            master: *master,
        })
    }

    /// The chain that they are for.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// The public keys that can be told from others' though they say nothing of their origin: those
    /// of the usual accounts, and of their two branches.
    pub(super) fn usual_keys(&self) -> Result<OwnKeys, OnchainError> {
        let secp = Secp256k1::new();
        let mut public = HashSet::new();
        let mut add = |path: &DerivationPath, with_branches: bool| {
            let private = self.master.derive_priv(&secp, path).map_err(fault)?;
            let account = Xpub::from_priv(&secp, &private);
            public.insert(account.public_key);
            for branch in [0, 1].into_iter().filter(|_| with_branches) {
                let child = ChildNumber::from(branch);
                let branch = account.ckd_pub(&secp, child).map_err(fault)?;
                public.insert(branch.public_key);
            }
            Ok::<_, OnchainError>(())
        };
        let coin = u32::from(self.network != Network::Bitcoin);
        add(&DerivationPath::master(), false)?;
        for account in 0..ACCOUNTS {
            for purpose in PURPOSES {
                add(&hardened([purpose, coin, account])?, true)?;
            }
            for script in MULTISIG_SCRIPTS {
                add(&hardened([MULTISIG_PURPOSE, coin, account, script])?, true)?;
            }
        }
        Ok(OwnKeys {
            fingerprint: self.fingerprint,
            public,
        })
    }
}

/// What tells this machine's public keys from others'.
pub(super) struct OwnKeys {
    fingerprint: Fingerprint,
    public: HashSet<PublicKey>,
}

impl OwnKeys {
    /// Whether this machine has the private key.
    pub fn contain(&self, key: &DescriptorPublicKey) -> bool {
        let is_of_seed = key.master_fingerprint() == self.fingerprint;
        let is_usual = match key {
            DescriptorPublicKey::XPub(key) => self.public.contains(&key.xkey.public_key),
            DescriptorPublicKey::MultiXPub(key) => self.public.contains(&key.xkey.public_key),
            DescriptorPublicKey::Single(_) => false,
        };
        is_of_seed || is_usual
    }
}

fn hardened<const N: usize>(steps: [u32; N]) -> Result<DerivationPath, OnchainError> {
    let steps = steps.into_iter().map(ChildNumber::from_hardened_idx);
    steps.collect::<Result<_, _>>().map_err(fault)
}

fn fault(error: impl std::fmt::Display) -> OnchainError {
    OnchainError::Transaction(error.to_string())
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({}, {})", self.network, self.fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// BIP-86's test vector: the seed of "abandon … about".
    fn keys() -> Keys {
        let seed = "5eb00bbddcf069084889a8ab9155568165f5c453ccb85e70811aaed6f6da5fc1\
                    9a5ac40b389cd370d086206dec8aa6c43daea6690f20ad3d8d48b2d2ce9e38e4";
        let master = Xpriv::new_master(Network::Bitcoin, &hex::decode(seed).unwrap()).unwrap();
        Keys::bip86(&master, Network::Bitcoin).unwrap()
    }

    #[test]
    fn addresses_are_those_of_bip_86() {
        let keys = keys();
        let first = |descriptor: &ExtendedDescriptor| {
            let definite = descriptor.at_derivation_index(0).unwrap();
            definite.address(Network::Bitcoin).unwrap().to_string()
        };
        let receiving = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr";
        let change = "bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7";
        assert_eq!(first(&keys.external), receiving);
        assert_eq!(first(&keys.internal), change);
        assert!(!format!("{keys:?}").contains("prv"));
    }

    #[test]
    fn own_keys_are_known_with_and_without_their_origin() {
        let own = keys().usual_keys().unwrap();
        let account = "xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7\
                       D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ";
        let with_origin = format!("[73c5da0a/86'/0'/0']{account}/0/*");
        for key in [account.to_owned(), format!("{account}/0/*"), with_origin] {
            assert!(own.contain(&key.parse().unwrap()), "{key}");
        }
        let other = "xpub661MyMwAqRbcFtXgS5sYJABqqG9YLmC4Q1Rdap9gSE8NqtwybGhePY2gZ29ESFjqJo\
                     Cu1Rupje8YtGqsefD265TMg7usUDFdp6W1EGMcet8";
        assert!(!own.contain(&other.parse().unwrap()));
    }
}
