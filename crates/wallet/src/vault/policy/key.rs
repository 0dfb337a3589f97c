//! A signer's account key, as wallets write it in descriptors: `[fingerprint/path]xpub…`.

use std::str::FromStr;

use bitcoin::bip32::{DerivationPath, Fingerprint, Xpub};
use bitcoin::{Network, NetworkKind};

/// An extended public key and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountKey {
    /// The fingerprint of the master key, by which a hardware wallet knows its own.
    pub fingerprint: Fingerprint,
    /// The way from the master key to this one.
    pub path: DerivationPath,
    /// The key.
    pub xpub: Xpub,
}

/// More steps than any wallet takes.
const STEPS_MAX: usize = 8;

impl AccountKey {
    /// Whether the key is for coins of this network.
    #[must_use]
    pub fn is_for(&self, network: Network) -> bool {
        self.xpub.network == NetworkKind::from(network)
    }
}

impl FromStr for AccountKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let form = || "it isn't of the form [fingerprint/48h/1h/0h]tpub…".to_owned();
        let (origin, key) = text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once(']'))
            .ok_or_else(form)?;
        let (fingerprint, path) = origin.split_once('/').ok_or_else(form)?;
        let fingerprint = fingerprint.parse().map_err(|_| form())?;
        let path: DerivationPath = path.parse().map_err(|_| form())?;
        if path.len() > STEPS_MAX {
            return Err("its path has too many steps".into());
        }
        if ["xprv", "tprv"]
            .iter()
            .any(|secret| key.starts_with(secret))
        {
            // Not repeated in the message: it would end up in logs.
            return Err("it is a private key, which must not leave its machine".into());
        }
        let xpub: Xpub = key.parse().map_err(|_| form())?;
        if usize::from(xpub.depth) != path.len() {
            return Err("the key's depth doesn't fit the path in front of it".into());
        }
        Ok(Self {
            fingerprint,
            path,
            xpub,
        })
    }
}

impl std::fmt::Display for AccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}", self.fingerprint)?;
        for step in &self.path {
            write!(f, "/{step:#}")?;
        }
        write!(f, "]{}", self.xpub)
    }
}
