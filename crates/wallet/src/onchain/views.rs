//! What the wallet shows.

use serde::{Deserialize, Serialize};

/// What the wallet holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// In blocks, and not frozen.
    pub confirmed_sat: u64,
    /// On its way to us, or back to us as change.
    pub pending_sat: u64,
    /// Mined by us, and too young to be spent.
    pub immature_sat: u64,
    /// In blocks, and frozen.
    pub frozen_sat: u64,
}

/// An address of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressView {
    /// The address.
    pub address: String,
    /// Its number.
    pub index: u32,
    /// Whether anything was ever paid to it.
    pub is_used: bool,
    /// What the owner calls it.
    pub label: Option<String>,
}

/// An output of ours that isn't spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoinView {
    /// Where it is: `txid:vout`.
    pub outpoint: String,
    /// What it holds.
    pub amount_sat: u64,
    /// The address that it was paid to.
    pub address: String,
    /// How many blocks there are from its own on; 0 while it waits.
    pub confirmations: u32,
    /// Whether it is change of ours.
    pub is_change: bool,
    /// Whether it is kept from being spent.
    pub is_frozen: bool,
    /// What the owner calls it.
    pub label: Option<String>,
}

/// A transaction that concerns us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TxView {
    /// Its id.
    pub txid: String,
    /// What it changed: below zero if we paid.
    pub net_sat: i64,
    /// Its fee, if we know all that it spends.
    pub fee_sat: Option<u64>,
    /// Its size.
    pub vsize_vb: u64,
    /// How many blocks there are from its own on; 0 while it waits.
    pub confirmations: u32,
    /// The height of its block.
    pub height: Option<u32>,
    /// When its block was mined.
    pub block_unix_s: Option<u64>,
    /// What the owner calls it.
    pub label: Option<String>,
}

/// What a payment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendKind {
    /// To somebody.
    Send,
    /// A dearer transaction instead of another (BIP-125).
    Replace,
    /// A dear one that pays for another too.
    PayForParent,
    /// To the savings.
    Sweep,
    /// Signed elsewhere.
    Psbt,
}

impl SpendKind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Replace => "replace",
            Self::PayForParent => "pay_for_parent",
            Self::Sweep => "sweep",
            Self::Psbt => "psbt",
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let all = [
            Self::Send,
            Self::Replace,
            Self::PayForParent,
            Self::Sweep,
            Self::Psbt,
        ];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// How far a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendState {
    /// On the disk; the network hasn't said yet that it has it.
    Recorded,
    /// The network has it.
    Sent,
    /// In a block.
    Confirmed,
    /// Another transaction took its coins.
    Replaced,
    /// The network doesn't take it.
    Refused,
}

/// A payment of ours.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spend {
    /// Its id, by which it happens once.
    pub id: String,
    /// What it is for.
    pub kind: SpendKind,
    /// Where to, if it is one place.
    pub address: Option<String>,
    /// What arrives there.
    pub amount_sat: u64,
    /// What it costs.
    pub fee_sat: u64,
    /// What that is for each byte.
    pub fee_rate_sat_per_vb: f64,
    /// The transaction.
    pub txid: String,
    /// The transaction that it replaces.
    pub replaces: Option<String>,
    /// How far it is.
    pub state: SpendState,
    /// Why it was refused.
    pub reason: Option<String>,
    /// When it was recorded, in Unix milliseconds.
    pub created_ms: i64,
}

/// The wallet's public descriptors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptors {
    /// Of what is received.
    pub external: String,
    /// Of change.
    pub internal: Option<String>,
    /// `taproot`, `segwit` or `legacy`.
    pub script: String,
    /// True if the keys are somewhere else.
    pub is_watch_only: bool,
}
