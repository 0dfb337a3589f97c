//! Aggregation: one digest for many, and the way from each of them to it.
//!
//! The tree is the one of the OpenTimestamps reference: neighbours are concatenated and hashed
//! (SHA-256), and an odd digest at the end of a level moves up as it is. Hashing pairs is all
//! the work there is, and `hashtree` does it several at a time with what the processor has.

use crate::ots::{Arg, Op};

/// A digest.
pub type Digest = [u8; 32];

/// A Merkle tree over digests, all levels of it: 64 bytes a leaf.
#[derive(Debug, Clone)]
pub struct Aggregate {
    /// The first level has the leaves, the last one the root alone.
    levels: Vec<Vec<Digest>>,
}

impl Aggregate {
    /// Builds the tree, or none without leaves.
    pub fn new(leaves: Vec<Digest>) -> Option<Self> {
        if leaves.is_empty() {
            return None;
        }
        let mut levels = vec![leaves];
        while let Some(level) = levels.last()
            && level.len() > 1
        {
            let next = parents(level);
            levels.push(next);
        }
        Some(Self { levels })
    }

    /// The digest that stands for all.
    pub fn root(&self) -> &Digest {
        // There is at least one level, and the last one has one digest.
        &self.levels[self.levels.len() - 1][0]
    }

    /// The leaves, in their order.
    pub fn leaves(&self) -> &[Digest] {
        &self.levels[0]
    }

    /// The operations that lead from a leaf to the root.
    ///
    /// # Panics
    /// If there is no such leaf.
    pub fn path(&self, mut index: usize) -> Vec<Op> {
        assert!(index < self.leaves().len(), "there is no leaf {index}");
        let mut ops = Vec::with_capacity(2 * self.levels.len());
        for level in &self.levels {
            // The last of an odd number has no sibling; it is its own parent.
            if let Some(sibling) = level.get(index ^ 1) {
                ops.push(match index % 2 {
                    0 => Op::Append(Arg::from(sibling)),
                    _ => Op::Prepend(Arg::from(sibling)),
                });
                ops.push(Op::SHA256);
            }
            index /= 2;
        }
        ops
    }
}

/// The next level up.
fn parents(level: &[Digest]) -> Vec<Digest> {
    let (pairs, odd) = level.split_at(level.len() / 2 * 2);
    let mut next = vec![[0; 32]; pairs.len() / 2];
    hash_pairs(&mut next, pairs);
    next.extend_from_slice(odd);
    next
}

/// The SHA-256 of each two neighbours.
fn hash_pairs(out: &mut [Digest], pairs: &[Digest]) {
    // The library goes by the count alone, so it must never say more than the slices hold.
    assert_eq!(out.len() * 2, pairs.len());
    let count = out.len();
    if count > 0 {
        hashtree_rs::hash(out.as_flattened_mut(), pairs.as_flattened(), count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    fn leaf(index: usize) -> Digest {
        Sha256::digest(index.to_le_bytes()).into()
    }

    /// By the definition, one pair at a time.
    fn slow_root(mut level: Vec<Digest>) -> Digest {
        while level.len() > 1 {
            level = level
                .chunks(2)
                .map(|pair| match pair {
                    [one] => *one,
                    pair => Sha256::digest(pair.as_flattened()).into(),
                })
                .collect();
        }
        level[0]
    }

    #[test]
    fn every_leaf_leads_to_the_root() {
        for count in (1..=70).chain([127, 128, 129, 1000]) {
            let leaves: Vec<Digest> = (0..count).map(leaf).collect();
            let tree = Aggregate::new(leaves.clone()).unwrap();
            assert_eq!(*tree.root(), slow_root(leaves), "{count} leaves");
            for index in 0..count {
                let mut message = leaf(index).to_vec();
                for op in tree.path(index) {
                    op.apply(&mut message).unwrap();
                }
                assert_eq!(message, tree.root(), "leaf {index} of {count}");
            }
        }
    }

    #[test]
    fn nothing_has_no_root() {
        assert!(Aggregate::new(Vec::new()).is_none());
    }
}
