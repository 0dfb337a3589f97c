//! Public keys from elsewhere: a watch-only wallet's, or those that savings go to.

use bdk_wallet::Wallet;
use bdk_wallet::descriptor::{ExtendedDescriptor, IntoWalletDescriptor as _};
use bdk_wallet::miniscript::policy::{Liftable as _, Semantic};
use bdk_wallet::miniscript::{Descriptor, DescriptorPublicKey};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Address, Network, NetworkKind, base58};

use super::OnchainError;
use super::keys::{Keys, OwnKeys};

/// Far longer than a multi-signature descriptor of any size that can be spent from.
const TEXT_BYTES_MAX: usize = 20_000;
/// The version bytes of extended public keys that say of which script they are (SLIP-132).
const KINDS: [([u8; 4], Kind); 4] = [
    ([0x04, 0xb2, 0x47, 0x46], Kind::Wpkh(NetworkKind::Main)), // zpub
    ([0x04, 0x5f, 0x1c, 0xf6], Kind::Wpkh(NetworkKind::Test)), // vpub
    ([0x04, 0x9d, 0x7c, 0xb2], Kind::ShWpkh(NetworkKind::Main)), // ypub
    ([0x04, 0x4a, 0x52, 0x62], Kind::ShWpkh(NetworkKind::Test)), // upub
];

#[derive(Clone, Copy)]
enum Kind {
    Wpkh(NetworkKind),
    ShWpkh(NetworkKind),
}

/// Public descriptors: of what is received, and of change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchKeys {
    pub(super) external: ExtendedDescriptor,
    pub(super) internal: Option<ExtendedDescriptor>,
    network: Network,
}

impl WatchKeys {
    /// Reads an extended public key, or a descriptor. A bare `xpub` or `tpub` is taken for one of
    /// Taproot (BIP-86), a `zpub` or `vpub` for one of SegWit.
    ///
    /// # Errors
    /// `Descriptor…` if it can't be read, is of another network, has private keys or no addresses.
    pub fn parse(text: &str, network: Network) -> Result<Self, OnchainError> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(OnchainError::Descriptor("it is too long".into()));
        }
        // Before anything can quote it.
        if ["xprv", "tprv", "zprv", "vprv", "yprv", "uprv"]
            .iter()
            .any(|prv| text.contains(prv))
        {
            return Err(OnchainError::DescriptorPrivate);
        }
        let descriptor = match text.contains('(') {
            true => text.to_owned(),
            false => of_key(text)?,
        };
        let secp = Secp256k1::new();
        let unchecked = without_checksum(&descriptor)?;
        let (parsed, private) = ExtendedDescriptor::parse_descriptor(&secp, unchecked)
            .map_err(|_| OnchainError::Descriptor("it is no output descriptor".into()))?;
        if !private.is_empty() {
            return Err(OnchainError::DescriptorPrivate);
        }
        let mut branches = parsed
            .into_single_descriptors()
            .map_err(|error| OnchainError::Descriptor(error.to_string()))?
            .into_iter();
        let (external, internal, more) = (branches.next(), branches.next(), branches.next());
        let Some(external) = external.filter(|_| more.is_none()) else {
            let why = "it has more than two branches";
            return Err(OnchainError::Descriptor(why.into()));
        };
        for branch in internal.iter().chain([&external]) {
            check(branch, network)?;
        }
        Ok(Self {
            external,
            internal,
            network,
        })
    }

    /// The chain that they are for.
    #[must_use]
    pub fn network(&self) -> Network {
        self.network
    }

    /// Whether it has an address for each payment.
    #[must_use]
    pub fn is_ranged(&self) -> bool {
        self.external.has_wildcard()
    }

    /// The receiving address with this number.
    ///
    /// # Errors
    /// If there is no such address.
    pub fn address(&self, index: u32) -> Result<Address, OnchainError> {
        address(&self.external, index, self.network)
    }

    /// A wallet that is kept nowhere, to see what is paid to these keys.
    pub(crate) fn watch_in_memory(&self) -> Result<Wallet, OnchainError> {
        let params = match self.internal.clone() {
            Some(internal) => Wallet::create(self.external.clone(), internal),
            None => Wallet::create_single(self.external.clone()),
        };
        let wallet = params.network(self.network).create_wallet_no_persist();
        wallet.map_err(|error| OnchainError::Descriptor(error.to_string()))
    }

    /// Whether these keys alone, with any time waited out, can spend what the descriptor receives.
    ///
    /// # Errors
    /// If the descriptor can't be analysed.
    pub fn is_spendable_by(&self, keys: &Keys) -> Result<bool, OnchainError> {
        let own = keys.usual_keys()?;
        for branch in self.internal.iter().chain([&self.external]) {
            let policy = branch
                .lift()
                .map_err(|error| OnchainError::Descriptor(error.to_string()))?;
            if can_satisfy(&policy, &own) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl std::fmt::Display for WatchKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.external)
    }
}

