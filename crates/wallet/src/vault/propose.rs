//! Making a proposal: coins are chosen, and a PSBT says all that signers and their hardware need.

use bdk_wallet::miniscript::psbt::PsbtExt as _;
use bitcoin::absolute::LockTime;
use bitcoin::transaction::Version;
use bitcoin::{Address, Amount, Psbt, ScriptBuf, Transaction, TxIn, TxOut, Weight, Witness};

use super::definition::{Keychain, Place, SpendPath, Vault};
use super::error::{VaultError, crypto};
use super::musig;
use super::view::{ChainView, Coin};

/// More coins than this aren't joined in one transaction.
pub const INPUTS_MAX: usize = 100;
/// The segwit marker and flag.
const MARKER_WU: u64 = 2;

/// What is to be paid.
#[derive(Clone, Debug)]
pub struct Payment {
    /// To whom.
    pub to: Address,
    /// How much. `None`: everything that the path can spend, less the fee.
    pub amount_sat: Option<u64>,
}

/// Makes a PSBT that pays by a path, and brings the rest back to the vault.
///
/// # Errors
/// `Insufficient`; `NotDue` if the coins would do, but are too young; `Payment` for an amount that
/// isn't relayed.
pub fn propose(
    vault: &Vault,
    view: &ChainView,
    path: SpendPath,
    payment: &Payment,
    fee_rate_sat_per_vb: f64,
) -> Result<Psbt, VaultError> {
    if !fee_rate_sat_per_vb.is_finite() || fee_rate_sat_per_vb < 1.0 {
        let why = "a fee rate is at least 1 sat/vB, or nobody passes the transaction on";
        return Err(VaultError::Payment(why.into()));
    }
    let draft = Draft {
        vault,
        view,
        path,
        payment,
        rate: fee_rate_sat_per_vb,
        input_witness_wu: vault
            .input_weight_wu(path)?
            .saturating_sub(Weight::from_vb_unchecked(41).to_wu()),
    };
    draft.psbt()
}

/// What a transaction of this size pays, rounded up.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are small, rates are not negative, and the cast saturates"
)]
pub fn fee_sat(rate_sat_per_vb: f64, size_vb: f64) -> u64 {
    (rate_sat_per_vb.max(0.0) * size_vb).ceil() as u64
}

struct Draft<'a> {
    vault: &'a Vault,
    view: &'a ChainView,
    path: SpendPath,
    payment: &'a Payment,
    rate: f64,
    input_witness_wu: u64,
}

