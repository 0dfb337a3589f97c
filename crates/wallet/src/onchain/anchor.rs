//! Transactions that write 32 bytes into the chain and pay the rest back to us.
//!
//! They are not recorded here: whoever anchors keeps them, and sends them again if need be.

use bdk_wallet::Wallet;
use bdk_wallet::chain::rusqlite::Connection;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use bitcoin::{Amount, OutPoint, Psbt, ScriptBuf, Transaction, Txid};
use serde::{Deserialize, Serialize};

use super::bump::{price, unbumpable};
use super::request::{fee_rate, sat_per_vb};
use super::spend::{fault, fee, show_unconfirmed, sign, unspendable};
use super::{OnchainError, OnchainWallet, TxState};

use crate::boxed;

/// What a replacement must pay above what it replaces.
const FEE_STEP_SAT_PER_VB: f64 = 1.0;

/// A signed transaction with an OP_RETURN output of 32 bytes, and one output to ourselves.
/// It signals that it may be replaced (BIP-125).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataTx {
    #[serde(with = "raw")]
    tx: Transaction,
    fee_sat: u64,
}

impl DataTx {
    /// The transaction.
    #[must_use]
    pub fn transaction(&self) -> &Transaction {
        &self.tx
    }

    /// Its id.
    #[must_use]
    pub fn txid(&self) -> Txid {
        self.tx.compute_txid()
    }

    /// The output that it spends first: whoever else spends that has won.
    #[must_use]
    pub fn first_input(&self) -> Option<OutPoint> {
        self.tx.input.first().map(|input| input.previous_output)
    }

    /// What it costs.
    #[must_use]
    pub fn fee_sat(&self) -> u64 {
        self.fee_sat
    }

    /// Whether it costs more than this rate comes to for a transaction of its size. A fee is
    /// decided before the signatures are there, which may turn out a byte smaller each.
    #[must_use]
    pub fn costs_more_than(&self, fee_rate_sat_per_vb: f64) -> bool {
        let vsize_vb = (self.tx.vsize() + self.tx.input.len()) as u64;
        self.fee_sat > price(fee_rate_sat_per_vb, vsize_vb)
    }

    /// What it costs for each byte.
    #[must_use]
    pub fn fee_rate_sat_per_vb(&self) -> f64 {
        sat_per_vb(self.fee_sat, self.tx.vsize() as u64)
    }
}

impl OnchainWallet {
    /// Makes a transaction with this data, and sends nothing. Only coins in blocks are spent, or,
    /// to replace another transaction, the same ones for at least 1 sat/vB more. The wallet has to
    /// be up to date.
    ///
    /// # Errors
    /// `Insufficient`, or `NotBumpable` if the other one is in a block.
    #[boxed]
    pub async fn prepare_data(
        &self,
        data: &[u8; 32],
        fee_rate_sat_per_vb: f64,
        replaces: Option<&DataTx>,
        now_ms: i64,
    ) -> Result<DataTx, OnchainError> {
        let (data, replaces) = (*data, replaces.cloned());
        let keys = self.inner.keys.clone().ok_or(OnchainError::WatchOnly)?;
        self.write(move |wallet, db| {
            let mut psbt = match &replaces {
                Some(earlier) => replacement(wallet, earlier, &data, fee_rate_sat_per_vb, now_ms)?,
                None => first(wallet, db, &data, fee_rate_sat_per_vb)?,
            };
            let fee_sat = fee(&psbt)?;
            let tx = sign(wallet, &keys, &mut psbt)?;
            Ok(DataTx { tx, fee_sat })
        })
        .await
    }

    /// Sends it. Again does no harm.
    ///
    /// # Errors
    /// `Chain`.
    #[boxed]
    pub async fn send_data(&self, data: &DataTx) -> Result<(), OnchainError> {
        Ok(self.inner.chain.broadcast(&data.tx).await?)
    }

    /// Where it is.
    ///
    /// # Errors
    /// `Chain`.
    #[boxed]
    pub async fn data_state(&self, data: &DataTx) -> Result<TxState, OnchainError> {
        let state = self.inner.chain.tx_state(&data.tx, data.first_input());
        Ok(state.await?)
    }
}

fn first(
    wallet: &mut Wallet,
    db: &Connection,
    data: &[u8; 32],
    fee_rate_sat_per_vb: f64,
) -> Result<Psbt, OnchainError> {
    let taken = unspendable(wallet, db, &[])?;
    let mut builder = wallet.build_tx();
    builder
        .fee_rate(fee_rate(fee_rate_sat_per_vb)?)
        .unspendable(taken)
        .exclude_unconfirmed()
        .add_data(data);
    builder.finish().map_err(fault)
}

fn replacement(
    wallet: &mut Wallet,
    earlier: &DataTx,
    data: &[u8; 32],
    fee_rate_sat_per_vb: f64,
    now_ms: i64,
) -> Result<Psbt, OnchainError> {
    // The network may have dropped it; its coins are to be spent all the same.
    show_unconfirmed(wallet, &earlier.tx, now_ms);
    let txid = earlier.txid();
    let least = earlier.fee_rate_sat_per_vb() + FEE_STEP_SAT_PER_VB;
    let rate = fee_rate(fee_rate_sat_per_vb.max(least))?;
    let mut builder = wallet
        .build_fee_bump(txid)
        .map_err(|error| unbumpable(txid, error))?;
    let note = ScriptBuf::new_op_return(data);
    builder
        .fee_rate(rate)
        .exclude_unconfirmed()
        .set_recipients(vec![(note, Amount::ZERO)]);
    builder.finish().map_err(fault)
}

/// Transactions as hex, in what is kept.
mod raw {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use super::{Transaction, deserialize_hex, serialize_hex};

    pub fn serialize<S: Serializer>(tx: &Transaction, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&serialize_hex(tx))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Transaction, D::Error> {
        let hex = String::deserialize(from)?;
        deserialize_hex(&hex).map_err(D::Error::custom)
    }
}
