//! Tiles (C2SP `tlog-tiles`): a log as files that never change, from which anyone can compute
//! every root, inclusion and consistency proof.
//!
//! A tile has up to 256 neighbouring hashes of every eighth level of the tree: the leaf hashes on
//! level 0, the roots of 256 leaves each on level 1, and so on. The entries themselves, here
//! 32-byte digests of statements and never content, come in bundles of 256.
//!
//! | address | what |
//! |---|---|
//! | `<L>/<N>` | the full tile `N` of level `L` |
//! | `<L>/<N>.p/<W>` | the first `W` hashes of it, while there aren't more |
//! | `entries/<N>`, `entries/<N>.p/<W>` | the entries of tile `N` of level 0 |
//!
//! `N` is written in groups of three digits, all but the last after an `x`: 1234067 is
//! `x001/x234/067`.

use std::fmt;
use std::str::FromStr;

use crate::merkle::Tree;
use crate::{Error, Hash, Result};

/// How many hashes a full tile has.
pub const TILE_WIDTH: u16 = 256;
/// The highest level that an address may name.
pub const MAX_LEVEL: u8 = 63;

/// Levels of the tree between two levels of tiles: 2⁸ is 256.
const TILE_HEIGHT: usize = 8;
/// More groups of three digits than 64 bits fill aren't read.
const MAX_GROUPS: usize = 7;
const GROUP: u64 = 1000;
const ENTRIES: &str = "entries";
const WHAT: &str = "the tile's address";

/// What a tile is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// The tree's hashes at this level of tiles.
    Hashes {
        /// The level, up to [`MAX_LEVEL`].
        level: u8,
    },
    /// What was logged.
    Entries,
}

/// Which tile, and how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileAddress {
    /// Hashes or entries.
    pub content: Content,
    /// Its place among its level's tiles, counted from 0.
    pub index: u64,
    /// From 1 to [`TILE_WIDTH`].
    pub width: u16,
}

impl TileAddress {
    /// The places of its hashes on their level, or of its entries in the log: the first, and the
    /// one after the last. `None` if 64 bits don't hold them.
    pub fn range(&self) -> Option<(u64, u64)> {
        let start = self.index.checked_mul(u64::from(TILE_WIDTH))?;
        Some((start, start.checked_add(u64::from(self.width))?))
    }

    /// Whether it has all its hashes.
    pub fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }
}

impl Tree {
    /// The hashes of a tile, 32 bytes each, if the tree has them all. Entries aren't in the tree.
    pub fn tile(&self, address: &TileAddress) -> Option<Vec<u8>> {
        let Content::Hashes { level } = address.content else {
            return None;
        };
        let height = TILE_HEIGHT * usize::from(level);
        let (start, end) = address.range()?;
        // The last is looked at first, so that what isn't there costs nothing.
        self.node(height, end.checked_sub(1)?)?;
        let hashes = (start..end).map(|index| Some(self.node(height, index)?.0));
        Some(hashes.collect::<Option<Vec<_>>>()?.concat())
    }
}

/// A bundle of entries: each of them after its length, in two big-endian bytes.
pub fn bundle(entries: &[Hash]) -> Vec<u8> {
    const LENGTH: [u8; 2] = 32_u16.to_be_bytes();
    entries
        .iter()
        .flat_map(|entry| LENGTH.into_iter().chain(entry.0))
        .collect()
}

impl fmt::Display for TileAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            Content::Hashes { level } => write!(f, "{level}")?,
            Content::Entries => f.write_str(ENTRIES)?,
        }
        let mut groups = vec![self.index % GROUP];
        let mut rest = self.index / GROUP;
        while rest > 0 {
            groups.push(rest % GROUP);
            rest /= GROUP;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            let mark = if place > 0 { "x" } else { "" };
            write!(f, "/{mark}{group:03}")?;
        }
        if !self.is_full() {
            write!(f, ".p/{}", self.width)?;
        }
        Ok(())
    }
}

impl FromStr for TileAddress {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = parse(text).ok_or_else(|| {
            Error::malformed(
                WHAT,
                "it is not `<level>/<index>` with an optional `.p/<width>`",
            )
        })?;
        // One tile has one address: no needless zeros, groups or signs.
        if parsed.to_string() == text {
            Ok(parsed)
        } else {
            Err(Error::malformed(WHAT, "it is not in its shortest form"))
        }
    }
}

fn parse(text: &str) -> Option<TileAddress> {
    let (content, rest) = text.split_once('/')?;
    let content = match content {
        ENTRIES => Content::Entries,
        level => Content::Hashes {
            level: level.parse().ok().filter(|level| *level <= MAX_LEVEL)?,
        },
    };
    let (index, width) = match rest.split_once(".p/") {
        Some((index, width)) => (index, width.parse().ok()?),
        None => (rest, TILE_WIDTH),
    };
    let is_partial = rest.len() != index.len();
    let widest = TILE_WIDTH - u16::from(is_partial);
    let index = parse_index(index)?;
    (1..=widest).contains(&width).then_some(TileAddress {
        content,
        index,
        width,
    })
}

fn parse_index(text: &str) -> Option<u64> {
    let groups: Vec<&str> = text.split('/').take(MAX_GROUPS + 1).collect();
    let (last, others) = groups.split_last()?;
    if others.len() >= MAX_GROUPS {
        return None;
    }
    let others = others.iter().map(|group| group.strip_prefix('x'));
    let mut index = 0_u64;
    for group in others.chain([Some(*last)]) {
        let group = group.filter(|group| group.len() == 3)?;
        let digits: u64 = group.parse().ok()?;
        index = index.checked_mul(GROUP)?.checked_add(digits)?;
    }
    Some(index)
}
