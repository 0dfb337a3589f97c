//! Proof of what existed and when.
//!
//! Every answer of a node's model ends in a [`Receipt`](receipt::Receipt): digests of the request
//! and the answer, the model, the price and the time, signed by the node with Ed25519 and with
//! ML-DSA-44. Its digest becomes a leaf of an append-only Merkle tree (RFC 9162), and the node signs
//! the tree's head as a checkpoint (C2SP `tlog-checkpoint`). The head's root is what gets anchored
//! with OpenTimestamps, once for all the leaves below it. All of it together is one JSON file, a
//! [`ReceiptProof`](proof::ReceiptProof), that its owner can check offline for ever.
//!
//! Reading order: [`receipt`] (the statement), [`merkle`] (the tree), [`note`], [`checkpoint`] and
//! [`cosignature`] (the signed head), [`log`] (the three composed), [`proof`] (the file), [`tiles`]
//! (the log as others read it). [`ots`] stands by itself.
//!
//! This crate is pure. It reads no clock, draws no random numbers and does no I/O: keys, times
//! and leaves come in as values, and whoever calls it stores what comes out.

pub mod aggregate;
pub mod calendar;
pub mod checkpoint;
pub mod cosignature;
mod error;
pub mod git;
pub mod hash;
pub mod headers;
#[cfg(feature = "net")]
pub(crate) mod http;
pub mod log;
pub mod merkle;
pub mod note;
pub mod ots;
pub mod proof;
pub mod receipt;
mod text;
pub mod tiles;

pub use ed25519_dalek::{SigningKey, VerifyingKey};
pub use error::{Error, Result};
pub use hash::Hash;
