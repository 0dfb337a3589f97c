//! The hall of Freehold: it composes the rooms (`wallet`, `http402`, `timestamp`,
//! `inference`, `energy`) into one [`Node`], which the doors (CLI, HTTP API, web page) speak to.
//!
//! The way of one paid request is [`Node::serve`]; the way of one paying request is
//! [`Node::fetch`]. Everything that must survive a crash is in one SQLite file, so
//! that money, answers and receipts are booked in one transaction.

mod anchoring;
pub mod backup;
pub mod calendar;
mod config;
mod doctor;
pub mod energy;
mod engine;
mod error;
mod fetch;
mod files;
mod keys;
pub mod lightning;
mod locks;
mod mint_address;
mod neighbourhood;
mod node;
mod nwc;
mod onchain;
mod purses;
mod receipts;
mod recovery;
mod sealing;
pub mod sell;
mod serve;
#[cfg(test)]
mod simulation;
pub mod stamps;
mod status;
mod tasks;
mod vaults;

/// An asynchronous function that is compiled here, once. Otherwise each crate that awaits it compiles it anew, with all that
/// it awaits in turn, which was most of what a build took.
use async_recursion::async_recursion as boxed;

pub use config::{
    BackupConfig, ChainConfig, Config, EnergyConfig, EngineSettings, FetchConfig,
    LightningSettings, Network, NwcConfig, Overrides, PriceConfig, TimestampConfig,
};
pub use doctor::Finding;
pub use engine::{Worker, model_store, run_inference_worker};
pub use error::{NodeError, Result};
pub use fetch::{Bidding, FetchRequest, Fetched, PaymentView, Protocol, Spender};
pub use files::{RunningNode, announce, read_owner_token, retract, running};
pub use lightning::SandboxView;
pub use node::{Caller, Node};
pub use nwc::{BackingView, NewNwc, NewNwcConnection, NwcConnectionView};
pub use onchain::{
    BumpInput, FeeChoice, FreezeInput, LabelInput, OnchainBalance, SavingsInput, SendInput,
    WatchedWallet,
};
pub use purses::{ApprovalView, Narrowed, NewPurse, PolicySat, PurseView, Revoked, narrow_token};
pub use receipts::{
    ExportedReceipt, PendingAnchor, ReceiptKeys, ReceiptView, VerifiedReceipt, export_receipt,
    verify_receipt,
};
pub use serve::{Answer, AnswerEvent, PaymentRequired, Served, Settled};
pub use status::{Audit, Status};
pub use vaults::{
    CheckedView, NewProposal, PeerAnswer, PeerOffer, PeerRequest, ProposalView, TokenRequestView,
    TokenView, VaultBalance, VaultKeyView, VaultView,
};

pub use http402::haggle::Tactic;
pub use inference::openai::{Chunk, ErrorBody, ModelEntry, ModelList, Reply};
pub use inference::store::{
    DEFAULT_MODEL, InstalledModel, ModelSpec, ModelStore, Phase, Progress, ProgressSink,
    PullOptions, StoreError, catalog, find, silent,
};
pub use inference::{FinishReason, Summary};
// The formats of proofs, for doors that read them.
pub use timestamp::proof::{AnchorStatus, Anchoring, ReceiptProof};
pub use timestamp::receipt::answer_digests;
pub use timestamp::tiles::TileAddress;
pub use timestamp::{Hash, checkpoint, merkle, note, ots};
pub use wallet::MSAT_PER_SAT;
pub use wallet::ledger::{Transfer, TransferState};
pub use wallet::nwc::{NotificationKind, Transaction as LightningTransaction};
pub use wallet::onchain::{
    AddressView, Balance, CoinView, Descriptors, OutputView, PsbtView, Spend, SpendKind,
    SpendState, TxView,
};
pub use wallet::purse::{Agent, ApprovalState, HostRule, Mode, PurseName, Rate};
pub use wallet::savings::{Attempt, Decision, Reason, Rule, Savings};
// What a proposal travels as, for doors that read and show it.
pub use wallet::vault::{
    Description, PSBT_BYTES_MAX, ProposalState, SignerKind, VaultError, join_qr, read_psbt,
    split_qr,
};
