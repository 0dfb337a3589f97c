//! Bitcoin's block headers: enough to check a timestamp without a full node.
//!
//! A proof says that a digest went into the block at some height. What is needed to check that is
//! the block's header (80 bytes), and a reason to believe that it is the header at that height.
//! This module's reason is work: a chain of headers from the genesis block on, each of which
//! meets the target that the difficulty rules demand of it, and passes the checkpoints that are
//! compiled in. Whoever wants to forge one has to redo the work of the whole network.
//!
//! It does **not** check what is inside the blocks. That is enough here: nobody pays for a block
//! with invalid transactions and a false timestamp in it, since it costs as much as a valid one.
//!
//! Reading order: [`Params`] (a network's rules), [`Cursor`] (the rules applied, pure),
//! [`HeaderStore`] and [`HeaderWriter`] (the chain on disk), [`HeaderFile`] (a chain from a file
//! that somebody gave you), [`check_bitcoin`] (the verdict), and with the feature `net`
//! `sources` (where headers come from: a node's RPC, an Esplora server, peers).

mod chain;
mod error;
mod file;
mod flat;
mod params;
mod retarget;
#[cfg(feature = "net")]
pub mod sources;
mod store;
mod verify;

pub use bitcoin::block::Header;
pub use bitcoin::{BlockHash, Work};
pub use chain::{ANY_TIME, Cursor, MAX_HEIGHT, Point};
pub use error::{Error, Result};
pub use file::{Anchor, Coverage, HeaderFile};
pub use params::{Checkpoint, Custom, Params};
pub use store::{Extended, HeaderStore, HeaderWriter, Repair, Status};
pub use verify::{Attested, check_bitcoin};

/// The size of a header, on the wire and on disk.
pub const HEADER_BYTES: usize = 80;
