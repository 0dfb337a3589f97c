//! Timestamps of git commits and tags, in the format of the reference's `ots-git-gpg-wrapper`.
//!
//! A signed object carries its timestamp behind the signature, as [`Armored`] text; git and gpg
//! ignore it there. The first message is `SHA-256(SHA-256(object) ‖ SHA-256(signature))`. An
//! unsigned object has an ordinary proof of its raw bytes, kept elsewhere.
//!
//! Either way the first step appends the root of the object's tree, hashed anew with SHA-256
//! ([`TreeTimestamper`]): git's own hashes are SHA-1, and a proof for one file would have to show
//! the names of all others. What calendars get is the [`Commitment`] to both.
//!
//! Pure: what git knows comes in through [`TreeSource`].

mod armor;
mod commitment;
mod error;
mod id;
mod level;
mod object;
mod tree;

pub use armor::{Armored, MAX_ARMOR_BYTES};
pub use commitment::{Commitment, signed_message};
pub use error::{Error, Result};
pub use id::ObjectId;
pub use object::{Kind, Signed, named_object};
pub use tree::{
    Entry, EntryKind, FileInTree, Hashes, MAX_TREE_DEPTH, TreeSource, TreeTimestamper, entries,
};

pub use crate::aggregate::Digest;

use sha2::{Digest as _, Sha256};

/// The SHA-256 of the parts, one after the other. Not an [`Op`](crate::ots::Op): commits, tags and
/// trees may be longer than the messages of a proof.
fn sha256(parts: &[&[u8]]) -> Digest {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}
