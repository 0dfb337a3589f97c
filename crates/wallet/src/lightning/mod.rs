//! The Lightning rail, on `ldk-node`.
//!
//! [`Lightning`] is a node of its own: it keeps its channels and its coins in one folder, looks at
//! the chain through one [`ChainSource`], and tells what happens to an [`EventSink`], which makes it
//! durable before it is forgotten. What this module adds to the library:
//!
//! - **Each payment is recorded before it is sent** (`outgoing.rs`), so that after a crash at any
//!   point it is known whether it was sent, and so that one id is paid once.
//! - **One file, written in order** (`store.rs`): what a crash leaves is a beginning of what was
//!   written, and a full disk makes the node wait instead of giving up its channels.
//! - **A backup that can't do harm** (`backup.rs`, `sweep.rs`): it names the channels and their
//!   peers, and holds no state that could be broadcast when it is old.
//!
//! A folder must never be copied back: an old state of a channel loses the channel. Restoring is
//! [`restore`] into an empty folder.
//!
//! Reading order: `node.rs`, `pay.rs`, `outgoing.rs`, `store.rs`, `events.rs`.

mod backup;
mod channels;
mod config;
mod error;
mod events;
mod kv;
mod log;
mod node;
mod onchain;
mod outgoing;
mod pay;
mod payable;
mod receive;
mod store;
mod sweep;

pub use backup::{BackupChannel, BackupPeer, ChannelBackup, restore};
pub use channels::{Channel, ChannelId, OpenChannel, Peer};
pub use config::{ChainSource, JitTerms, LightningConfig, LspAddress, SyncIntervals};
pub use error::LightningError;
pub use events::{Event, EventSink, SinkError};
pub use node::{Balances, Lightning, Status};
pub use outgoing::{PaymentId, PaymentKind, PaymentStatus, Preimage};
pub use pay::{Direction, PayRequest, Payment};
pub use payable::{PAYABLE_BYTES_MAX, Payable};
pub use receive::{Invoice, InvoiceRequest};
pub use store::{Store, WriteHook};
pub use sweep::Sweep;

fn preimage_of(preimage: ldk_node::lightning_types::payment::PaymentPreimage) -> Preimage {
    Preimage(preimage.0)
}
