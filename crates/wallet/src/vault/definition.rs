//! A vault: a policy, and the descriptor that it compiles to.

use std::str::FromStr as _;

use bdk_wallet::miniscript::descriptor::{Descriptor, DescriptorPublicKey};
use bdk_wallet::miniscript::miniscript::satisfy::Placeholder;
use bdk_wallet::miniscript::plan::{Assets, CanSign, Plan, TaprootAvailableLeaves, TaprootCanSign};
use bdk_wallet::miniscript::{DefiniteDescriptorKey, ForEachKey as _, ToPublicKey as _};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::XOnlyPublicKey;
use bitcoin::taproot::{LeafVersion, TapLeafHash, TapNodeHash};
use bitcoin::{Address, ScriptBuf, Sequence, VarInt, relative};

use super::aggregate::Group;
use super::compile::{self, Compiled};
use super::error::{VaultError, crypto};
use super::policy::{PathRule, Policy};

/// The name of the way that is open when everybody who cooperates agrees.
pub const TOGETHER: &str = "together";
/// Hex digits of a vault's id.
const ID_DIGITS: usize = 16;
/// What an input has besides its witness: outpoint, empty script and sequence.
const INPUT_BASE_WU: u64 = 41 * 4;
/// The witness of a key path: count, length and signature.
const KEY_WITNESS_WU: u64 = 66;

/// A way to spend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SpendPath {
    /// One MuSig2 signature of all who cooperate.
    Together,
    /// The path at this place in the policy.
    Rule(usize),
}

/// Which of the two chains of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Keychain {
    /// Addresses to pay to.
    Receive,
    /// Addresses of change.
    Change,
}

impl Keychain {
    /// Its number in a key's path.
    #[must_use]
    pub fn number(self) -> u32 {
        match self {
            Self::Receive => 0,
            Self::Change => 1,
        }
    }
}

/// Where in the vault a script is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// Which chain.
    pub keychain: Keychain,
    /// Which address of it.
    pub index: u32,
}

/// A policy and what it compiles to.
#[derive(Debug, Clone)]
pub struct Vault {
    policy: Policy,
    multipath: Descriptor<DescriptorPublicKey>,
    receive: Descriptor<DescriptorPublicKey>,
    change: Descriptor<DescriptorPublicKey>,
    group: Option<Group>,
}

/// A leaf's script, with the keys that sign for it.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The script.
    pub script: ScriptBuf,
    /// Its hash, which signatures are bound to.
    pub hash: TapLeafHash,
    /// The keys that may sign.
    pub keys: Vec<LeafKey>,
}

/// A signer's key in a leaf.
#[derive(Debug, Clone, Copy)]
pub struct LeafKey {
    /// Whose: a place in the policy's signers.
    pub signer: usize,
    /// The key.
    pub key: XOnlyPublicKey,
    /// The way to it from the signer's account key.
    pub steps: [u32; 2],
}

impl Vault {
    /// Compiles a policy.
    ///
    /// # Errors
    /// If the compiler or the checks of miniscript refuse what the policy's own checks let pass.
    pub fn new(policy: Policy) -> Result<Self, VaultError> {
        let Compiled { multipath, group } = compile::compile(&policy)?;
        let single = multipath
            .clone()
            .into_single_descriptors()
            .map_err(crypto)?;
        let [receive, change] = <[_; 2]>::try_from(single)
            .map_err(|_| crypto("the descriptor hasn't two keychains"))?;
        Ok(Self {
            policy,
            multipath,
            receive,
            change,
            group,
        })
    }

