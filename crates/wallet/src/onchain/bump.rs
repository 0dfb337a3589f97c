//! Raising the fee of a transaction that waits: by a dearer one in its place (BIP-125), or, where
//! that can't be, by a dear one that spends it and pays for both.

use bdk_wallet::chain::rusqlite::Connection;
use bdk_wallet::error::BuildFeeBumpError;
use bdk_wallet::{KeychainKind, Wallet};
use bitcoin::{Amount, OutPoint, Transaction, Txid};
use serde::Serialize;

use super::request::{check_fee, fee_rate, sat_per_vb};
use super::spend::{Prepared, fault, fee, said, unspendable, vsize_vb};
use super::store::SpendRow;
use super::views::{Spend, SpendKind};
use super::{FeeLimit, OnchainError, OnchainWallet, inspect, store};

use crate::boxed;

/// Above this an input can't be replaced.
const SEQUENCE_REPLACEABLE_MAX: u32 = 0xffff_fffd;

#[derive(Serialize)]
struct BumpRequest {
    txid: Txid,
    /// Not part of what is asked: estimates move, and the same id is the same bump.
    #[serde(skip)]
    fee_rate_sat_per_vb: f64,
    limit: FeeLimit,
}

impl OnchainWallet {
    /// Raises the fee of a transaction that waits. The same id does it once.
    ///
    /// # Errors
    /// `NotBumpable`, `FeeTooLow`, `FeeTooHigh`, `Insufficient`, or what [`Self::send`] returns.
    #[boxed]
    pub async fn bump(
        &self,
        id: &str,
        txid: Txid,
        fee_rate_sat_per_vb: f64,
        limit: FeeLimit,
        now_ms: i64,
    ) -> Result<Spend, OnchainError> {
        let request = BumpRequest {
            txid,
            fee_rate_sat_per_vb,
            limit,
        };
        let words = said(&request)?;
        self.pay(id, words, now_ms, move |wallet, db| {
            let found = wallet.get_tx(txid).ok_or(OnchainError::TxUnknown(txid))?;
            if found.chain_position.is_confirmed() {
                let why = "it is in a block already";
                return Err(OnchainError::NotBumpable { txid, why });
            }
            let tx = found.tx_node.tx.as_ref().clone();
            match is_replaceable(wallet, &tx) {
                true => replacement(wallet, db, &tx, &request),
                false => child(wallet, db, &tx, &request),
            }
        })
        .await
    }
}

/// Whether all of its coins are ours, it says that it may be replaced, and nothing builds on it that
/// would be lost.
fn is_replaceable(wallet: &Wallet, tx: &Transaction) -> bool {
    let txid = tx.compute_txid();
    let is_ours = tx.input.iter().all(|input| {
        let spent = wallet.tx_graph().get_txout(input.previous_output);
        spent.is_some_and(|output| wallet.is_mine(output.script_pubkey.clone()))
    });
    let signals = tx
        .input
        .iter()
        .any(|input| input.sequence.to_consensus_u32() <= SEQUENCE_REPLACEABLE_MAX);
    let has_children = wallet
        .tx_graph()
        .tx_spends(txid)
        .flat_map(|(_, spenders)| spenders)
        .any(|spender| wallet.get_tx(*spender).is_some());
    is_ours && signals && !has_children
}

fn replacement(
    wallet: &mut Wallet,
    db: &Connection,
    tx: &Transaction,
    request: &BumpRequest,
) -> Result<Prepared, OnchainError> {
    let txid = request.txid;
    let earlier = store::spend_by_txid(db, txid)?;
    let rate = fee_rate(request.fee_rate_sat_per_vb)?;
    let taken = unspendable(wallet, db, &[])?;
    let everything_to = drained(earlier.as_ref(), tx);
    let mut builder = wallet
        .build_fee_bump(txid)
        .map_err(|error| unbumpable(txid, error))?;
    builder.fee_rate(rate).unspendable(taken);
    // What a replacement adds must be in a block (BIP-125, rule 2).
    builder.exclude_unconfirmed();
    if let Some(script) = everything_to {
        builder.set_recipients(Vec::new()).drain_to(script);
        builder.manually_selected_only();
    }
    let psbt = builder.finish().map_err(fault)?;
    let fee_sat = fee(&psbt)?;
    let outputs = psbt.unsigned_tx.output.iter();
    let foreign = outputs.filter(|output| !wallet.is_mine(output.script_pubkey.clone()));
    let paid_sat: u64 = foreign.map(|output| output.value.to_sat()).sum();
    let amount_sat = match &earlier {
        Some(earlier) if !earlier.takes_all => earlier.amount_sat,
        _ => paid_sat,
    };
    check_fee(request.limit, amount_sat, fee_sat, vsize_vb(wallet, &psbt))?;
    Ok(Prepared {
        kind: match &earlier {
            Some(earlier) if earlier.kind == SpendKind::Sweep => SpendKind::Sweep,
            _ => SpendKind::Replace,
        },
        address: earlier.as_ref().and_then(|earlier| earlier.address.clone()),
        amount_sat,
        takes_all: earlier.is_some_and(|earlier| earlier.takes_all),
        replaces: Some(txid),
        tx: psbt,
    })
}

