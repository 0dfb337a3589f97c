//! Signatures of paths with a script: made, and checked, for this very transaction.

use bitcoin::hashes::Hash as _;
use bitcoin::secp256k1::{Message, Secp256k1};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::taproot;

use super::definition::{Leaf, SpendPath};
use super::error::{VaultError, crypto};
use super::review::Reviewed;
use super::signer::SignerKey;

impl Reviewed<'_> {
    /// Adds this key's signatures to a path with a script. `aux_random` is 32 fresh random bytes
    /// (BIP-340).
    ///
    /// # Errors
    /// `NotASigner`, or `NotYourPath` if the key has no part in the path.
    pub fn sign(&mut self, key: &SignerKey, aux_random: &[u8; 32]) -> Result<(), VaultError> {
        let policy = self.vault.policy();
        let signer = key.place_in(policy)?;
        let not_yours = || VaultError::NotYourPath {
            signer: policy.name_of(signer).to_owned(),
            path: self.vault.path_name(self.path()).to_owned(),
        };
        let leaves = leaves(self)?;
        let messages = messages(self, &leaves)?;
        let mut signatures = Vec::with_capacity(leaves.len());
        for (leaf, message) in leaves.iter().zip(&messages) {
            let ours = leaf.keys.iter().find(|ours| ours.signer == signer);
            let ours = ours.ok_or_else(not_yours)?;
            let pair = key.pair(ours.steps)?;
            if pair.x_only_public_key().0 != ours.key {
                return Err(crypto(
                    "the key in the script isn't the one that is derived",
                ));
            }
            let signature = key
                .secp()
                .sign_schnorr_with_aux_rand(message, &pair, aux_random);
            signatures.push(((ours.key, leaf.hash), signature));
        }
        for (input, (place, signature)) in self.psbt.inputs.iter_mut().zip(signatures) {
            let sighash_type = TapSighashType::Default;
            let signature = taproot::Signature {
                signature,
                sighash_type,
            };
            input.tap_script_sigs.insert(place, signature);
        }
        self.note_signed(signer);
        Ok(())
    }
}

/// Checks every signature, and says who has signed all inputs.
pub(super) fn check(reviewed: &Reviewed<'_>) -> Result<Vec<usize>, VaultError> {
    let secp = Secp256k1::verification_only();
    let leaves = leaves(reviewed)?;
    let messages = messages(reviewed, &leaves)?;
    let who = reviewed.vault.who(reviewed.path());
    let mut counts = vec![0_usize; who.len()];
    let inputs = reviewed
        .psbt
        .inputs
        .iter()
        .zip(leaves.iter().zip(&messages));
    for (index, (input, (leaf, message))) in inputs.enumerate() {
        if input.tap_key_sig.is_some() {
            let what = "it has a signature that doesn't belong to its path";
            return Err(VaultError::FalseInput { input: index, what });
        }
        for ((key, leaf_hash), signature) in &input.tap_script_sigs {
            let known = leaf.keys.iter().find(|known| known.key == *key);
            let (Some(known), true) = (known, *leaf_hash == leaf.hash) else {
                let what = "it has a signature that doesn't belong to its path";
                return Err(VaultError::FalseInput { input: index, what });
            };
            if signature.sighash_type != TapSighashType::Default {
                return Err(VaultError::Sighash { input: index });
            }
            let valid = secp.verify_schnorr(&signature.signature, message, key);
            if valid.is_err() {
                let signer = reviewed.vault.policy().name_of(known.signer).to_owned();
                return Err(VaultError::ChangedAfterSignature { signer });
            }
            if let Some(place) = who.iter().position(|&one| one == known.signer) {
                counts[place] += 1;
            }
        }
    }
    let all = leaves.len();
    let signed = who.iter().zip(&counts).filter(|(_, count)| **count == all);
    Ok(signed.map(|(signer, _)| *signer).collect())
}

fn leaves(reviewed: &Reviewed<'_>) -> Result<Vec<Leaf>, VaultError> {
    let SpendPath::Rule(rule) = reviewed.path() else {
        let path = reviewed.vault.path_name(reviewed.path());
        return Err(VaultError::UnknownPath(path.to_owned()));
    };
    let coins = reviewed.coins.iter();
    coins
        .map(|coin| reviewed.vault.leaf(rule, coin.place))
        .collect()
}

/// What is signed at each input: the whole transaction, and everything that it spends.
fn messages(reviewed: &Reviewed<'_>, leaves: &[Leaf]) -> Result<Vec<Message>, VaultError> {
    let prevouts = reviewed.prevouts();
    let prevouts = Prevouts::All(&prevouts);
    let mut cache = SighashCache::new(&reviewed.psbt.unsigned_tx);
    let kind = TapSighashType::Default;
    let each = leaves.iter().enumerate();
    each.map(|(index, leaf)| {
        let hash = cache
            .taproot_script_spend_signature_hash(index, &prevouts, leaf.hash, kind)
            .map_err(crypto)?;
        Ok(Message::from_digest(hash.to_byte_array()))
    })
    .collect()
}
