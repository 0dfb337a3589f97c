//! The key in front of the scripts: everybody's MuSig2 aggregate, or one that nobody has.

use bitcoin::bip32::{ChainCode, ChildNumber, Fingerprint, Xpub};
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::secp256k1::PublicKey;
use bitcoin::{Network, NetworkKind};
use musig2::KeyAggContext;
use musig2::secp::{MaybeScalar, Point};

use super::error::{VaultError, crypto};
use super::policy::Policy;

/// BIP-328: the chain code of every aggregate key, `sha256("MuSig2MuSig2MuSig2")`.
const CHAIN_CODE: [u8; 32] = [
    0x86, 0x80, 0x87, 0xca, 0x02, 0xa6, 0xf9, 0x74, 0xc4, 0x59, 0x89, 0x24, 0xc3, 0x6b, 0x57, 0x76,
    0x2d, 0x32, 0xcb, 0x45, 0x71, 0x71, 0x67, 0xe3, 0x00, 0x62, 0x2c, 0x71, 0x67, 0xe3, 0x89, 0x65,
];
/// BIP-341: a point whose discrete logarithm nobody knows.
const NOBODYS_POINT: &str = "0250929b74c1a04954b78b4b6035e97a5e078a5a0f28ec96d547bfee9ace803ac0";

/// Those who spend with one signature when all of them agree.
#[derive(Clone, Debug)]
pub struct Group {
    /// Places in the policy's signers, in the order of BIP-327's `KeySort`.
    pub signers: Vec<usize>,
    /// Their account keys, in the same order.
    pub keys: Vec<PublicKey>,
    /// BIP-328: the aggregate as an extended key, from which ordinary wallets derive.
    pub xpub: Xpub,
    context: KeyAggContext,
}

impl Group {
    /// Aggregates the keys of those who cooperate. `None` if nobody does.
    pub(super) fn of(policy: &Policy) -> Result<Option<Self>, VaultError> {
        let mut members: Vec<(PublicKey, usize)> = Vec::with_capacity(policy.together.len());
        for &place in &policy.together {
            if let Some(signer) = policy.signers.get(place) {
                members.push((signer.key.xpub.public_key, place));
            }
        }
        if members.is_empty() {
            return Ok(None);
        }
        members.sort_by_key(|(key, _)| key.serialize());
        let points: Result<Vec<Point>, _> = members.iter().map(|(key, _)| point(key)).collect();
        let context = KeyAggContext::new(points?).map_err(crypto)?;
        let aggregate: Point = context.aggregated_pubkey();
        let (keys, signers) = members.into_iter().unzip();
        Ok(Some(Self {
            signers,
            keys,
            xpub: synthetic(public_key(&aggregate)?, CHAIN_CODE, policy.network),
            context,
        }))
    }

    /// The aggregate as a plain key.
    #[must_use]
    pub fn key(&self) -> PublicKey {
        self.xpub.public_key
    }

    /// What signs for the output at `path` below the aggregate, with the scripts of `merkle_root`.
    pub(super) fn context(
        &self,
        path: [u32; 2],
        merkle_root: Option<&[u8; 32]>,
    ) -> Result<KeyAggContext, VaultError> {
        let secp = bitcoin::secp256k1::Secp256k1::verification_only();
        let mut context = self.context.clone();
        let mut xpub = self.xpub;
        for step in path {
            let child = ChildNumber::from_normal_idx(step).map_err(crypto)?;
            let (tweak, _) = xpub.ckd_pub_tweak(child).map_err(crypto)?;
            let tweak = MaybeScalar::from_slice(&tweak.secret_bytes()).map_err(crypto)?;
            context = context.with_plain_tweak(tweak).map_err(crypto)?;
            xpub = xpub.ckd_pub(&secp, child).map_err(crypto)?;
        }
        match merkle_root {
            Some(root) => context.with_taproot_tweak(root),
            None => context.with_unspendable_taproot_tweak(),
        }
        .map_err(crypto)
    }
}

/// An extended key that nobody can sign for, and that differs from vault to vault: the chain code
/// is the digest of the vault's keys, so that everybody can see that it is made like this.
pub(super) fn nobody(policy: &Policy) -> Result<Xpub, VaultError> {
    let mut keys: Vec<[u8; 33]> = policy
        .signers
        .iter()
        .map(|signer| signer.key.xpub.public_key.serialize())
        .collect();
    keys.sort_unstable();
    let chain_code = sha256::Hash::hash(&keys.concat()).to_byte_array();
    let point = NOBODYS_POINT.parse().map_err(crypto)?;
    Ok(synthetic(point, chain_code, policy.network))
}

fn synthetic(public_key: PublicKey, chain_code: [u8; 32], network: Network) -> Xpub {
    Xpub {
        network: NetworkKind::from(network),
        depth: 0,
        parent_fingerprint: Fingerprint::default(),
        child_number: ChildNumber::Normal { index: 0 },
        public_key,
        chain_code: ChainCode::from(chain_code),
    }
}

/// A key in the types of the `musig2` crate.
pub(super) fn point(key: &PublicKey) -> Result<Point, VaultError> {
    Point::from_slice(&key.serialize()).map_err(crypto)
}

/// A key of the `musig2` crate in Bitcoin's types.
pub(super) fn public_key(point: &Point) -> Result<PublicKey, VaultError> {
    PublicKey::from_slice(&point.serialize()).map_err(crypto)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_code_is_the_one_of_bip_328() {
        let digest = sha256::Hash::hash(b"MuSig2MuSig2MuSig2");
        assert_eq!(digest.to_byte_array(), CHAIN_CODE);
    }

    #[test]
    fn aggregates_are_those_of_bip_328() {
        // BIP-328, test vectors 1 and 2.
        let vectors: [(&[&str], &str, &str); 2] = [
            (
                &[
                    "03935f972da013f80ae011890fa89b67a27b7be6ccb24d3274d18b2d4067f261a9",
                    "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
                ],
                "0354240c76b8f2999143301a99c7f721ee57eee0bce401df3afeaa9ae218c70f23",
                "xpub661MyMwAqRbcFt6tk3uaczE1y6EvM1TqXvawXcYmFEWijEM4PDBnuCXwwXEKGEouzXE6QLLRxjatMcLLzJ5LV5Nib1BN7vJg6yp45yHHRbm",
            ),
            (
                &[
                    "02f9308a019258c31049344f85f89d5229b531c845836f99b08601f113bce036f9",
                    "03dff1d77f2a671c5f36183726db2341be58feae1da2deced843240f7b502ba659",
                    "023590a94e768f8e1815c2f24b4d80a8e3149316c3518ce7b7ad338368d038ca66",
                ],
                "0290539eede565f5d054f32cc0c220126889ed1e5d193baf15aef344fe59d4610c",
                "xpub661MyMwAqRbcFt6tk3uaczE1y6EvM1TqXvawXcYmFEWijEM4PDBnuCXwwVk5TFJk8Tw5WAdV3DhrGfbFA216sE9BsQQiSFTdudkETnKdg8k",
            ),
        ];
        for (keys, aggregate, xpub) in vectors {
            let points = keys.iter().map(|key| point(&key.parse().unwrap()).unwrap());
            let context = KeyAggContext::new(points).unwrap();
            let key = public_key(&context.aggregated_pubkey::<Point>()).unwrap();
            assert_eq!(key.to_string(), aggregate);
            let made = synthetic(key, CHAIN_CODE, Network::Bitcoin);
            assert_eq!(made.to_string(), xpub);
        }
    }
}
