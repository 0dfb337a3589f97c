//! Bitcoin on the chain: one wallet on `bdk_wallet`, for the node, the calendar and whoever watches.
//!
//! Reading order: [`ChainSource`] (who shows us the chain, and what of it is believed), [`Keys`] and
//! [`WatchKeys`] (whose money it is), [`OnchainWallet`] (`wallet.rs`: one file, one process; changes
//! are on the disk before they are acknowledged), then what it does: `inspect.rs`, `spend.rs`,
//! `settle.rs` (what becomes of a payment), `bump.rs`, `psbt.rs`, `anchor.rs`.
//!
//! A payment is recorded, with its signed transaction, before it is sent. Its coins count as spent
//! from then on, and it is sent again until a block has it: a crash can't pay twice, and can't lose
//! a payment.

mod anchor;
pub(crate) mod bump;
pub mod chain;
mod error;
pub(crate) mod inspect;
mod keys;
mod psbt;
pub(crate) mod request;
pub(crate) mod settle;
pub(crate) mod spend;
pub(crate) mod store;
mod views;
pub(crate) mod wallet;
mod watch;

pub use anchor::DataTx;
pub use chain::{
    Ask, ChainError, ChainSource, FEE_RATE_SAT_PER_VB_MIN, FeeRates, Seen, Tip, TxState,
};
pub use error::OnchainError;
pub use keys::Keys;
pub use psbt::{OutputView, PsbtView, parse_psbt};
pub use request::{FeeLimit, HowMuch, SpendRequest, parse_address};
pub use views::{
    AddressView, Balance, CoinView, Descriptors, Spend, SpendKind, SpendState, TxView,
};
pub use wallet::OnchainWallet;
pub use watch::WatchKeys;

pub use bitcoin::bip32::Xpriv;
pub use bitcoin::{Address, Network, OutPoint, Psbt, Txid};
