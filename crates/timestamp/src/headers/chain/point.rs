//! A place in a chain.

use bitcoin::{BlockHash, Work};

/// A place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// The block's height.
    pub height: u32,
    /// The block's hash.
    pub hash: BlockHash,
    /// The work of all blocks up to and with this one, as far back as they are known.
    pub work: Work,
}
