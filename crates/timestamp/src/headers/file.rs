//! Headers from a file that somebody gave you: verification with no network at all.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::{BlockHash, Work};

use super::chain::{Cursor, MAX_HEIGHT};
use super::flat::Flat;
use super::{Attested, Error, HEADER_BYTES, Params, Result, check_bitcoin};

/// A file of headers: 80 bytes for each, in order, and nothing else.
///
/// It may begin with the genesis block, as `headers.dat` does, or anywhere else if it is said
/// where, and a single header is enough. All of it is checked when it is opened.
#[derive(Debug)]
pub struct HeaderFile {
    params: Arc<Params>,
    flat: Flat,
    tip_hash: BlockHash,
    coverage: Coverage,
}

/// What ties the headers of a file to the network's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// They begin with the network's first block.
    Genesis,
    /// They contain a block that is known to be in the network's chain.
    Checkpoint,
    /// Nothing: they, and their height, are worth no more than the work in them.
    Nothing,
}

/// What was checked in a file of headers. Links, work and times always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coverage {
    /// The first header's height.
    pub first_height: u32,
    /// The last header's height.
    pub last_height: u32,
    /// What ties the headers to the network's chain.
    pub anchor: Anchor,
    /// The last header whose block is known to be in the network's chain. All before it are, too.
    pub checkpoint_height: Option<u32>,
    /// The work of the headers in the file.
    pub work: Work,
    /// Whether that is at least the work that the network's chain is known to have had.
    pub has_min_work: bool,
    /// Changes of difficulty that were checked.
    pub retargets_checked: u32,
    /// Changes of difficulty whose beginning isn't in the file, so that no more is known than
    /// that the step isn't larger than a factor of four.
    pub retargets_unchecked: u32,
}

impl HeaderFile {
    /// Opens and checks a file. `start_height` may be left out if it begins with genesis.
    pub fn open(
        path: &Path,
        start_height: Option<u32>,
        params: Arc<Params>,
        now_unix_s: u64,
    ) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("opening", path))?;
        let genesis = params.genesis.block_hash();
        let first = Flat::new(file, path, 0);
        check_length(&first, start_height.unwrap_or(0))?;
        let begins_with_genesis = first.read_one(0)?.block_hash() == genesis;
        let start_height = match (start_height, begins_with_genesis) {
            (None | Some(0), true) => 0,
            (Some(0), false) => {
                return Err(Error::WrongNetwork {
                    what: path.display().to_string(),
                    network: params.name(),
                });
            }
            (Some(height), false) => height,
            (Some(_), true) => return Err(Error::malformed(path, "it begins at height 0")),
            (None, false) => {
                return Err(Error::StartHeightNeeded {
                    what: path.display().to_string(),
                });
            }
        };
        let flat = first.starting_at(start_height);
        let (tip_hash, coverage) = check(&flat, &params, now_unix_s)?;
        Ok(Self {
            params,
            flat,
            tip_hash,
            coverage,
        })
    }

    /// The first header's height.
    pub fn start_height(&self) -> u32 {
        self.coverage.first_height
    }

    /// The last header's height.
    pub fn tip_height(&self) -> u32 {
        self.coverage.last_height
    }

    /// What was checked, and what could not be. Show it with every verdict.
    pub fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// The header at this height.
    pub fn header_at(&self, height: u32) -> Result<Header> {
        let last = (self.tip_height(), self.tip_hash);
        self.flat.read_checked(&self.params, height, last)
    }

    /// Checks that the block at `height` commits to `digest`. How much that is worth,
    /// [`Coverage::is_conclusive_at`] says.
    pub fn attest(&self, digest: &[u8], height: u32) -> Result<Attested> {
        let header = self.header_at(height)?;
        check_bitcoin(digest, height, &header, self.tip_height())
    }

    /// Headers in bulk, to be checked by whoever takes them over.
    pub(super) fn headers(&self, from: u32, count: u32) -> Result<Vec<Header>> {
        self.flat.read(from, count)
    }
}

impl Coverage {
    /// Whether the header at this height is the network's as surely as one from a whole chain:
    /// a known block is or follows it, or it is in a chain from genesis with the network's work.
    pub fn is_conclusive_at(&self, height: u32) -> bool {
        let in_file = (self.first_height..=self.last_height).contains(&height);
        let settled = self.checkpoint_height.is_some_and(|known| height <= known);
        in_file && (settled || (self.anchor != Anchor::Nothing && self.has_min_work))
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let work = self.work.log2();
        let (first, last) = (self.first_height, self.last_height);
        write!(f, "headers {first} to {last}, of 2^{work:.1} hashes: ")?;
        match self.anchor {
            Anchor::Genesis if self.has_min_work => {
                write!(f, "connected to genesis, with the network's work")?;
            }
            Anchor::Genesis => write!(
                f,
                "connected to genesis, but with less work than the network has had"
            )?,
            Anchor::Checkpoint => write!(f, "connected to a known block")?,
            Anchor::Nothing => {
                write!(f, "not connected to genesis: trusted for its own work only")?
            }
        }
        if let Some(height) = self.checkpoint_height {
            write!(f, "; certain up to block {height}")?;
        }
        match self.retargets_unchecked {
            0 => Ok(()),
            1 => write!(f, "; 1 change of difficulty could not be checked"),
            count => write!(f, "; {count} changes of difficulty could not be checked"),
        }
    }
}

fn check_length(flat: &Flat, start_height: u32) -> Result<()> {
    let len_bytes = flat.len_bytes()?;
    if len_bytes == 0 || !len_bytes.is_multiple_of(HEADER_BYTES as u64) {
        let why = format!("its length of {len_bytes} bytes is no multiple of {HEADER_BYTES}");
        return Err(Error::malformed(flat.path(), why));
    }
    let end_height = u64::from(start_height) + len_bytes / HEADER_BYTES as u64;
    if end_height > u64::from(MAX_HEIGHT) {
        return Err(Error::TooLong { max: MAX_HEIGHT });
    }
    Ok(())
}

/// Walks through the file; returns the hash of its last header, and what was checked.
fn check(flat: &Flat, params: &Params, now_unix_s: u64) -> Result<(BlockHash, Coverage)> {
    let first_height = flat.first();
    let last_height = first_height + flat.count()?.saturating_sub(1);
    let first = flat.read_one(first_height)?;
    let mut cursor = Cursor::detached(params, first_height, &first)?;
    flat.for_each_chunk(first_height + 1, last_height, |_, headers| {
        for header in headers {
            cursor.accept(header, now_unix_s)?;
        }
        Ok(())
    })?;
    let known = params
        .checkpoint_below(last_height)
        .filter(|known| known.height >= first_height);
    let anchor = match known {
        _ if first_height == 0 => Anchor::Genesis,
        Some(_) => Anchor::Checkpoint,
        None => Anchor::Nothing,
    };
    let end = cursor.point();
    let coverage = Coverage {
        first_height,
        last_height,
        anchor,
        checkpoint_height: known.map(|known| known.height),
        work: end.work,
        has_min_work: end.work >= params.min_work(),
        retargets_checked: cursor.retargets_checked(),
        retargets_unchecked: cursor.retargets_unchecked(),
    };
    Ok((end.hash, coverage))
}
