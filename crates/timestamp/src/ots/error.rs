//! What can be wrong with a proof.

/// Why a proof is refused.
///
/// Text and numbers inside are for people. Programs tell the cases apart by [`Error::code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file doesn't begin as a proof does.
    #[error("this is not an OpenTimestamps proof")]
    NotAProof,
    /// The proof is of another major version.
    #[error("the proof is of version {}; only version 1 is known", version.map_or("2⁶⁴ or above".to_owned(), |v| v.to_string()))]
    UnsupportedVersion {
        /// The version, if 64 bits hold it.
        version: Option<u64>,
    },
    /// The file's digest isn't of an algorithm known here.
    #[error("the file's digest is of the unknown kind 0x{tag:02x}")]
    UnknownDigest {
        /// The tag found.
        tag: u8,
    },
    /// The proof ends in the middle.
    #[error("the proof is cut off: it ends after {length} bytes")]
    Truncated {
        /// Where it ends.
        length: usize,
    },
    /// There is something after the proof's end.
    #[error("{excess} bytes follow the end of the proof")]
    TrailingBytes {
        /// How many bytes.
        excess: usize,
    },
    /// The whole is larger than what is read.
    #[error("{what} is longer than the limit of {max} bytes")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A step that this program doesn't know.
    #[error("the proof has an operation of the unknown kind 0x{tag:02x}")]
    UnknownOperation {
        /// The tag found.
        tag: u8,
    },
    /// `append` or `prepend` with nothing or too much.
    #[error("an operation has an argument of {length} bytes; 1 to 4096 are allowed")]
    ArgumentLength {
        /// The length found.
        length: usize,
    },
    /// A step was given, or would make, too long a message.
    #[error("`{op}` would need a message of {length} bytes, more than the format allows")]
    MessageTooLong {
        /// The operation.
        op: &'static str,
        /// The length of the message or of the result.
        length: usize,
    },
    /// More steps in a row than the format allows.
    #[error("the proof is nested more than 255 operations deep")]
    TooDeep,
    /// The proof would take too long to compute.
    #[error("the proof takes more work than any honest one")]
    TooMuchWork,
    /// A calendar's address with characters that don't belong there.
    #[error(
        "a calendar's address has more than 1000 bytes, or other ones than letters, digits and -._/:"
    )]
    InvalidUri,
    /// A digest of another length than its algorithm's.
    #[error("a {algorithm} digest has {expected} bytes, not {found}")]
    DigestLength {
        /// The algorithm.
        algorithm: &'static str,
        /// The length that it should have.
        expected: usize,
        /// The length that it has.
        found: usize,
    },
    /// A proof in which nobody attests anything.
    #[error("the proof has no attestation")]
    Empty,
    /// Two proofs of different messages can't be one.
    #[error("the two proofs are not of the same digest")]
    DifferentMessages,
}

/// A result with this module's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A stable name for programs; it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAProof => "not_a_proof",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::UnknownDigest { .. } => "unknown_digest",
            Self::Truncated { .. } => "truncated",
            Self::TrailingBytes { .. } => "trailing_bytes",
            Self::TooLong { .. } => "too_long",
            Self::UnknownOperation { .. } => "unknown_operation",
            Self::ArgumentLength { .. } => "argument_length",
            Self::MessageTooLong { .. } => "message_too_long",
            Self::TooDeep => "too_deep",
            Self::TooMuchWork => "too_much_work",
            Self::InvalidUri => "invalid_uri",
            Self::DigestLength { .. } => "digest_length",
            Self::Empty => "empty_proof",
            Self::DifferentMessages => "different_messages",
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotAProof => "name the .ots file, not the file that was stamped",
            Self::UnsupportedVersion { .. } | Self::UnknownDigest { .. } => {
                "a newer version of this program may know it"
            }
            Self::Truncated { .. } | Self::TrailingBytes { .. } => {
                "copy the proof again from where you have it; this copy is damaged"
            }
            Self::Empty => "stamp the file again",
            Self::DifferentMessages => "check which file each of the proofs belongs to",
            Self::DigestLength { .. } => "give the whole digest in hex",
            _ => "the proof is damaged or made to do harm; don't rely on it",
        }
    }
}
