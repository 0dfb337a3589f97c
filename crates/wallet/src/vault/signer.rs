//! A node's own key for vaults.

use bitcoin::Network;
use bitcoin::bip32::{ChildNumber, DerivationPath, Fingerprint, Xpriv, Xpub};
use bitcoin::secp256k1::{All, Keypair, PublicKey, Secp256k1};

use super::error::{VaultError, crypto};
use super::policy::{AccountKey, Policy};

/// Below the account key: the key that signs requests to other signers' nodes.
const REQUEST_STEPS: [u32; 2] = [48, 0];
/// Below the account key: the keys of ecash locks.
pub(super) const ECASH_STEP: u32 = 11;

/// The account key with which a node signs, and its way from the master key
/// (BIP-48 with script type 3: Taproot).
#[derive(Clone)]
pub struct SignerKey {
    secp: Secp256k1<All>,
    account: Xpriv,
    origin: (Fingerprint, DerivationPath),
}

impl SignerKey {
    /// Derives the key from a seed: `m/48'/coin'/0'/3'`.
    ///
    /// # Errors
    /// None that a seed of usual length could cause.
    pub fn from_seed(seed: &[u8], network: Network) -> Result<Self, VaultError> {
        let coin = u32::from(network != Network::Bitcoin);
        let path: DerivationPath = format!("48'/{coin}'/0'/3'").parse().map_err(crypto)?;
        let master = Xpriv::new_master(network, seed).map_err(crypto)?;
        Self::from_master(&master, path)
    }

    /// Derives the key from a master key by any path.
    ///
    /// # Errors
    /// If the path can't be derived.
    pub fn from_master(master: &Xpriv, path: DerivationPath) -> Result<Self, VaultError> {
        let secp = Secp256k1::new();
        Ok(Self {
            account: master.derive_priv(&secp, &path).map_err(crypto)?,
            origin: (master.fingerprint(&secp), path),
            secp,
        })
    }

    /// The public part, for a policy.
    #[must_use]
    pub fn account_key(&self) -> AccountKey {
        AccountKey {
            fingerprint: self.origin.0,
            path: self.origin.1.clone(),
            xpub: Xpub::from_priv(&self.secp, &self.account),
        }
    }

    /// Which of the policy's signers this key is.
    ///
    /// # Errors
    /// `NotASigner`.
    pub fn place_in(&self, policy: &Policy) -> Result<usize, VaultError> {
        let xpub = self.account_key().xpub;
        let place = policy
            .signers
            .iter()
            .position(|signer| signer.key.xpub == xpub);
        place.ok_or(VaultError::NotASigner)
    }

    /// The account key itself, which is what takes part in MuSig2.
    pub(super) fn account_pair(&self) -> Keypair {
        self.account.to_keypair(&self.secp)
    }

    /// The key two steps below the account key.
    pub(super) fn pair(&self, steps: [u32; 2]) -> Result<Keypair, VaultError> {
        let path = steps_path(steps)?;
        let child = self
            .account
            .derive_priv(&self.secp, &path)
            .map_err(crypto)?;
        Ok(child.to_keypair(&self.secp))
    }

    /// The key that signs requests.
    pub(super) fn request_pair(&self) -> Result<Keypair, VaultError> {
        self.pair(REQUEST_STEPS)
    }

    pub(super) fn secp(&self) -> &Secp256k1<All> {
        &self.secp
    }
}

impl std::fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignerKey({})", self.account_key())
    }
}

/// The public key two steps below an account key.
pub(super) fn public_at(account: &AccountKey, steps: [u32; 2]) -> Result<PublicKey, VaultError> {
    let secp = Secp256k1::verification_only();
    let path = steps_path(steps)?;
    let child = account.xpub.derive_pub(&secp, &path).map_err(crypto)?;
    Ok(child.public_key)
}

/// The key with which a signer's node signs requests.
pub(super) fn request_key(account: &AccountKey) -> Result<PublicKey, VaultError> {
    public_at(account, REQUEST_STEPS)
}

fn steps_path(steps: [u32; 2]) -> Result<DerivationPath, VaultError> {
    let steps: Result<Vec<_>, _> = steps
        .into_iter()
        .map(ChildNumber::from_normal_idx)
        .collect();
    Ok(DerivationPath::from(steps.map_err(crypto)?))
}
