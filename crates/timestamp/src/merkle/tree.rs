//! The growing side of the tree.

use super::{empty_root, node_hash};
use crate::{Error, Hash, Result};

/// An append-only Merkle tree (RFC 9162, 2.1) that remembers its inner nodes.
///
/// `levels[h][i]` is the root of the leaves `i·2ʰ .. (i+1)·2ʰ`. Only full subtrees are kept:
/// they never change again, so the tree of any earlier size can still be read from them. That
/// costs about 64 bytes a leaf, and makes every question below O(log n).
#[derive(Debug, Clone, Default)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Appends a leaf and returns its index.
    pub fn push(&mut self, leaf_hash: Hash) -> u64 {
        let index = self.size();
        let mut hash = leaf_hash;
        for height in 0.. {
            if self.levels.len() == height {
                self.levels.push(Vec::new());
            }
            let level = &mut self.levels[height];
            level.push(hash);
            // A subtree that has just become full gives its parent a hash; a lone left child
            // waits for its sibling.
            match level.as_slice() {
                [.., left, right] if level.len().is_multiple_of(2) => hash = node_hash(left, right),
                _ => break,
            }
        }
        index
    }

    /// The hash of the leaf at `index`.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        self.node(0, index)
    }

    /// The root of the whole tree.
    pub fn root(&self) -> Hash {
        // The range is within the tree, so there is always a root.
        self.range_root(0, self.size()).unwrap_or_else(empty_root)
    }

    /// The root that the tree had when it had `size` leaves.
    pub fn root_at(&self, size: u64) -> Result<Hash> {
        self.range_root(0, size)
            .ok_or_else(|| self.out_of_range(size))
    }

    /// The path that proves leaf `index` to be in the tree of `size` leaves (RFC 9162, 2.1.3.1),
    /// from the leaf's sibling up to the root's child.
    pub fn inclusion_path(&self, index: u64, size: u64) -> Result<Vec<Hash>> {
        if size > self.size() {
            return Err(self.out_of_range(size));
        }
        if index >= size {
            return Err(Error::OutOfRange { asked: index, size });
        }
        self.inclusion_in_range(index, size)
            .ok_or_else(|| self.out_of_range(size))
    }

    /// The path that proves the tree of `old` leaves to be the beginning of the tree of `new`
    /// leaves (RFC 9162, 2.1.4.1). It is empty where there is nothing to prove: if the two are
    /// of one size, or the old one is empty.
    pub fn consistency_path(&self, old: u64, new: u64) -> Result<Vec<Hash>> {
        if new > self.size() {
            return Err(self.out_of_range(new));
        }
        if old > new {
            return Err(Error::OutOfRange {
                asked: old,
                size: new,
            });
        }
        if old == 0 || old == new {
            return Ok(Vec::new());
        }
        self.consistency_in_range(old, new)
            .ok_or_else(|| self.out_of_range(new))
    }

    /// PATH of RFC 9162, walked from the root down and then reversed.
    fn inclusion_in_range(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.range_root(middle, end)?);
                end = middle;
            } else {
                path.push(self.range_root(start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// SUBPROOF of RFC 9162 for `0 < old < new`, walked from the root down and then reversed.
    fn consistency_in_range(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        let (mut start, mut end) = (0, new);
        let mut path = Vec::new();
        while end != old {
            let middle = start + split(end - start);
            if old <= middle {
                path.push(self.range_root(middle, end)?);
                end = middle;
            } else {
                path.push(self.range_root(start, middle)?);
                start = middle;
            }
        }
        // The verifier knows the old root already; it needs the last subtree of the old tree only
        // where that is not the whole old tree.
        if start > 0 {
            path.push(self.range_root(start, end)?);
        }
        path.reverse();
        Some(path)
    }

    /// The root of the leaves `start..end`, where `start` is 0 or was reached by [`split`], so
    /// that its full subtrees are all at hand. `None` if they are not in the tree.
    fn range_root(&self, start: u64, end: u64) -> Option<Hash> {
        let count = end.checked_sub(start)?;
        if count == 0 {
            return Some(empty_root());
        }
        if count.is_power_of_two() {
            let height = count.trailing_zeros();
            return self.node(height as usize, start >> height);
        }
        // The recursion halves the range, so it is at most 64 deep.
        let middle = start + split(count);
        Some(node_hash(
            &self.range_root(start, middle)?,
            &self.range_root(middle, end)?,
        ))
    }

    /// The root of the leaves `index·2ʰ .. (index+1)·2ʰ`, if the tree has them all.
    pub(crate) fn node(&self, height: usize, index: u64) -> Option<Hash> {
        self.levels
            .get(height)?
            .get(usize::try_from(index).ok()?)
            .copied()
    }

    fn out_of_range(&self, asked: u64) -> Error {
        Error::OutOfRange {
            asked,
            size: self.size(),
        }
    }
}

impl FromIterator<Hash> for Tree {
    /// Builds the tree from its leaf hashes, in the order of the log.
    fn from_iter<I: IntoIterator<Item = Hash>>(leaf_hashes: I) -> Self {
        let mut tree = Self::new();
        for leaf_hash in leaf_hashes {
            tree.push(leaf_hash);
        }
        tree
    }
}

/// The largest power of two below `count`: where RFC 9162 divides a range of two leaves or more.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}
