//! A calendar: it takes digests from anyone, promises to timestamp them, and keeps the promise
//! with one small Bitcoin transaction for all.
//!
//! ```text
//! digest ─ nonce ─┐
//! digest ─ nonce ─┼─ round (1 s) ─ time ‖ root ‖ MAC ─┐            in the journal, fsynced:
//! digest ─ nonce ─┘                = commitment       │            now the client is answered
//!                          other rounds' commitments ─┼─ tip ─ anchor: a transaction, a block
//!                                                     ┘
//! ```
//!
//! [`Commitment`] and [`Round`] are pure; [`Journal`] and [`AnchorLog`] are files; [`Collector`]
//! gathers rounds, [`Anchoring`] drives anchors and [`Answers`] says what has become of a commitment
//! (these want the feature `net`). What an anchor
//! is, is for an [`Anchor`] to say: a wallet of the calendar's own, another calendar, or a
//! stand-in where money is play.
//!
//! All that a calendar must never lose is the journal: 44 bytes a second at most. Whatever it
//! acknowledged is there, in order of time, so a commitment is found by binary search and no
//! index can be lost or wrong.

mod anchor_log;
mod bitcoin_path;
mod commitment;
mod error;
mod journal;
mod round;

pub use anchor_log::{AnchorLog, Anchored, Submitted};
pub use bitcoin_path::bitcoin_path;
pub use commitment::{COMMITMENT_BYTES, Commitment, Secret};
pub use error::{AnchorError, Error, Result};
pub use journal::{Journal, Reader};
pub use round::{MAX_DIGEST_BYTES, NONCE_BYTES, Promised, Round, Submission};

#[cfg(feature = "net")]
mod anchor;
#[cfg(feature = "net")]
mod anchoring;
#[cfg(feature = "net")]
mod answers;
#[cfg(feature = "net")]
mod collector;
#[cfg(feature = "net")]
mod remote;
#[cfg(feature = "net")]
mod upstream;

#[cfg(feature = "net")]
pub use crate::http::Fault;
#[cfg(feature = "net")]
pub use anchor::{Anchor, Prepared, Progress, StandIn};
#[cfg(feature = "net")]
pub use anchoring::{Anchoring, Policy};
#[cfg(feature = "net")]
pub use answers::{Answers, Known};
#[cfg(feature = "net")]
pub use collector::{Collector, Limits};
#[cfg(feature = "net")]
pub use remote::{MAX_REPLY_BYTES, RemoteCalendar, RemoteError};
#[cfg(feature = "net")]
pub use upstream::Upstream;