/// What only waits, or needs a secret that somebody may have told us, counts as satisfied.
fn can_satisfy(policy: &Semantic<DescriptorPublicKey>, own: &OwnKeys) -> bool {
    match policy {
        Semantic::Unsatisfiable => false,
        Semantic::Key(key) => own.contain(key),
        Semantic::Thresh(threshold) => {
            let met = threshold.iter().filter(|part| can_satisfy(part, own));
            met.count() >= threshold.k()
        }
        _ => true,
    }
}

fn check(descriptor: &ExtendedDescriptor, network: Network) -> Result<(), OnchainError> {
    let secp = Secp256k1::new();
    descriptor
        .sanity_check()
        .map_err(|error| OnchainError::Descriptor(error.to_string()))?;
    let is_here = |kind| {
        let checked = descriptor.clone().into_wallet_descriptor(&secp, kind);
        checked.is_ok()
    };
    if !is_here(NetworkKind::from(network)) {
        let other = match network {
            Network::Bitcoin => NetworkKind::Test,
            _ => NetworkKind::Main,
        };
        return Err(match is_here(other) {
            true => OnchainError::DescriptorNetwork { expected: network },
            false => OnchainError::Descriptor("a wallet can't be made of it".into()),
        });
    }
    // A script without an address can be watched by nobody.
    address(descriptor, 0, network).map(drop)
}

fn address(
    descriptor: &ExtendedDescriptor,
    index: u32,
    network: Network,
) -> Result<Address, OnchainError> {
    let cant = |error: String| OnchainError::Descriptor(error);
    let definite = descriptor
        .at_derivation_index(index)
        .map_err(|error| cant(error.to_string()))?;
    definite
        .address(network)
        .map_err(|error| cant(error.to_string()))
}

fn without_checksum(text: &str) -> Result<&str, OnchainError> {
    let Some((descriptor, given)) = text.split_once('#') else {
        return Ok(text);
    };
    let cant = |_| OnchainError::Descriptor("it has characters that don't belong there".into());
    let right = bdk_wallet::descriptor::calc_checksum(descriptor).map_err(cant)?;
    match right == given {
        true => Ok(descriptor),
        false => Err(OnchainError::Descriptor("its checksum is wrong".into())),
    }
}

/// A descriptor of a bare key, with its origin or without.
fn of_key(text: &str) -> Result<String, OnchainError> {
    let (origin, key) = match text.split_once(']') {
        Some((origin, key)) => (format!("{origin}]"), key),
        None => (String::new(), text),
    };
    let (key, rest) = key
        .split_once('/')
        .map_or((key, ""), |(key, rest)| (key, rest));
    let no_key = || OnchainError::Descriptor("it is neither an xpub nor a descriptor".into());
    if !rest.is_empty() {
        let why = "a path after the key belongs into a descriptor";
        return Err(OnchainError::Descriptor(why.into()));
    }
    let mut bytes = base58::decode_check(key).map_err(|_| no_key())?;
    let version = bytes.first_chunk::<4>().ok_or_else(no_key)?;
    let kind = KINDS.iter().find(|(known, _)| known == version);
    let Some((_, kind)) = kind else {
        return Ok(format!("tr({origin}{key}/<0;1>/*)"));
    };
    let (Kind::Wpkh(network) | Kind::ShWpkh(network)) = kind;
    let usual = match network {
        NetworkKind::Main => [0x04, 0x88, 0xb2, 0x1e],
        NetworkKind::Test => [0x04, 0x35, 0x87, 0xcf],
    };
    bytes[..4].copy_from_slice(&usual);
    let key = format!("{origin}{}/<0;1>/*", base58::encode_check(&bytes));
    Ok(match kind {
        Kind::Wpkh(_) => format!("wpkh({key})"),
        Kind::ShWpkh(_) => format!("sh(wpkh({key}))"),
    })
}

/// Of what an address is.
pub(super) const fn script_kind(descriptor: &ExtendedDescriptor) -> &'static str {
    match descriptor {
        Descriptor::Tr(_) => "taproot",
        Descriptor::Wpkh(_) | Descriptor::Wsh(_) => "segwit",
        _ => "legacy",
    }
}
