//! The hall of Freehold: it composes the rooms (`wallet`, `http402`, `timestamp`,
//! `inference`) into one [`Node`], which the doors (CLI, HTTP API, web page) speak to.
//!
//! The way of one paid request is [`Node::serve`]; the way of one paying request is
//! [`Node::fetch`]. Everything that must survive a crash is in one SQLite file, so
//! that money, answers and receipts are booked in one transaction.

mod anchoring;
pub mod backup;
pub mod calendar;
mod config;
mod doctor;
mod engine;
mod error;
mod fetch;
mod files;
mod keys;
pub mod lightning;
mod locks;
mod mint_address;
#[cfg(feature = "sandbox")]
mod neighbourhood;
#[cfg(not(feature = "sandbox"))]
#[path = "no_neighbourhood.rs"]
mod neighbourhood;
mod node;
mod purses;
mod receipts;
mod recovery;
mod serve;
pub mod stamps;
mod status;
mod tasks;

pub use config::{
    BackupConfig, ChainConfig, Config, EngineSettings, LightningSettings, Network, Overrides, PriceConfig,
    TimestampConfig,
};
pub use doctor::Finding;
pub use engine::{Worker, model_store, run_inference_worker};
pub use error::{NodeError, Result};
pub use fetch::{FetchRequest, Fetched, PaymentView, Spender};
pub use files::{RunningNode, announce, read_owner_token, retract, running};
pub use neighbourhood::SandboxView;
pub use node::{Caller, Node};
pub use purses::{BudgetSat, NewPurse, PurseView, Revoked};
pub use receipts::{
    ExportedReceipt, PendingAnchor, ReceiptKeys, ReceiptView, VerifiedReceipt, export_receipt,
    verify_receipt,
};
pub use serve::{Answer, AnswerEvent, PaymentRequired, Served, Settled};
pub use status::{Audit, Status};

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
pub use wallet::ledger::{Transfer, TransferState};
pub use wallet::purse::PurseName;
