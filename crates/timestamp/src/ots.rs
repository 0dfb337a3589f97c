//! OpenTimestamps proofs: that something existed when a Bitcoin block was made.
//!
//! A proof is a tree. Its root is a message, usually a file's digest; its edges are operations
//! ([`Op`]) that turn a message into the next; its leaves are [`Attestation`]s: a calendar's
//! promise, or the height of a block whose Merkle root the message is.
//!
//! ```
//! use timestamp::ots::{Attestation, DetachedProof, Op, Timestamp, Uri};
//!
//! # fn main() -> timestamp::ots::Result<()> {
//! let calendar = Uri::new("https://calendar.example")?;
//! let promise = Timestamp::attested(Attestation::Pending(calendar)).after([Op::SHA256]);
//! let proof = DetachedProof::of_bytes(b"hello", promise)?;
//! let file = proof.to_bytes()?;
//! assert_eq!(DetachedProof::from_bytes(&file)?, proof);
//! # Ok(())
//! # }
//! ```
//!
//! What is accepted, refused and written is what the Python reference (`opentimestamps` 0.4)
//! accepts, refuses and writes, byte for byte. Two bounds are ours, and no honest proof comes
//! near them: [`MAX_PROOF_BYTES`], and [`MAX_WORK_BYTES`] on what the operations handle in all.
//!
//! Reading order: [`op`](Op), [`attestation`](Attestation), [`tree`](Timestamp), then
//! [`file`](DetachedProof), `show` and `prune`.

mod attestation;
mod codec;
mod digester;
mod error;
mod file;
mod op;
mod parse;
mod prune;
mod replay;
mod show;
mod stand_in;
mod tree;

pub use attestation::{Attestation, MAX_PAYLOAD_BYTES, MAX_URI_BYTES, Tag, Uri};
pub use digester::Digester;
pub use error::{Error, Result};
pub use file::{DetachedProof, MAGIC, MAX_PROOF_BYTES};
pub use op::{Arg, MAX_HEXLIFY_BYTES, MAX_MESSAGE_BYTES, Op};
pub use parse::{MAX_DEPTH, MAX_WORK_BYTES};
pub use prune::{Discard, Pruned};
pub use show::Style;
pub use stand_in::STAND_IN;
pub use tree::Timestamp;
