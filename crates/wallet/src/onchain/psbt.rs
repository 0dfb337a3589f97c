//! Partially signed transactions (BIP-174): made here, signed anywhere, combined, and sent.

use std::str::FromStr as _;

use bdk_wallet::miniscript::psbt::PsbtExt as _;
use bdk_wallet::{SignOptions, Wallet};
use bitcoin::secp256k1::Secp256k1;
use bitcoin::{Address, Psbt, Transaction};
use serde::{Deserialize, Serialize};

use super::request::check_fee;
use super::spend::{CoinChoice, Prepared, draft, extract, fee, record};
use super::views::{Spend, SpendKind};
use super::{FeeLimit, OnchainError, OnchainWallet, SpendRequest, store};

use crate::boxed;

/// A transaction is smaller than 400 kB, and what it spends may be shown with it.
const TEXT_BYTES_MAX: usize = 8 << 20;
/// More parts than this are no multi-signature.
const PARTS_MAX: usize = 32;

/// An output, as people check it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputView {
    /// Where to; a script in hex if it has no address.
    pub address: String,
    /// How much.
    pub amount_sat: u64,
    /// Whether it comes back to this wallet.
    pub is_ours: bool,
}

/// A partially signed transaction, and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PsbtView {
    /// In base64.
    pub psbt: String,
    /// Its transaction's id; signatures don't change it if all inputs are SegWit.
    pub txid: String,
    /// Whether all signatures are there.
    pub is_complete: bool,
    /// What it costs, if it tells what its inputs hold.
    pub fee_sat: Option<u64>,
    /// How many coins it spends.
    pub inputs: usize,
    /// What it pays.
    pub outputs: Vec<OutputView>,
}

/// Reads base64.
///
/// # Errors
/// `Psbt`.
pub fn parse_psbt(text: &str) -> Result<Psbt, OnchainError> {
    let text = text.trim();
    if text.len() > TEXT_BYTES_MAX {
        return Err(OnchainError::Psbt("it is too large".into()));
    }
    Psbt::from_str(text).map_err(|error| OnchainError::Psbt(error.to_string()))
}

impl OnchainWallet {
    /// Makes a transaction to be signed elsewhere. Nothing is recorded but the change address.
    ///
    /// # Errors
    /// Like [`Self::send`], of building.
    #[boxed]
    pub async fn psbt_create(
        &self,
        request: &SpendRequest,
        fee_rate_sat_per_vb: f64,
    ) -> Result<PsbtView, OnchainError> {
        let request = request.clone();
        self.write(move |wallet, db| {
            let draft = draft(wallet, db, &request, fee_rate_sat_per_vb, CoinChoice::Usual)?;
            Ok(view(wallet, &draft.psbt))
        })
        .await
    }

    /// Signs what this wallet's keys can sign.
    ///
    /// # Errors
    /// `WatchOnly`, `FeeTooHigh`, or `Psbt` if nothing in it is this wallet's to sign.
    #[boxed]
    pub async fn psbt_sign(&self, text: &str, limit: FeeLimit) -> Result<PsbtView, OnchainError> {
        let keys = self.inner.keys.clone().ok_or(OnchainError::WatchOnly)?;
        let mut psbt = parse_psbt(text)?;
        self.read(move |wallet, _| {
            let inputs = psbt.unsigned_tx.input.iter();
            if !inputs
                .clone()
                .any(|input| wallet.get_utxo(input.previous_output).is_some())
            {
                let why = "it spends no coin of this wallet";
                return Err(OnchainError::Psbt(why.into()));
            }
            check_foreign_fee(wallet, &psbt, limit)?;
            let [external, internal] = &keys.signers;
            wallet
                .sign_with_signers(&mut psbt, &[external, internal], SignOptions::default())
                .map_err(|error| OnchainError::Psbt(error.to_string()))?;
            Ok(view(wallet, &psbt))
        })
        .await
    }

