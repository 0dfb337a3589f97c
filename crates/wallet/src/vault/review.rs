//! What a signer checks, on its own machine and against its own view of the chain, before it signs.

use std::collections::BTreeSet;

use bitcoin::absolute::LockTime;
use bitcoin::psbt::Input;
use bitcoin::sighash::TapSighashType;
use bitcoin::{Address, Psbt, Sequence, TxOut};
use serde::{Deserialize, Serialize};

use super::definition::{Keychain, Place, SpendPath, Vault};
use super::error::VaultError;
use super::propose::INPUTS_MAX;
use super::view::{ChainView, Coin};
use super::{musig, signatures};

/// More outputs than this aren't signed.
const OUTPUTS_MAX: usize = 100;
/// A higher fee rate than this was never sensible.
const FEE_RATE_MAX_SAT_PER_VB: u64 = 1_000;
/// Fees up to this aren't compared with the amount.
const FEE_SMALL_SAT: u64 = 10_000;
/// Above that, the fee is at most this part of what is spent.
const FEE_PART_MAX: u64 = 10;
/// Change further than this beyond the addresses in use would not be found again.
const GAP: u32 = 20;
/// How many hints to its place in the vault an output's description may give.
const HINTS_MAX: usize = 64;

/// An output that leaves the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paid {
    /// To whom: an address, or a script in hex.
    pub to: String,
    /// How much.
    pub amount_sat: u64,
}

/// A PSBT that was found to be what it says, and what it does. Only this can be signed.
#[derive(Clone, Debug)]
pub struct Reviewed<'v> {
    pub(super) vault: &'v Vault,
    pub(super) psbt: Psbt,
    pub(super) coins: Vec<Coin>,
    path: SpendPath,
    paid: Vec<Paid>,
    change_sat: u64,
    fee_sat: u64,
    signed: Vec<usize>,
}

impl Vault {
    /// Checks a PSBT: inputs, path, delay, outputs, fee and the signatures that are there.
    ///
    /// # Errors
    /// What is wrong with it. Nothing that was refused can be signed.
    pub fn review(&self, psbt: Psbt, view: &ChainView) -> Result<Reviewed<'_>, VaultError> {
        let tx = &psbt.unsigned_tx;
        if tx.input.is_empty() || tx.input.len() > INPUTS_MAX || tx.output.len() > OUTPUTS_MAX {
            let why = "it has no inputs, or too many inputs or outputs";
            return Err(VaultError::Malformed(why.into()));
        }
        if tx.version.0 != 2 || tx.output.is_empty() {
            let why = "it isn't a transaction of version 2 with outputs";
            return Err(VaultError::Malformed(why.into()));
        }
        let coins = known_coins(&psbt, view)?;
        let path = self.path_of(&psbt, &coins)?;
        self.check_due(&psbt, &coins, path, view)?;
        let mut reviewed = Reviewed {
            vault: self,
            psbt,
            coins,
            path,
            paid: Vec::new(),
            change_sat: 0,
            fee_sat: 0,
            signed: Vec::new(),
        };
        reviewed.sort_outputs(view)?;
        reviewed.check_fee()?;
        reviewed.signed = match path {
            SpendPath::Rule(_) => signatures::check(&reviewed)?,
            SpendPath::Together => musig::check(&reviewed)?,
        };
        Ok(reviewed)
    }

    /// Which path a PSBT takes: that of the one script it shows, or without one the key path.
    fn path_of(&self, psbt: &Psbt, coins: &[Coin]) -> Result<SpendPath, VaultError> {
        let mut found = None;
        for (index, (input, coin)) in psbt.inputs.iter().zip(coins).enumerate() {
            let path = self.path_of_input(input, coin, index)?;
            if *found.get_or_insert(path) != path {
                let what = "it takes another path than the first";
                return Err(VaultError::FalseInput { input: index, what });
            }
        }
        found.ok_or_else(|| VaultError::UnknownPath("no path".into()))
    }

    fn path_of_input(
        &self,
        input: &Input,
        coin: &Coin,
        index: usize,
    ) -> Result<SpendPath, VaultError> {
        let mut scripts = input.tap_scripts.values();
        let (first, more) = (scripts.next(), scripts.next());
        let Some((script, _)) = first else {
            let together = self.group().map(|_| SpendPath::Together);
            return together.ok_or_else(|| VaultError::UnknownPath(super::TOGETHER.into()));
        };
        if more.is_some() {
            let what = "it shows more than one script, so it doesn't say which path it takes";
            return Err(VaultError::FalseInput { input: index, what });
        }
        let leaves = self.leaves(coin.place)?;
        if let Some(rule) = leaves.iter().position(|leaf| leaf.script == *script) {
            return Ok(SpendPath::Rule(rule));
        }
        let what = "its script isn't one of the vault's";
        Err(VaultError::FalseInput { input: index, what })
    }

    fn check_due(
        &self,
        psbt: &Psbt,
        coins: &[Coin],
        path: SpendPath,
        view: &ChainView,
    ) -> Result<(), VaultError> {
        let not_due = |blocks_left| VaultError::NotDue {
            path: self.path_name(path).to_owned(),
            blocks_left,
        };
        match psbt.unsigned_tx.lock_time {
            LockTime::Blocks(height) => {
                let next = view.height.saturating_add(1);
                let left = height
                    .to_consensus_u32()
                    .saturating_add(1)
                    .saturating_sub(next);
                if left > 0 {
                    return Err(not_due(left));
                }
            }
            LockTime::Seconds(_) => {
                let why = "it is locked until a time of day, which no path asks for";
                return Err(VaultError::Malformed(why.into()));
            }
        }
        let delay = self.delay_blocks(path);
        for (index, (input, coin)) in psbt.unsigned_tx.input.iter().zip(coins).enumerate() {
            let Some(waits) = waits_blocks(input.sequence) else {
                let what = "its relative lock isn't in blocks";
                return Err(VaultError::FalseInput { input: index, what });
            };
            if waits < delay {
                let what = "its sequence doesn't wait for the path's delay";
                return Err(VaultError::FalseInput { input: index, what });
            }
            let left = view.blocks_left(coin, waits);
            if left > 0 {
                return Err(not_due(left));
            }
        }
        Ok(())
    }
}