    /// Reads a policy file and compiles it.
    ///
    /// # Errors
    /// `Policy`, with the line.
    pub fn from_toml(text: &str) -> Result<Self, VaultError> {
        Self::new(Policy::from_toml(text)?)
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Who spends by the key path, if anybody does.
    #[must_use]
    pub fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// The descriptor of both keychains with its checksum, as other wallets read it (BIP-389).
    #[must_use]
    pub fn descriptor(&self) -> String {
        self.multipath.to_string()
    }

    /// The same for one keychain, for programs that don't know BIP-389.
    #[must_use]
    pub fn keychain_descriptor(&self, keychain: Keychain) -> String {
        self.keychain(keychain).to_string()
    }

    /// Names the vault: everybody who has the same policy comes to the same id.
    #[must_use]
    pub fn id(&self) -> String {
        let digest = sha256::Hash::hash(self.descriptor().as_bytes()).to_string();
        digest.chars().take(ID_DIGITS).collect()
    }

    fn keychain(&self, keychain: Keychain) -> &Descriptor<DescriptorPublicKey> {
        match keychain {
            Keychain::Receive => &self.receive,
            Keychain::Change => &self.change,
        }
    }

    /// The descriptor of one address.
    ///
    /// # Errors
    /// For an index that no key can be derived at.
    pub fn at(&self, place: Place) -> Result<Descriptor<DefiniteDescriptorKey>, VaultError> {
        let keychain = self.keychain(place.keychain);
        keychain.at_derivation_index(place.index).map_err(crypto)
    }

    /// An address of the vault.
    ///
    /// # Errors
    /// For an index that no key can be derived at.
    pub fn address(&self, place: Place) -> Result<Address, VaultError> {
        let descriptor = self.at(place)?;
        descriptor.address(self.policy.network).map_err(crypto)
    }

    /// The path of this name.
    ///
    /// # Errors
    /// `UnknownPath`.
    pub fn path(&self, name: &str) -> Result<SpendPath, VaultError> {
        let unknown = || VaultError::UnknownPath(name.chars().take(40).collect());
        if name == TOGETHER && self.group.is_some() {
            return Ok(SpendPath::Together);
        }
        let place = self.policy.paths.iter().position(|rule| rule.name == name);
        place.map(SpendPath::Rule).ok_or_else(unknown)
    }

    /// What a path is called.
    #[must_use]
    pub fn path_name(&self, path: SpendPath) -> &str {
        match path {
            SpendPath::Together => TOGETHER,
            SpendPath::Rule(place) => self.rule(place).map_or("unknown", |rule| &rule.name),
        }
    }

    /// All paths, the cheapest first.
    #[must_use]
    pub fn paths(&self) -> Vec<SpendPath> {
        let together = self.group.as_ref().map(|_| SpendPath::Together);
        let rules = (0..self.policy.paths.len()).map(SpendPath::Rule);
        together.into_iter().chain(rules).collect()
    }

    /// The rule of a path with a script.
    #[must_use]
    pub fn rule(&self, place: usize) -> Option<&PathRule> {
        self.policy.paths.get(place)
    }

    /// Who can sign on a path.
    #[must_use]
    pub fn who(&self, path: SpendPath) -> Vec<usize> {
        match path {
            SpendPath::Together => self.policy.together.clone(),
            SpendPath::Rule(place) => {
                let rule = self.rule(place);
                rule.map(|rule| rule.who.clone()).unwrap_or_default()
            }
        }
    }

    /// How many of them must.
    #[must_use]
    pub fn needs(&self, path: SpendPath) -> usize {
        match path {
            SpendPath::Together => self.who(path).len(),
            SpendPath::Rule(place) => self.rule(place).map_or(usize::MAX, |rule| rule.needs),
        }
    }

    /// How many blocks old a coin must be for a path.
    #[must_use]
    pub fn delay_blocks(&self, path: SpendPath) -> u32 {
        let rule = match path {
            SpendPath::Together => None,
            SpendPath::Rule(place) => self.rule(place),
        };
        let delay = rule.and_then(|rule| rule.after);
        delay.map_or(0, |delay| u32::from(delay.blocks()))
    }

    /// The sequence that inputs have on a path. All may be replaced for a higher fee.
    #[must_use]
    pub fn sequence(&self, path: SpendPath) -> Sequence {
        match u16::try_from(self.delay_blocks(path)) {
            Ok(blocks) if blocks > 0 => Sequence::from_height(blocks),
            _ => Sequence::ENABLE_RBF_NO_LOCKTIME,
        }
    }

    /// The leaf of a path at an address.
    ///
    /// # Errors
    /// `UnknownPath`.
    pub fn leaf(&self, path: usize, place: Place) -> Result<Leaf, VaultError> {
        let unknown = || VaultError::UnknownPath(format!("number {path}"));
        self.leaves(place)?
            .into_iter()
            .nth(path)
            .ok_or_else(unknown)
    }

    /// The leaves of all paths at an address, in the order of the policy.
    ///
    /// # Errors
    /// For an index that no key can be derived at.
    pub fn leaves(&self, place: Place) -> Result<Vec<Leaf>, VaultError> {
        let descriptor = self.at(place)?;
        let Descriptor::Tr(tr) = &descriptor else {
            return Err(crypto("not a Taproot descriptor"));
        };
        let leaves = tr.iter_scripts().zip(&self.policy.paths);
        Ok(leaves
            .map(|((_, leaf), rule)| {
                let mut keys = Vec::with_capacity(rule.who.len());
                leaf.for_each_key(|key| {
                    keys.extend(self.leaf_key(rule, key));
                    true
                });
                let script = leaf.encode();
                Leaf {
                    hash: TapLeafHash::from_script(&script, LeafVersion::TapScript),
                    script,
                    keys,
                }
            })
            .collect())
    }

    fn leaf_key(&self, rule: &PathRule, key: &DefiniteDescriptorKey) -> Option<LeafKey> {
        let DescriptorPublicKey::XPub(inner) = key.as_descriptor_public_key() else {
            return None;
        };
        let is_of = |place: &&usize| {
            let signer = self.policy.signers.get(**place);
            signer.is_some_and(|signer| signer.key.xpub == inner.xkey)
        };
        let signer = *rule.who.iter().find(is_of)?;
        let steps: Vec<u32> = inner
            .derivation_path
            .into_iter()
            .map(|&step| step.into())
            .collect();
        Some(LeafKey {
            signer,
            key: key.to_x_only_pubkey(),
            steps: steps.try_into().ok()?,
        })
    }

    /// The root of the scripts at an address.
    pub(super) fn merkle_root(&self, place: Place) -> Result<Option<TapNodeHash>, VaultError> {
        match self.at(place)? {
            Descriptor::Tr(tr) => Ok(tr.spend_info().merkle_root()),
            _ => Err(crypto("not a Taproot descriptor")),
        }
    }

    /// What an input weighs when it is spent by a path.
    ///
    /// # Errors
    /// If miniscript can't plan the path, which its compiler excludes.
    pub fn input_weight_wu(&self, path: SpendPath) -> Result<u64, VaultError> {
        let witness_wu = match path {
            SpendPath::Together => KEY_WITNESS_WU,
            SpendPath::Rule(rule) => {
                let plan = self.plan(rule)?;
                let bytes = plan.witness_size() + unsaid_bytes(&plan);
                u64::try_from(bytes).map_err(crypto)?
            }
        };
        Ok(INPUT_BASE_WU + witness_wu)
    }

    fn plan(&self, rule: usize) -> Result<Plan, VaultError> {
        let place = Place {
            keychain: Keychain::Receive,
            index: 0,
        };
        let leaf = self.leaf(rule, place)?;
        let can_sign = CanSign {
            ecdsa: false,
            taproot: TaprootCanSign {
                key_spend: false,
                script_spend: TaprootAvailableLeaves::Single(leaf.hash),
                sighash_default: true,
            },
        };
        let descriptor = self.at(place)?;
        let mut assets = Assets::new();
        descriptor.for_each_key(|key| {
            for path in key.full_derivation_paths() {
                let source = (key.master_fingerprint(), path);
                assets.keys.insert((source, can_sign.clone()));
            }
            true
        });
        if let Some(delay) = self.rule(rule).and_then(|rule| rule.after) {
            assets = assets.older(relative::LockTime::from_height(delay.blocks()));
        }
        let no_plan = |_| crypto("miniscript finds no way to satisfy the path");
        descriptor.plan(&assets).map_err(no_plan)
    }

    /// Reads an address to pay to.
    ///
    /// # Errors
    /// `Payment` if it isn't one, or is of another network.
    pub fn payee(&self, address: &str) -> Result<Address, VaultError> {
        let wrong = |why: &dyn std::fmt::Display| VaultError::Payment(why.to_string());
        Address::from_str(address)
            .map_err(|error| wrong(&error))?
            .require_network(self.policy.network)
            .map_err(|error| wrong(&error))
    }
}

/// The lengths in front of the script and the control block, which miniscript's plan leaves out of
/// a witness's size.
fn unsaid_bytes(plan: &Plan) -> usize {
    let lengths = plan.witness_template().iter().map(|item| match item {
        Placeholder::TapScript(script) => VarInt::from(script.len()).size(),
        Placeholder::TapControlBlock(control) => VarInt::from(control.serialize().len()).size(),
        _ => 0,
    });
    lengths.sum()
}