    /// Puts together what several have signed, and finishes it if nothing is missing.
    ///
    /// # Errors
    /// `Psbt` if they aren't of one transaction.
    #[boxed]
    pub async fn psbt_combine(&self, texts: &[String]) -> Result<PsbtView, OnchainError> {
        if texts.is_empty() || texts.len() > PARTS_MAX {
            let why = format!("1 to {PARTS_MAX} of them can be combined");
            return Err(OnchainError::Psbt(why));
        }
        let parts = texts.iter().map(|text| parse_psbt(text));
        let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
        let mut whole = parts.remove(0);
        for part in parts {
            whole
                .combine(part)
                .map_err(|error| OnchainError::Psbt(error.to_string()))?;
        }
        // Also if it isn't complete yet, it is worth having.
        let whole = finalise(&whole).unwrap_or(whole);
        self.read(move |wallet, _| Ok(view(wallet, &whole))).await
    }

    /// Shows what a partially signed transaction does.
    ///
    /// # Errors
    /// `Psbt`.
    #[boxed]
    pub async fn psbt_show(&self, text: &str) -> Result<PsbtView, OnchainError> {
        let psbt = parse_psbt(text)?;
        self.read(move |wallet, _| Ok(view(wallet, &psbt))).await
    }

    /// Finishes and sends a transaction that all have signed. It is recorded first, like any payment.
    ///
    /// # Errors
    /// `PsbtIncomplete`, `FeeTooHigh`, or `Chain(Refused)`.
    #[boxed]
    pub async fn psbt_broadcast(
        &self,
        id: &str,
        text: &str,
        limit: FeeLimit,
        now_ms: i64,
    ) -> Result<Spend, OnchainError> {
        let psbt = finalise(&parse_psbt(text)?)?;
        let (id, fee_sat) = (id.to_owned(), fee(&psbt)?);
        let tx = extract(psbt);
        let words = format!("psbt {}", tx.compute_txid());
        let spend = self.write(move |wallet, db| {
            if let Some(earlier) = store::spend(db, &id)? {
                return match earlier.request == words {
                    true => Ok(earlier),
                    false => Err(OnchainError::IdempotencyConflict(id)),
                };
            }
            let amount_sat = foreign_sat(wallet, &tx);
            check_fee(limit, amount_sat, fee_sat, tx.vsize() as u64)?;
            let prepared = Prepared {
                kind: SpendKind::Psbt,
                address: None,
                amount_sat,
                takes_all: false,
                replaces: None,
                tx,
            };
            record(wallet, db, id, words, prepared, fee_sat, now_ms)
        });
        self.push(spend.await?, now_ms).await
    }
}

/// With witnesses instead of signatures.
fn finalise(psbt: &Psbt) -> Result<Psbt, OnchainError> {
    let is_final = |psbt: &Psbt| {
        let mut inputs = psbt.inputs.iter();
        inputs.all(|input| input.final_script_witness.is_some() || input.final_script_sig.is_some())
    };
    if is_final(psbt) {
        return Ok(psbt.clone());
    }
    let finalised = psbt.clone().finalize(&Secp256k1::verification_only());
    finalised.map_err(|_| OnchainError::PsbtIncomplete)
}

/// What goes to others.
fn foreign_sat(wallet: &Wallet, tx: &Transaction) -> u64 {
    let outputs = tx.output.iter();
    let foreign = outputs.filter(|output| !wallet.is_mine(output.script_pubkey.clone()));
    foreign.map(|output| output.value.to_sat()).sum()
}

fn check_foreign_fee(wallet: &Wallet, psbt: &Psbt, limit: FeeLimit) -> Result<(), OnchainError> {
    let amount_sat = foreign_sat(wallet, &psbt.unsigned_tx);
    let vsize_vb = super::spend::vsize_vb(wallet, psbt);
    check_fee(limit, amount_sat, fee(psbt)?, vsize_vb)
}

fn view(wallet: &Wallet, psbt: &Psbt) -> PsbtView {
    let outputs = psbt.unsigned_tx.output.iter().map(|output| {
        let script = &output.script_pubkey;
        let address = Address::from_script(script, wallet.network());
        OutputView {
            address: address.map_or_else(|_| script.to_hex_string(), |address| address.to_string()),
            amount_sat: output.value.to_sat(),
            is_ours: wallet.is_mine(script.clone()),
        }
    });
    PsbtView {
        psbt: psbt.to_string(),
        txid: psbt.unsigned_tx.compute_txid().to_string(),
        is_complete: finalise(psbt).is_ok(),
        fee_sat: fee(psbt).ok(),
        inputs: psbt.inputs.len(),
        outputs: outputs.collect(),
    }
}
