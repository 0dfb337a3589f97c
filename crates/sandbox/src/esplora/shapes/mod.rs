//! The JSON of the Esplora API, under the names that electrs gives everything.

mod block;
mod mempool;
mod script;
mod transaction;

pub(super) use block::{BlockShape, BlockStatusShape, MerkleProofShape};
pub(super) use mempool::{MempoolShape, RecentShape};
pub(super) use script::{ScriptShape, UtxoShape};
pub(super) use transaction::{SpendShape, StatusShape, TransactionShape};