/// How many blocks a sequence waits for (BIP-68).
fn waits_blocks(sequence: Sequence) -> Option<u32> {
    match sequence.to_relative_lock_time() {
        None => Some(0),
        Some(bitcoin::relative::LockTime::Blocks(height)) => Some(u32::from(height.value())),
        Some(bitcoin::relative::LockTime::Time(_)) => None,
    }
}

/// The coins that a PSBT spends, as the chain has them.
fn known_coins(psbt: &Psbt, view: &ChainView) -> Result<Vec<Coin>, VaultError> {
    let mut coins: Vec<Coin> = Vec::with_capacity(psbt.inputs.len());
    let mut seen = BTreeSet::new();
    let inputs = psbt.unsigned_tx.input.iter().zip(&psbt.inputs);
    for (index, (input, described)) in inputs.enumerate() {
        let coin = view.coin(&input.previous_output);
        let coin = coin.ok_or(VaultError::UnknownInput { input: index })?;
        let says = |what| VaultError::FalseInput { input: index, what };
        if !seen.insert(input.previous_output) {
            return Err(says("it is spent twice"));
        }
        if described
            .witness_utxo
            .as_ref()
            .is_some_and(|said| *said != coin.output)
        {
            return Err(says("its amount or script isn't that of the coin"));
        }
        let kind = described.sighash_type.map(|kind| kind.taproot_hash_ty());
        if !matches!(
            kind,
            None | Some(Ok(TapSighashType::Default | TapSighashType::All))
        ) {
            return Err(VaultError::Sighash { input: index });
        }
        coins.push(coin.clone());
    }
    Ok(coins)
}

