//! Timestamps of files: made, completed and checked. None of it needs a running node, its lock or
//! its keys, so these are functions rather than methods of `Node`.
//!
//! [`stamp`] hands one digest for all files to calendars, [`upgrade`] fetches what has become of
//! it, [`verify`] asks the [`headers`] chain. The room `timestamp` decides; this is the order in
//! which disk and network are used.

mod calendars;
mod error;
mod file;
pub mod git;
mod headers;
mod stamp;
mod upgrade;
mod verify;

pub(crate) use calendars::submit;
pub use calendars::{CalendarAnswer, DEFAULT_CALENDARS, Whitelist};
pub use error::StampError;
pub use file::{read_proof, replace_proof, write_proof};
pub use headers::{HeaderProgress, HeaderSources};
pub use stamp::{StampOptions, Stamped, StampedFile, Subject, stamp, stamp_files};
pub use upgrade::{Upgraded, upgrade_proof};
pub use verify::{Finding as Attestations, Found, VerifyOptions, verify_proof};

pub use timestamp::ots::{
    Attestation, DetachedProof, Digester, Discard, Pruned, Style, Timestamp, Uri,
};
