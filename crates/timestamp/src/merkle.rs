//! The Merkle tree of RFC 6962 and RFC 9162 with SHA-256.
//!
//! [`Tree`] is the log's side: it grows and gives out paths. [`verify_inclusion`] and
//! [`verify_consistency`] are the reader's side: they need nothing but hashes. [`path_ops`] says the
//! same way up in operations of OpenTimestamps.

mod ops;
mod tree;
mod verify;

pub use ops::path_ops;
pub use tree::Tree;
pub use verify::{verify_consistency, verify_inclusion};

use crate::Hash;

/// The most hashes that a path may have: a tree has less than 2⁶⁴ leaves, so none is longer.
pub const MAX_PATH_HASHES: usize = 64;

/// The hash of a leaf: `SHA-256(0x00 ‖ entry)` (RFC 9162, 2.1.1).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    Hash::of_parts(&[&[0x00], entry])
}

/// The hash of an inner node: `SHA-256(0x01 ‖ left ‖ right)` (RFC 9162, 2.1.1).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash::of_parts(&[&[0x01], &left.0, &right.0])
}

/// The root of the tree without leaves: the SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash::of(&[])
}
