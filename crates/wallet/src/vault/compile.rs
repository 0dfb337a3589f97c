//! From a policy to a descriptor: each path becomes a leaf of a Taproot tree.

use std::sync::Arc;

use bdk_wallet::miniscript::descriptor::{
    DerivPaths, DescriptorMultiXKey, DescriptorPublicKey, TapTree, Wildcard,
};
use bdk_wallet::miniscript::policy::Concrete;
use bdk_wallet::miniscript::{Descriptor, Miniscript, RelLockTime, Tap, Threshold};
use bitcoin::bip32::{ChildNumber, DerivationPath, Xpub};

use super::aggregate::{self, Group};
use super::error::{VaultError, crypto};
use super::policy::{PathRule, Policy, Signer};

/// What a policy comes to.
pub(super) struct Compiled {
    /// Both keychains in one, as wallets exchange it (BIP-389).
    pub multipath: Descriptor<DescriptorPublicKey>,
    /// Those who spend by the key path, if anybody does.
    pub group: Option<Group>,
}

/// Compiles. The leaf of a path is at its place in the policy: the first one is the nearest to the
/// root, and so the cheapest.
pub(super) fn compile(policy: &Policy) -> Result<Compiled, VaultError> {
    let group = Group::of(policy)?;
    let front = match &group {
        Some(group) => group.xpub,
        None => aggregate::nobody(policy)?,
    };
    let mut uses = vec![0_u32; policy.signers.len()];
    let mut leaves = Vec::with_capacity(policy.paths.len());
    for rule in &policy.paths {
        leaves.push(leaf(policy, rule, &mut uses)?);
    }
    let tree = leaves
        .into_iter()
        .map(|leaf| TapTree::Leaf(Arc::new(leaf)))
        .rev()
        .reduce(|rest, first| TapTree::combine(first, rest));
    let multipath = Descriptor::new_tr(key(front, None, 0)?, tree).map_err(crypto)?;
    multipath.sanity_check().map_err(crypto)?;
    Ok(Compiled { multipath, group })
}

type Rule = Concrete<DescriptorPublicKey>;

fn leaf(
    policy: &Policy,
    rule: &PathRule,
    uses: &mut [u32],
) -> Result<Miniscript<DescriptorPublicKey, Tap>, VaultError> {
    let mut keys = Vec::with_capacity(rule.who.len());
    for &place in &rule.who {
        let (Some(signer), Some(used)) = (policy.signers.get(place), uses.get_mut(place)) else {
            return Err(crypto("a path names a signer that isn't there"));
        };
        keys.push(Arc::new(Rule::Key(signer_key(signer, *used)?)));
        *used += 1;
    }
    let signatures = match keys.as_slice() {
        [only] => Arc::clone(only),
        _ => Arc::new(Rule::Thresh(
            Threshold::new(rule.needs, keys).map_err(crypto)?,
        )),
    };
    let whole = match rule.after {
        None => signatures,
        Some(delay) => {
            let older = Rule::Older(RelLockTime::from_height(delay.blocks()));
            Arc::new(Rule::And(vec![signatures, Arc::new(older)]))
        }
    };
    whole.is_valid().map_err(crypto)?;
    let leaf = whole.compile::<Tap>().map_err(crypto)?;
    leaf.sanity_check().map_err(crypto)?;
    Ok(leaf)
}

/// A signer's key as its `nth` use: no two leaves share a key, as hardware wallets demand (BIP-388).
fn signer_key(signer: &Signer, nth: u32) -> Result<DescriptorPublicKey, VaultError> {
    let origin = (signer.key.fingerprint, signer.key.path.clone());
    key(signer.key.xpub, Some(origin), nth)
}

fn key(
    xkey: Xpub,
    origin: Option<(bitcoin::bip32::Fingerprint, DerivationPath)>,
    nth: u32,
) -> Result<DescriptorPublicKey, VaultError> {
    let keychain = |number: u32| -> Result<DerivationPath, VaultError> {
        let step = ChildNumber::from_normal_idx(number).map_err(crypto)?;
        Ok(DerivationPath::from(vec![step]))
    };
    let paths = vec![keychain(2 * nth)?, keychain(2 * nth + 1)?];
    let derivation_paths = DerivPaths::new(paths).ok_or_else(|| crypto("no derivation path"))?;
    Ok(DescriptorPublicKey::MultiXPub(DescriptorMultiXKey {
        origin,
        xkey,
        derivation_paths,
        wildcard: Wildcard::Unhardened,
    }))
}
