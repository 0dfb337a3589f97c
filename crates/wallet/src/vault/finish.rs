//! Putting signatures together, and the transaction that comes of it.

use bdk_wallet::miniscript::psbt::PsbtExt as _;
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Psbt, Transaction, Txid, Witness};

use super::definition::SpendPath;
use super::error::{VaultError, crypto};
use super::musig;
use super::review::Reviewed;

/// A PSBT in bytes is at most this long.
pub const PSBT_BYTES_MAX: usize = 256 * 1024;
/// Fields that we don't know, in all of a PSBT.
const UNKNOWN_MAX: usize = 10_000;

/// Reads a PSBT: its bytes, or base64 as text.
///
/// # Errors
/// `Malformed`.
pub fn read_psbt(bytes: &[u8]) -> Result<Psbt, VaultError> {
    let malformed = |why: &dyn std::fmt::Display| VaultError::Malformed(why.to_string());
    if bytes.len() > 2 * PSBT_BYTES_MAX {
        return Err(malformed(&"it is too long"));
    }
    let psbt = if bytes.starts_with(b"psbt\xff") {
        Psbt::deserialize(bytes).map_err(|error| malformed(&error))?
    } else {
        let text = std::str::from_utf8(bytes).map_err(|_| malformed(&"it is no PSBT"))?;
        let text: String = text.split_whitespace().collect();
        text.parse::<Psbt>().map_err(|error| malformed(&error))?
    };
    let unknown = psbt.inputs.iter().map(|input| input.unknown.len());
    if unknown.sum::<usize>() > UNKNOWN_MAX {
        return Err(malformed(&"it has too many unknown fields"));
    }
    Ok(psbt)
}

/// Names a proposal: the id of the transaction, which signatures don't change.
#[must_use]
pub fn proposal_id(psbt: &Psbt) -> Txid {
    psbt.unsigned_tx.compute_txid()
}

/// Takes the signatures and nonces of `other` over. Nothing else of it is believed: what is known
/// of coins and outputs stays as it is in `psbt`.
///
/// # Errors
/// `Different` for PSBTs of different transactions; `Contradiction`.
pub fn combine(psbt: &mut Psbt, other: &Psbt) -> Result<(), VaultError> {
    if psbt.unsigned_tx != other.unsigned_tx {
        return Err(VaultError::Different);
    }
    for (input, from) in psbt.inputs.iter_mut().zip(&other.inputs) {
        for (place, signature) in &from.tap_script_sigs {
            input.tap_script_sigs.entry(*place).or_insert(*signature);
        }
    }
    musig::merge(psbt, other)
}

impl Reviewed<'_> {
    /// Whether enough have signed.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.signed().len() >= self.vault.needs(self.path())
    }

    /// Who of the path hasn't signed, for people.
    #[must_use]
    pub fn missing(&self) -> String {
        let who = self.vault.who(self.path());
        let left: Vec<usize> = who
            .into_iter()
            .filter(|one| !self.signed().contains(one))
            .collect();
        let more = self
            .vault
            .needs(self.path())
            .saturating_sub(self.signed().len());
        format!("{more} more of {}", self.vault.policy().names(&left))
    }

    /// The transaction, ready for the network.
    ///
    /// # Errors
    /// `Incomplete` while signatures are missing.
    pub fn finish(&self) -> Result<Transaction, VaultError> {
        if !self.is_complete() {
            return Err(VaultError::Incomplete(self.missing()));
        }
        match self.path() {
            SpendPath::Together => {
                let mut tx = self.psbt.unsigned_tx.clone();
                let signatures = self.together_signatures()?;
                for (input, signature) in tx.input.iter_mut().zip(signatures) {
                    input.witness = Witness::p2tr_key_spend(&signature);
                }
                Ok(tx)
            }
            SpendPath::Rule(rule) => self.finish_rule(rule),
        }
    }

    /// Miniscript puts the witness together, from nothing but what was checked.
    fn finish_rule(&self, rule: usize) -> Result<Transaction, VaultError> {
        let secp = Secp256k1::verification_only();
        let tx = self.psbt.unsigned_tx.clone();
        let mut psbt = Psbt::from_unsigned_tx(tx).map_err(crypto)?;
        for (index, coin) in self.coins.iter().enumerate() {
            psbt.inputs[index].witness_utxo = Some(coin.output.clone());
            psbt.update_input_with_descriptor(index, &self.vault.at(coin.place)?)
                .map_err(crypto)?;
            let leaf = self.vault.leaf(rule, coin.place)?;
            let input = &mut psbt.inputs[index];
            input
                .tap_scripts
                .retain(|_, (script, _)| *script == leaf.script);
            input.tap_script_sigs = self.psbt.inputs[index].tap_script_sigs.clone();
        }
        psbt.finalize_mut(&secp).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            VaultError::Incomplete(errors.join("; "))
        })?;
        psbt.extract(&secp).map_err(crypto)
    }
}
