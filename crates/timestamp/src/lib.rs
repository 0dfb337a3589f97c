//! Proof of what existed and when.
//!
//! Every paid answer of a node ends in a [`Receipt`](receipt::Receipt): digests of the request
//! and the answer, the model, the price and the time, signed by the node. Its digest becomes a
//! leaf of an append-only Merkle tree (RFC 9162), and the node signs the tree's head as a
//! checkpoint (C2SP `tlog-checkpoint`). All of it together is one JSON file, a
//! [`ReceiptProof`](proof::ReceiptProof), that its owner can check offline for ever.
//!
//! Reading order: [`receipt`] (the statement), [`merkle`] (the tree), [`note`] and
//! [`checkpoint`] (the signed head), [`log`] (the three composed), [`proof`] (the file).
//!
//! This crate is pure. It reads no clock, draws no random numbers and does no I/O: keys, times
//! and leaves come in as values, and whoever calls it stores what comes out.

pub mod checkpoint;
mod error;
pub mod hash;
pub mod log;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod receipt;

pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use error::{Error, Result};
pub use hash::Hash;