impl<'v> Reviewed<'v> {
    /// The vault.
    #[must_use]
    pub fn vault(&self) -> &'v Vault {
        self.vault
    }

    /// Which path it takes.
    #[must_use]
    pub fn path(&self) -> SpendPath {
        self.path
    }

    /// What leaves the vault for others.
    #[must_use]
    pub fn paid(&self) -> &[Paid] {
        &self.paid
    }

    /// What comes back to the vault.
    #[must_use]
    pub fn change_sat(&self) -> u64 {
        self.change_sat
    }

    /// What the miners get.
    #[must_use]
    pub fn fee_sat(&self) -> u64 {
        self.fee_sat
    }

    /// All that the vault has less afterwards.
    #[must_use]
    pub fn outflow_sat(&self) -> u64 {
        let paid = self.paid.iter().map(|paid| paid.amount_sat);
        paid.fold(self.fee_sat, u64::saturating_add)
    }

    /// Who has signed all inputs.
    #[must_use]
    pub fn signed(&self) -> &[usize] {
        &self.signed
    }

    /// The PSBT.
    #[must_use]
    pub fn psbt(&self) -> &Psbt {
        &self.psbt
    }

    /// The PSBT, to be passed on.
    #[must_use]
    pub fn into_psbt(self) -> Psbt {
        self.psbt
    }

    pub(super) fn note_signed(&mut self, signer: usize) {
        if !self.signed.contains(&signer) {
            self.signed.push(signer);
        }
    }

    pub(super) fn forget_signed(&mut self) {
        self.signed.clear();
    }

    /// What is spent, in the order of the inputs.
    pub(super) fn prevouts(&self) -> Vec<TxOut> {
        self.coins.iter().map(|coin| coin.output.clone()).collect()
    }

    fn sort_outputs(&mut self, view: &ChainView) -> Result<(), VaultError> {
        for index in 0..self.psbt.outputs.len() {
            let output = self.psbt.unsigned_tx.output[index].clone();
            if self.is_change(index, &output, view)? {
                self.change_sat = self.change_sat.saturating_add(output.value.to_sat());
            } else {
                self.paid.push(Paid {
                    to: self.payee(&output),
                    amount_sat: output.value.to_sat(),
                });
            }
        }
        Ok(())
    }

    fn payee(&self, output: &TxOut) -> String {
        let network = self.vault.policy().network;
        Address::from_script(&output.script_pubkey, network).map_or_else(
            |_| output.script_pubkey.to_hex_string(),
            |address| address.to_string(),
        )
    }

    /// Whether an output goes to the vault. One that says so without doing so is a fraud: a signer's
    /// screen would show it as change.
    fn is_change(
        &self,
        index: usize,
        output: &TxOut,
        view: &ChainView,
    ) -> Result<bool, VaultError> {
        let described = &self.psbt.outputs[index];
        if described.tap_key_origins.is_empty() && described.tap_internal_key.is_none() {
            return Ok(false);
        }
        let mut places = BTreeSet::new();
        for (_, (_, path)) in described.tap_key_origins.values().take(HINTS_MAX) {
            let steps: Vec<u32> = path.into_iter().map(|&step| step.into()).collect();
            if let [.., keychain, place] = steps.as_slice() {
                places.insert((keychain % 2, *place));
            }
        }
        for (keychain, index) in places.into_iter().take(2) {
            let (keychain, next) = match keychain {
                0 => (Keychain::Receive, view.next_index[0]),
                _ => (Keychain::Change, view.next_index[1]),
            };
            if index > next.saturating_add(GAP) {
                continue;
            }
            let descriptor = self.vault.at(Place { keychain, index })?;
            if descriptor.script_pubkey() == output.script_pubkey {
                return Ok(true);
            }
        }
        Err(VaultError::FalseChange { output: index })
    }

    fn check_fee(&mut self) -> Result<(), VaultError> {
        let in_sat = self.coins.iter().map(|coin| coin.output.value.to_sat());
        let in_sat = in_sat.fold(0_u64, u64::saturating_add);
        let outputs = self.psbt.unsigned_tx.output.iter();
        let out_sat = outputs
            .map(|output| output.value.to_sat())
            .fold(0_u64, u64::saturating_add);
        let Some(fee_sat) = in_sat.checked_sub(out_sat) else {
            let why = "it pays more than it spends";
            return Err(VaultError::Malformed(why.into()));
        };
        let inputs_wu = self.vault.input_weight_wu(self.path)? * self.coins.len() as u64;
        let vsize_vb = (self.psbt.unsigned_tx.weight().to_wu() + inputs_wu).div_ceil(4);
        let by_rate_sat = vsize_vb.saturating_mul(FEE_RATE_MAX_SAT_PER_VB);
        let by_part_sat = FEE_SMALL_SAT.max(in_sat / FEE_PART_MAX);
        let fee_max_sat = by_rate_sat.min(by_part_sat);
        if fee_sat > fee_max_sat {
            return Err(VaultError::FeeTooHigh {
                fee_sat,
                fee_max_sat,
            });
        }
        self.fee_sat = fee_sat;
        Ok(())
    }
}
