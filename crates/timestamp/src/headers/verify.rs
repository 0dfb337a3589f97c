//! The verdict: does this block commit to this digest?

use std::fmt;

use bitcoin::BlockHash;
use bitcoin::block::Header;
use bitcoin::hashes::Hash;

use super::{Error, Result};

/// The length of a merkle root.
const ROOT_BYTES: usize = 32;

/// A digest existed before this block was found.
///
/// `time_unix_s` is what the block's miner says. The network lets that be off by up to two hours,
/// so it is a date rather than a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attested {
    /// The block's height.
    pub height: u32,
    /// The block's time.
    pub time_unix_s: u64,
    /// The block's hash.
    pub block_hash: BlockHash,
    /// How deep the block is: 1 for the last one.
    pub confirmations: u32,
}

impl fmt::Display for Attested {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            height,
            block_hash,
            confirmations,
            ..
        } = self;
        write!(f, "block {height} ({block_hash}), {confirmations} deep")
    }
}

/// Checks that the block of this header commits to `digest`: what the operations of a proof lead
/// to must be the block's merkle root, in the order of bytes that the header has it in.
///
/// It is the caller's part to know that the header is the one at `height`; a
/// [`HeaderStore`](super::HeaderStore) or a [`HeaderFile`](super::HeaderFile) says so.
pub fn check_bitcoin(
    digest: &[u8],
    height: u32,
    header: &Header,
    tip_height: u32,
) -> Result<Attested> {
    if digest.len() != ROOT_BYTES {
        return Err(Error::DigestLength {
            found: digest.len(),
            expected: ROOT_BYTES,
        });
    }
    let depth = tip_height.checked_sub(height).ok_or(Error::NotStored {
        height,
        first: 0,
        tip: tip_height,
    })?;
    if digest != header.merkle_root.as_byte_array() {
        return Err(Error::RootMismatch {
            height,
            root: header.merkle_root.to_string(),
        });
    }
    Ok(Attested {
        height,
        time_unix_s: u64::from(header.time),
        block_hash: header.block_hash(),
        confirmations: depth.saturating_add(1),
    })
}