/// Where everything was to go, if everything was: then the fee is taken from it.
fn drained(earlier: Option<&SpendRow>, tx: &Transaction) -> Option<bitcoin::ScriptBuf> {
    let takes_all = earlier.is_some_and(|earlier| earlier.takes_all);
    let output = tx.output.first().filter(|_| takes_all)?;
    Some(output.script_pubkey.clone())
}

/// A transaction from the parent to ourselves, whose fee makes both as dear as was asked for.
fn child(
    wallet: &mut Wallet,
    db: &Connection,
    parent: &Transaction,
    request: &BumpRequest,
) -> Result<Prepared, OnchainError> {
    let txid = request.txid;
    let refused = |why| OnchainError::NotBumpable { txid, why };
    let coin = spendable_of(wallet, db, txid)?
        .ok_or_else(|| refused("it can't be replaced, and nothing in it is ours to spend"))?;
    let rate = request.fee_rate_sat_per_vb;
    let parent_vsize_vb = parent.vsize() as u64;
    // What isn't known is taken for nothing: then the child pays rather too much, within the bounds.
    let parent_fee_sat = wallet.calculate_fee(parent).map_or(0, Amount::to_sat);
    if sat_per_vb(parent_fee_sat, parent_vsize_vb) >= rate {
        return Err(refused("it pays that much already"));
    }
    let to = wallet.next_unused_address(KeychainKind::Internal);
    let script = to.script_pubkey();
    let mut build = |fee_sat: Option<u64>| {
        let mut builder = wallet.build_tx();
        builder
            .add_utxo(coin)
            .map_err(|_| OnchainError::CoinUnknown(coin))?;
        builder.manually_selected_only().drain_to(script.clone());
        match fee_sat {
            Some(fee_sat) => builder.fee_absolute(Amount::from_sat(fee_sat)),
            None => builder.fee_rate(fee_rate(rate)?),
        };
        let psbt = builder.finish().map_err(fault)?;
        let vsize_vb = vsize_vb(wallet, &psbt);
        Ok::<_, OnchainError>((psbt, vsize_vb))
    };
    let (alone, child_vsize_vb) = build(None)?;
    let both_sat = price(rate, child_vsize_vb + parent_vsize_vb);
    let fee_sat = both_sat.saturating_sub(parent_fee_sat).max(fee(&alone)?);
    let (psbt, child_vsize_vb) = build(Some(fee_sat))?;
    let amount_sat = psbt
        .unsigned_tx
        .output
        .iter()
        .map(|output| output.value.to_sat())
        .sum();
    check_fee(
        request.limit,
        amount_sat,
        fee_sat,
        child_vsize_vb + parent_vsize_vb,
    )?;
    Ok(Prepared {
        kind: SpendKind::PayForParent,
        address: Some(to.address.to_string()),
        amount_sat,
        takes_all: false,
        replaces: None,
        tx: psbt,
    })
}

/// The largest output of a transaction that is ours and free.
fn spendable_of(
    wallet: &Wallet,
    db: &Connection,
    txid: Txid,
) -> Result<Option<OutPoint>, OnchainError> {
    let reserved = inspect::reserved(db)?;
    let free = wallet.list_unspent().filter(|output| {
        let outpoint = output.outpoint;
        let is_kept = wallet.is_outpoint_locked(outpoint) || reserved.contains(&outpoint);
        outpoint.txid == txid && !is_kept
    });
    let largest = free.max_by_key(|output| output.txout.value);
    Ok(largest.map(|output| output.outpoint))
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes are small, and the rate was checked to be positive and bounded"
)]
pub(crate) fn price(rate_sat_per_vb: f64, vsize_vb: u64) -> u64 {
    (rate_sat_per_vb * vsize_vb as f64).ceil() as u64
}

pub(crate) fn unbumpable(txid: Txid, error: BuildFeeBumpError) -> OnchainError {
    match error {
        BuildFeeBumpError::TransactionNotFound(_) => OnchainError::TxUnknown(txid),
        BuildFeeBumpError::TransactionConfirmed(_) => OnchainError::NotBumpable {
            txid,
            why: "it is in a block already",
        },
        error => OnchainError::Transaction(error.to_string()),
    }
}
