//! The one error type of this crate.

/// What can go wrong when making or checking a receipt.
///
/// Text and numbers inside are for people. Programs tell the cases apart by [`Error::code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is longer than this crate is willing to read.
    #[error("{what} is larger than the limit of {max}")]
    TooLarge {
        /// What was too large.
        what: &'static str,
        /// The limit, in bytes or in items, whichever `what` is counted in.
        max: usize,
    },
    /// The input is not in the format it should be in.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// What could not be read.
        what: &'static str,
        /// Where reading stopped.
        why: String,
    },
    /// The input says that it follows a version of the format unknown to this program.
    #[error("{what} follows {found}, which this program does not know")]
    UnsupportedVersion {
        /// What carries the version.
        what: &'static str,
        /// The version found.
        found: String,
    },
    /// A key of a kind that this program cannot use.
    #[error("the key has algorithm 0x{algorithm:02x}, which can't be used here")]
    UnsupportedAlgorithm {
        /// The algorithm byte of C2SP signed-note.
        algorithm: u8,
    },
    /// A field holds a value that the format does not allow.
    #[error("the field `{field}` {why}")]
    InvalidField {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A position beyond the end of the tree was asked for.
    #[error("{asked} is outside of a tree of {size} leaves")]
    OutOfRange {
        /// The index or size asked for.
        asked: u64,
        /// The size of the tree.
        size: u64,
    },
    /// A leaf was pushed at a place that is not the end of the log.
    #[error("leaf {index} was pushed, but leaf {next} comes next")]
    OutOfOrder {
        /// Where the caller believed the end to be.
        index: u64,
        /// Where the end is.
        next: u64,
    },
    /// Nothing was signed by the key in question.
    #[error("{what} carries no signature by {key}")]
    SignatureMissing {
        /// What should have been signed.
        what: &'static str,
        /// The key that should have signed.
        key: String,
    },
    /// A signature does not fit what it is attached to.
    #[error("the signature on {what} is wrong")]
    SignatureInvalid {
        /// What was signed.
        what: &'static str,
    },
    /// The signature could not be made.
    #[error("signing failed: {why}")]
    SigningFailed {
        /// What the algorithm says.
        why: &'static str,
    },
    /// The receipt was made by another node than the expected one, or shows another key than it
    /// names.
    #[error("the key is {found}, not {expected}")]
    KeyMismatch {
        /// The key or identity that was expected.
        expected: String,
        /// The one that was found.
        found: String,
    },
    /// The inclusion path does not lead from the leaf to the signed root.
    #[error("the log's signed root does not include this receipt")]
    NotIncluded,
    /// One tree is not a continuation of the other.
    #[error("the two log heads contradict each other")]
    Inconsistent,
    /// The checkpoint does not belong to the proof around it.
    #[error("the checkpoint does not belong to this proof: its {part} differs")]
    CheckpointMismatch {
        /// The part that differs.
        part: &'static str,
    },
    /// The receipt is not the one at this place of the log.
    #[error("leaf {index} of the log is another receipt")]
    LeafMismatch {
        /// The place asked for.
        index: u64,
    },
    /// There is no anchor, which the `.ots` file asked for would be about.
    #[error("the log's head is not anchored yet")]
    NotAnchored,
    /// The OpenTimestamps part refused.
    #[error("the anchor: {0}")]
    Ots(#[from] crate::ots::Error),
    /// The bytes are not those that the receipt speaks of.
    #[error("these are not the bytes of the {what} that the receipt speaks of")]
    DigestMismatch {
        /// `request` or `answer`.
        what: &'static str,
    },
}

/// A result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A stable name for programs; it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::Malformed { .. } => "malformed",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::UnsupportedAlgorithm { .. } => "unsupported_algorithm",
            Self::InvalidField { .. } => "invalid_field",
            Self::OutOfRange { .. } => "out_of_range",
            Self::OutOfOrder { .. } => "out_of_order",
            Self::SignatureMissing { .. } => "signature_missing",
            Self::SignatureInvalid { .. } => "signature_invalid",
            Self::SigningFailed { .. } => "signing_failed",
            Self::KeyMismatch { .. } => "key_mismatch",
            Self::NotIncluded => "not_included",
            Self::Inconsistent => "log_inconsistent",
            Self::CheckpointMismatch { .. } => "checkpoint_mismatch",
            Self::LeafMismatch { .. } => "leaf_mismatch",
            Self::NotAnchored => "not_anchored",
            Self::Ots(error) => error.code(),
            Self::DigestMismatch { .. } => "digest_mismatch",
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "check that this is the right file",
            Self::Malformed { .. } => "fetch the file again; it may be cut off or edited",
            Self::UnsupportedVersion { .. } | Self::UnsupportedAlgorithm { .. } => {
                "update this program and try again"
            }
            Self::InvalidField { .. } => "correct the field; its rules are in the crate's docs",
            Self::OutOfRange { .. } => "ask for a smaller index, or wait until the log has grown",
            Self::OutOfOrder { .. } => "restore the log from storage before appending to it",
            Self::SignatureMissing { .. } => "check that the proof and the key are of one node",
            Self::SignatureInvalid { .. } | Self::NotIncluded => {
                "do not rely on it: something was altered after it was signed"
            }
            Self::SigningFailed { .. } => "the key is damaged: restore the seed from its backup",
            Self::NotAnchored => {
                "ask for the receipt again later; the node anchors in the background"
            }
            Self::Ots(error) => error.hint(),
            Self::KeyMismatch { .. } => "ask the node's owner for its key over another channel",
            Self::Inconsistent => "keep both heads: together they prove that the log was rewritten",
            Self::CheckpointMismatch { .. } | Self::LeafMismatch { .. } => {
                "fetch the proof again from the node that made the receipt"
            }
            Self::DigestMismatch { .. } => {
                "compare the request's exact bytes, and the answer's text alone"
            }
        }
    }

    pub(crate) fn malformed(what: &'static str, why: impl Into<String>) -> Self {
        Self::Malformed {
            what,
            why: why.into(),
        }
    }
}