impl Draft<'_> {
    fn psbt(&self) -> Result<Psbt, VaultError> {
        let change = Place {
            keychain: Keychain::Change,
            index: self.view.next_index[1],
        };
        let change_script = self.vault.address(change)?.script_pubkey();
        let (coins, outputs) = self.choose(&change_script)?;
        let tx = self.unsigned(&coins, outputs);
        let mut psbt = Psbt::from_unsigned_tx(tx).map_err(crypto)?;
        for signer in &self.vault.policy().signers {
            let origin = (signer.key.fingerprint, signer.key.path.clone());
            psbt.xpub.insert(signer.key.xpub, origin);
        }
        for (index, coin) in coins.iter().enumerate() {
            self.describe_input(&mut psbt, index, coin)?;
        }
        for index in 0..psbt.outputs.len() {
            if psbt.unsigned_tx.output[index].script_pubkey == change_script {
                psbt.update_output_with_descriptor(index, &self.vault.at(change)?)
                    .map_err(crypto)?;
            }
        }
        Ok(psbt)
    }

    /// Old enough, in a block, the largest first.
    fn ready(&self) -> Vec<&Coin> {
        let delay = self.vault.delay_blocks(self.path);
        let coins = self.view.coins.iter();
        let mut ready: Vec<&Coin> = coins
            .filter(|coin| coin.height.is_some() && self.view.blocks_left(coin, delay) == 0)
            .collect();
        ready.sort_by_key(|coin| (std::cmp::Reverse(coin.output.value), coin.outpoint));
        ready.truncate(INPUTS_MAX);
        ready
    }

    fn choose(&self, change: &ScriptBuf) -> Result<(Vec<Coin>, Vec<TxOut>), VaultError> {
        let to = self.payment.to.script_pubkey();
        let dust = to.minimal_non_dust();
        if self
            .payment
            .amount_sat
            .is_some_and(|sat| sat < dust.to_sat())
        {
            let why = format!("less than {} sat isn't relayed", dust.to_sat());
            return Err(VaultError::Payment(why));
        }
        let ready = self.ready();
        let mut coins: Vec<Coin> = Vec::new();
        let mut needed_sat = 0;
        for coin in &ready {
            coins.push((*coin).clone());
            let is_last = coins.len() == ready.len();
            let sum_sat = sum_sat(&coins);
            match self.payment.amount_sat {
                None if is_last => {
                    let outputs = vec![output(to.clone(), 0)];
                    let fee_sat = self.fee_sat(&coins, &outputs);
                    needed_sat = fee_sat.saturating_add(dust.to_sat());
                    if sum_sat >= needed_sat {
                        return Ok((coins, vec![output(to, sum_sat - fee_sat)]));
                    }
                }
                None => {}
                Some(amount_sat) => {
                    let outputs = vec![output(to.clone(), amount_sat)];
                    needed_sat = amount_sat.saturating_add(self.fee_sat(&coins, &outputs));
                    if sum_sat >= needed_sat {
                        let outputs = self.with_change(&coins, outputs, change);
                        return Ok((coins, outputs));
                    }
                }
            }
        }
        Err(self.too_little(sum_sat(&coins), needed_sat))
    }

    /// Adds what is left as change, if it is worth an output. Otherwise the miners get it.
    fn with_change(
        &self,
        coins: &[Coin],
        mut outputs: Vec<TxOut>,
        change: &ScriptBuf,
    ) -> Vec<TxOut> {
        let paid: u64 = outputs.iter().map(|output| output.value.to_sat()).sum();
        outputs.push(output(change.clone(), 0));
        let spent = paid.saturating_add(self.fee_sat(coins, &outputs));
        let left = sum_sat(coins).saturating_sub(spent);
        if left >= change.minimal_non_dust().to_sat() {
            outputs[1].value = Amount::from_sat(left);
        } else {
            outputs.truncate(1);
        }
        outputs
    }

    fn too_little(&self, available_sat: u64, needed_sat: u64) -> VaultError {
        let delay = self.vault.delay_blocks(self.path);
        let young = self.view.coins.iter().filter(|coin| coin.height.is_some());
        let left = young.map(|coin| self.view.blocks_left(coin, delay)).max();
        match left {
            Some(blocks_left) if blocks_left > 0 => VaultError::NotDue {
                path: self.vault.path_name(self.path).to_owned(),
                blocks_left,
            },
            _ => VaultError::Insufficient {
                available_sat,
                needed_sat: needed_sat.max(self.payment.amount_sat.unwrap_or(0)),
            },
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "weights are small")]
    fn fee_sat(&self, coins: &[Coin], outputs: &[TxOut]) -> u64 {
        let base_wu = self.unsigned(coins, outputs.to_vec()).weight().to_wu();
        let inputs = coins.len() as u64;
        let weight_wu = base_wu + MARKER_WU + inputs * self.input_witness_wu;
        fee_sat(self.rate, weight_wu.div_ceil(4) as f64)
    }

    /// With the height as lock time, as most wallets do: then nobody gains by mining it into an
    /// older block, and it looks like theirs.
    fn unsigned(&self, coins: &[Coin], outputs: Vec<TxOut>) -> Transaction {
        let sequence = self.vault.sequence(self.path);
        let inputs = coins.iter().map(|coin| TxIn {
            previous_output: coin.outpoint,
            script_sig: ScriptBuf::new(),
            sequence,
            witness: Witness::new(),
        });
        Transaction {
            version: Version::TWO,
            lock_time: LockTime::from_height(self.view.height).unwrap_or(LockTime::ZERO),
            input: inputs.collect(),
            output: outputs,
        }
    }

    /// All that a signer needs to know of a coin (BIP-174, BIP-371), with the script of the path
    /// only: that is how the PSBT says which path it takes.
    fn describe_input(&self, psbt: &mut Psbt, index: usize, coin: &Coin) -> Result<(), VaultError> {
        let descriptor = self.vault.at(coin.place)?;
        psbt.inputs[index].witness_utxo = Some(coin.output.clone());
        psbt.update_input_with_descriptor(index, &descriptor)
            .map_err(crypto)?;
        let input = &mut psbt.inputs[index];
        match self.path {
            SpendPath::Together => {
                input.tap_scripts.clear();
                if let Some(group) = self.vault.group() {
                    musig::name_participants(input, group);
                }
            }
            SpendPath::Rule(rule) => {
                let leaf = self.vault.leaf(rule, coin.place)?;
                input
                    .tap_scripts
                    .retain(|_, (script, _)| *script == leaf.script);
            }
        }
        Ok(())
    }
}

fn output(script_pubkey: ScriptBuf, value_sat: u64) -> TxOut {
    TxOut {
        value: Amount::from_sat(value_sat),
        script_pubkey,
    }
}

fn sum_sat(coins: &[Coin]) -> u64 {
    coins.iter().map(|coin| coin.output.value.to_sat()).sum()
}
