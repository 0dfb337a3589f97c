//! The reading side of the tree, step by step as RFC 9162 writes it.

use super::{MAX_PATH_HASHES, empty_root, node_hash};
use crate::{Error, Hash, Result};

/// Checks that the leaf at `index` is in the tree of `size` leaves with this `root`
/// (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<()> {
    let mut hash = *leaf_hash;
    for (side, sibling) in sides(index, size, path)?.into_iter().zip(path) {
        hash = match side {
            Side::Left => node_hash(sibling, &hash),
            Side::Right => node_hash(&hash, sibling),
        };
    }
    if hash == *root {
        Ok(())
    } else {
        Err(Error::NotIncluded)
    }
}

/// Where a sibling stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// On which side each hash of the path joins, if a path to this leaf has that length.
pub(super) fn sides(index: u64, size: u64, path: &[Hash]) -> Result<Vec<Side>> {
    bound(path)?;
    if index >= size {
        return Err(Error::OutOfRange { asked: index, size });
    }
    let (mut fnode, mut snode) = (index, size - 1);
    let mut sides = Vec::with_capacity(path.len());
    for _ in path {
        if snode == 0 {
            return Err(Error::NotIncluded);
        }
        if fnode & 1 == 1 || fnode == snode {
            sides.push(Side::Left);
            skip_missing_levels(&mut fnode, &mut snode);
        } else {
            sides.push(Side::Right);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    if snode == 0 {
        Ok(sides)
    } else {
        Err(Error::NotIncluded)
    }
}

/// Checks that the tree of `old_size` leaves is the beginning of the tree of `new_size` leaves
/// (RFC 9162, 2.1.4.2).
///
/// The RFC leaves two cases open: trees of one size agree if their roots do, and the empty tree
/// is the beginning of every tree. Both need an empty path.
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    new_root: &Hash,
    path: &[Hash],
) -> Result<()> {
    bound(path)?;
    if old_size > new_size {
        return Err(Error::OutOfRange {
            asked: old_size,
            size: new_size,
        });
    }
    let agrees = if old_size == new_size {
        path.is_empty() && old_root == new_root && (old_size > 0 || *old_root == empty_root())
    } else if old_size == 0 {
        path.is_empty() && *old_root == empty_root()
    } else {
        roots_from_path(old_size, new_size, old_root, path) == Some((*old_root, *new_root))
    };
    if agrees {
        Ok(())
    } else {
        Err(Error::Inconsistent)
    }
}

/// The old and the new root that the path leads to, for `0 < old_size < new_size`.
fn roots_from_path(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    path: &[Hash],
) -> Option<(Hash, Hash)> {
    let (first, rest) = path.split_first()?;
    // A full old tree is itself the first subtree; its root is known and not part of the path.
    let (start, rest) = if old_size.is_power_of_two() {
        (old_root, path)
    } else {
        (first, rest)
    };
    let (mut fnode, mut snode) = (old_size - 1, new_size - 1);
    while fnode & 1 == 1 {
        fnode >>= 1;
        snode >>= 1;
    }
    let (mut old, mut new) = (*start, *start);
    for hash in rest {
        if snode == 0 {
            return None;
        }
        if fnode & 1 == 1 || fnode == snode {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            skip_missing_levels(&mut fnode, &mut snode);
        } else {
            new = node_hash(&new, hash);
        }
        fnode >>= 1;
        snode >>= 1;
    }
    (snode == 0).then_some((old, new))
}

/// A node at the ragged right edge has no sibling on some levels: goes up to where it has one.
fn skip_missing_levels(fnode: &mut u64, snode: &mut u64) {
    while *fnode & 1 == 0 && *fnode != 0 {
        *fnode >>= 1;
        *snode >>= 1;
    }
}

fn bound(path: &[Hash]) -> Result<()> {
    if path.len() > MAX_PATH_HASHES {
        return Err(Error::TooLarge {
            what: "the path",
            max: MAX_PATH_HASHES,
        });
    }
    Ok(())
}
