//! What can go wrong with a timestamp.

use std::path::PathBuf;

use timestamp::{calendar, headers, ots};

/// Why a timestamp can't be made or checked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StampError {
    /// The proof itself.
    #[error(transparent)]
    Proof(#[from] ots::Error),
    /// The chain of headers.
    #[error(transparent)]
    Headers(#[from] headers::Error),
    /// The calendar that this program runs.
    #[error(transparent)]
    Calendar(#[from] calendar::Error),
    /// Another calendar.
    #[error(transparent)]
    Remote(#[from] calendar::RemoteError),
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// There is a proof already.
    #[error("{} exists already", .0.display())]
    ProofExists(PathBuf),
    /// Too few calendars answered.
    #[error("{got} of the {needed} calendars that are needed answered: {why}")]
    TooFewCalendars {
        /// How many did.
        got: usize,
        /// How many have to.
        needed: usize,
        /// What was wrong with the others.
        why: String,
    },
    /// The file isn't the one that was stamped.
    #[error(
        "this is not the file that was stamped: its {algorithm} is {found}, the proof's is {expected}"
    )]
    OtherFile {
        /// The algorithm of the digests.
        algorithm: &'static str,
        /// The file's digest in hex.
        found: String,
        /// The proof's digest in hex.
        expected: String,
    },
    /// A digest that can't be read.
    #[error("{0:?} is no digest in hex")]
    BadDigest(String),
    /// A chain that this program doesn't know.
    #[error("there is no chain {0:?}")]
    UnknownChain(String),
    /// Waiting has taken too long.
    #[error("no calendar had the proof within the time that was allowed")]
    WaitedTooLong,
    /// A git object can't be stamped or checked.
    #[error(transparent)]
    Git(#[from] super::git::GitError),
}

impl StampError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Proof(error) => error.code(),
            Self::Headers(error) => error.code(),
            Self::Calendar(error) => error.code(),
            Self::Remote(_) => "calendar_failed",
            Self::File { .. } => "file_error",
            Self::ProofExists(_) => "proof_exists",
            Self::TooFewCalendars { .. } => "too_few_calendars",
            Self::OtherFile { .. } => "other_file",
            Self::BadDigest(_) => "bad_digest",
            Self::UnknownChain(_) => "unknown_chain",
            Self::WaitedTooLong => "waited_too_long",
            Self::Git(error) => error.code(),
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Proof(error) => error.hint(),
            Self::Headers(error) => error.hint(),
            Self::Calendar(error) => error.hint(),
            Self::Remote(_) => "check the address; `-c URL` names another calendar",
            Self::File { .. } => "check the path, its permissions and the disk's free space",
            Self::ProofExists(_) => {
                "`freehold upgrade` completes it; move it away to stamp the file again"
            }
            Self::TooFewCalendars { .. } => {
                "try again later, ask other calendars with `-c URL`, or be content with fewer: `-m 1`"
            }
            Self::OtherFile { .. } => "name the right file with `-f FILE`",
            Self::BadDigest(_) => "a SHA-256 has 64 hex digits",
            Self::UnknownChain(_) => "mainnet, signet, testnet4 and regtest are known",
            Self::WaitedTooLong => "`freehold upgrade` asks again whenever you like",
            Self::Git(error) => error.hint(),
        }
    }

    /// The HTTP status that says this to a client of the calendar.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::Calendar(calendar::Error::DigestLength { .. }) | Self::BadDigest(_) => 400,
            Self::Calendar(calendar::Error::Busy | calendar::Error::Closed) => 503,
            Self::Calendar(_) | Self::File { .. } => 500,
            _ => 400,
        }
    }

    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
