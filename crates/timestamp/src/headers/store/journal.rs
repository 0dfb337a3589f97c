//! `headers.fork`: a branch that is about to replace the end of the chain.
//!
//! Replacing in place would leave, after a crash, a chain that is neither the old nor the new
//! one, and has less work than both. So the whole branch is written here first, under another
//! name, and renamed when it is on disk: from then on it is the truth, and whoever opens the
//! chain for writing completes the move.

use std::path::Path;

use bitcoin::block::Header;

use super::super::chain::Point;
use super::super::flat::{decode, encode};
use super::super::{HEADER_BYTES, MAX_HEIGHT, Params, Result};
use super::meta;

const MAX_BYTES: u64 = MAX_HEIGHT as u64 * HEADER_BYTES as u64 + 4096;

/// A branch, and the last block that it has in common with the chain.
#[derive(Debug)]
pub(super) struct Journal {
    pub(super) fork: Point,
    pub(super) branch: Vec<Header>,
}

/// Reads the journal, if there is one that makes sense.
pub(super) fn load(params: &Params, path: &Path) -> Result<Option<Journal>> {
    let Some(bytes) = meta::read_bounded(path, MAX_BYTES)? else {
        return Ok(None);
    };
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let (Some(line), Some(headers)) = (parts.next(), parts.next()) else {
        return Ok(None);
    };
    let whole = headers.len().is_multiple_of(HEADER_BYTES);
    let fork = meta::from_line(params, line).filter(|_| whole);
    Ok(fork.map(|fork| Journal {
        fork,
        branch: decode(headers),
    }))
}

/// Writes the journal. When this returns, the branch is the truth.
pub(super) fn save(params: &Params, path: &Path, fork: &Point, branch: &[Header]) -> Result<()> {
    meta::write_atomic(path, &[&meta::to_line(params, fork)?, &encode(branch)])
}
