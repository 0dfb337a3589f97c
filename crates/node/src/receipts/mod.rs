//! Receipts: the log of those that we issue, the file of those that we got, and what both prove.

mod anchors;
mod export;
mod find;
mod log;
mod serve;
#[cfg(test)]
mod tests;
mod verify;

pub use anchors::PendingAnchor;
pub(crate) use anchors::SCHEMA as ANCHORS_SCHEMA;
pub use export::{ExportedReceipt, export_receipt};
pub use find::ReceiptView;
pub(crate) use log::{Leaf, Receipts, SCHEMA, Statement, keep_received};
pub use serve::ReceiptKeys;
pub use verify::{VerifiedReceipt, verify_receipt};
