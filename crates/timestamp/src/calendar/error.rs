//! What can go wrong in a calendar.

use std::io;

/// Why a calendar can't do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A digest of no or too many bytes.
    #[error("a digest has 1 to 64 bytes, not {length}")]
    DigestLength {
        /// The length found.
        length: usize,
    },
    /// More digests than fit into a round are waiting.
    #[error("more digests are waiting than one round takes")]
    Busy,
    /// A file can't be read or written.
    #[error("{what} can't be {doing}: {source}")]
    File {
        /// Which file.
        what: &'static str,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The journal isn't this calendar's, or was changed.
    #[error("record {index} of the journal isn't by this calendar's key")]
    Journal {
        /// The record.
        index: u64,
    },
    /// The list of anchors can't be understood.
    #[error("line {line} of the list of anchors is damaged: {why}")]
    Anchors {
        /// The line.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Another process has the calendar.
    #[error("another process has this calendar open")]
    InUse,
    /// The calendar has ended.
    #[error("the calendar is shutting down")]
    Closed,
    /// An anchor can't be had now. What is collected waits.
    #[error("there is no anchor now: {0}")]
    Anchor(#[from] AnchorError),
    /// A proof can't be made.
    #[error(transparent)]
    Proof(#[from] crate::ots::Error),
}

/// Why an anchor can't be had now.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AnchorError {
    /// Fees are above what the owner allows.
    #[error("fees are {needed_sat_per_vb} sat/vB, above the ceiling of {ceiling_sat_per_vb}")]
    FeeTooHigh {
        /// What the next blocks ask for.
        needed_sat_per_vb: f64,
        /// The owner's limit.
        ceiling_sat_per_vb: f64,
    },
    /// The calendar's wallet can't pay.
    #[error("the calendar's wallet has too little: {0}")]
    Funds(String),
    /// The network doesn't answer, or not well.
    #[error("{0}")]
    Unavailable(String),
}

/// A result with this module's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A stable name for programs; it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::DigestLength { .. } => "digest_length",
            Self::Busy => "calendar_busy",
            Self::File { .. } => "calendar_file",
            Self::Journal { .. } => "journal_damaged",
            Self::Anchors { .. } => "anchors_damaged",
            Self::InUse => "calendar_in_use",
            Self::Closed => "calendar_closed",
            Self::Anchor(AnchorError::FeeTooHigh { .. }) => "fee_too_high",
            Self::Anchor(AnchorError::Funds(_)) => "anchor_funds",
            Self::Anchor(AnchorError::Unavailable(_)) => "anchor_unavailable",
            Self::Proof(error) => error.code(),
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::DigestLength { .. } => "send the digest's bytes, not its hex",
            Self::Busy => "try again in a second",
            Self::File { .. } => "make room on the disk, and check who may write there",
            Self::Journal { .. } | Self::Anchors { .. } => {
                "restore the file from a copy; nothing was changed"
            }
            Self::InUse => "end the other process, or use another directory",
            Self::Closed => "try another calendar",
            Self::Anchor(AnchorError::FeeTooHigh { .. }) => {
                "wait: nothing is lost meanwhile; or raise the ceiling"
            }
            Self::Anchor(AnchorError::Funds(_)) => "pay a little into the calendar's address",
            Self::Anchor(AnchorError::Unavailable(_)) => "it is tried again by itself",
            Self::Proof(error) => error.hint(),
        }
    }

    /// The same failure, for another who waits.
    #[cfg(feature = "net")]
    pub(super) fn again(&self) -> Self {
        match self {
            Self::File {
                what,
                doing,
                source,
            } => Self::File {
                what,
                doing,
                source: io::Error::new(source.kind(), source.to_string()),
            },
            _ => Self::Closed,
        }
    }

    pub(super) fn file(what: &'static str, doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            what,
            doing,
            source,
        }
    }
}
