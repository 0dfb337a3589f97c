//! The chain on disk: `headers.dat`, 80 bytes for each header from the genesis block on.
//!
//! Beside it stand `headers.meta` (how far the chain was checked, and its work until there), for
//! a moment `headers.fork` (a branch that is about to replace the end of the chain), and
//! `headers.lock`. All of them can be made again from headers.
//!
//! Any number of processes may read while one writes. A reader sees the chain as it was when it
//! was opened; opening is cheap, so open anew rather than keep it for long.

mod disk;
mod journal;
mod load;
mod meta;
#[cfg(test)]
mod tests;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bitcoin::block::Header;

use super::chain::{Cursor, Point, total_work};
use super::flat::Flat;
use super::{Attested, Error, Params, Result, check_bitcoin};

pub use writer::{Extended, HeaderWriter, Repair};

const DATA: &str = "headers.dat";
const META: &str = "headers.meta";
const FORK: &str = "headers.fork";
const LOCK: &str = "headers.lock";

/// The stored chain, for reading.
#[derive(Debug)]
pub struct HeaderStore {
    params: Arc<Params>,
    folder: PathBuf,
    flat: Flat,
    tip: Point,
}

/// How far the stored chain reaches, and what may be said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// The last block, with the work of the whole chain.
    pub tip: Point,
    /// The time of the last block.
    pub time_unix_s: u64,
    /// Whether the chain has at least the work that the network's chain is known to have had.
    pub has_min_work: bool,
    /// The height of the last checkpoint that the chain has passed.
    pub checkpoint_height: Option<u32>,
}

impl HeaderStore {
    /// Opens the chain in this folder for reading.
    pub fn open(folder: &Path, params: Arc<Params>) -> Result<Self> {
        let loaded = load::load(folder, &params)?;
        Ok(Self {
            params,
            folder: folder.to_owned(),
            flat: loaded.flat,
            tip: loaded.tip,
        })
    }

    /// The last block.
    pub fn tip(&self) -> Point {
        self.tip
    }

    /// The network's rules.
    pub fn params(&self) -> &Arc<Params> {
        &self.params
    }

    /// The header at this height, checked against its own work and its neighbours.
    pub fn header(&self, height: u32) -> Result<Header> {
        let last = (self.tip.height, self.tip.hash);
        self.flat.read_checked(&self.params, height, last)
    }

    /// How far the chain reaches, and what may be said of it.
    pub fn status(&self) -> Result<Status> {
        let height = self.tip.height;
        let passed = self.params.checkpoint_below(height);
        Ok(Status {
            tip: self.tip,
            time_unix_s: u64::from(self.header(height)?.time),
            has_min_work: self.tip.work >= self.params.min_work(),
            checkpoint_height: passed.map(|checkpoint| checkpoint.height),
        })
    }

    /// Checks that the block at `height` commits to `digest`, and that the chain has earned
    /// enough trust to say so: a checkpoint follows, or it has the network's work.
    pub fn attest(&self, digest: &[u8], height: u32) -> Result<Attested> {
        let header = self.header(height)?;
        let tip = self.tip.height;
        let passed = self.params.checkpoint_below(tip);
        let settled = passed.is_some_and(|checkpoint| checkpoint.height >= height);
        if !settled && self.tip.work < self.params.min_work() {
            return Err(Error::TooLittleWork { height, tip });
        }
        check_bitcoin(digest, height, &header, tip)
    }

    /// A cursor at this height, to check what might follow it.
    pub fn cursor_at(&self, height: u32) -> Result<Cursor<'_>> {
        let point = self.point_at(height)?;
        let from = Cursor::needed_from(&self.params, height);
        let headers = self.flat.read(from, height - from + 1)?;
        Cursor::resume(&self.params, point, &headers)
    }

    /// The block at this height, with the chain's work up to it.
    pub fn point_at(&self, height: u32) -> Result<Point> {
        if height == self.tip.height {
            return Ok(self.tip);
        }
        let hash = self.header(height)?.block_hash();
        let mut work = self.tip.work;
        self.flat
            .for_each_chunk(height + 1, self.tip.height, |first, headers| {
                let part = total_work(&self.params, first, headers)?;
                // Checked headers have no more work than the chain, but the disk may lie.
                if part > work {
                    return Err(Error::Damaged { height: first });
                }
                work = work - part;
                Ok(())
            })?;
        Ok(Point { height, hash, work })
    }
}
