//! What can go wrong with headers.

mod advice;

use std::fmt::Display;
use std::io;
use std::path::Path;

use bitcoin::BlockHash;

/// What can go wrong when reading, checking, storing or fetching headers.
///
/// Text and numbers inside are for people. Programs tell the cases apart by [`Error::code`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A header doesn't name the one before it.
    #[error("the header at height {height} does not follow the one before it")]
    BrokenLink {
        /// Where the chain breaks.
        height: u32,
    },
    /// A header's hash is above its target.
    #[error("the header at height {height} does not carry the work that it claims")]
    WeakWork {
        /// The header's height.
        height: u32,
    },
    /// A header's difficulty isn't the one that the rules demand.
    #[error("the header at height {height} has the difficulty {found:#010x}, not {expected:#010x}")]
    WrongBits {
        /// The header's height.
        height: u32,
        /// `nBits` as the rules demand it.
        expected: u32,
        /// `nBits` as found.
        found: u32,
    },
    /// A header's difficulty is none that this network could ever have at that place.
    #[error("the header at height {height} has the impossible difficulty {bits:#010x}")]
    ImpossibleBits {
        /// The header's height.
        height: u32,
        /// `nBits` as found.
        bits: u32,
    },
    /// A header is not younger than the median of the eleven before it, or breaks the rule that
    /// testnet4 has for the first block of a period.
    #[error(
        "the header at height {height} is dated {time_unix_s}, which must be at least {min_unix_s}"
    )]
    TimeTooOld {
        /// The header's height.
        height: u32,
        /// The header's time.
        time_unix_s: u64,
        /// The earliest time allowed.
        min_unix_s: u64,
    },
    /// A header is from the future.
    #[error("the header at height {height} is dated {time_unix_s}, but it is only {now_unix_s}")]
    TimeTooNew {
        /// The header's height.
        height: u32,
        /// The header's time.
        time_unix_s: u64,
        /// The time passed in by the caller.
        now_unix_s: u64,
    },
    /// A header contradicts a checkpoint that is compiled in.
    #[error("the block at height {height} is {found}, but the network's is {expected}")]
    CheckpointMismatch {
        /// The checkpoint's height.
        height: u32,
        /// The checkpoint's hash.
        expected: BlockHash,
        /// The header's hash.
        found: BlockHash,
    },
    /// The chain is longer than this program is willing to store.
    #[error("the chain is longer than {max} headers")]
    TooLong {
        /// The limit.
        max: u32,
    },
    /// The headers are those of another network.
    #[error("{what} holds headers of another network than {network}")]
    WrongNetwork {
        /// The file.
        what: String,
        /// The network asked for.
        network: &'static str,
    },
    /// The chain has too little work to be believed at this height.
    #[error("the headers reach height {tip} only, with too little work to rely on height {height}")]
    TooLittleWork {
        /// The height asked for.
        height: u32,
        /// The height of the last header.
        tip: u32,
    },
    /// Headers were offered that leave a gap behind the last one.
    #[error("headers from height {from} on were offered, but height {next} comes next")]
    Gap {
        /// The first height offered.
        from: u32,
        /// The height after the last header.
        next: u32,
    },
    /// Another branch doesn't have more work than the stored one.
    #[error("the branch that leaves the chain after height {fork} does not have more work")]
    NotMoreWork {
        /// The last height that both have in common.
        fork: u32,
    },
    /// Another branch would replace a block that a checkpoint has settled.
    #[error(
        "the branch that leaves the chain after height {fork} contradicts the checkpoint at {checkpoint}"
    )]
    BelowCheckpoint {
        /// The last height that both have in common.
        fork: u32,
        /// The checkpoint's height.
        checkpoint: u32,
    },
    /// There is no header at this height.
    #[error("there is no header at height {height}: the headers reach from {first} to {tip}")]
    NotStored {
        /// The height asked for.
        height: u32,
        /// The first height that is there.
        first: u32,
        /// The last height that is there.
        tip: u32,
    },
    /// There are no headers at all.
    #[error("there are no headers in {what} yet")]
    Empty {
        /// The file.
        what: String,
    },
    /// A stored header is not what was stored.
    #[error("the stored header at height {height} is damaged")]
    Damaged {
        /// The header's height.
        height: u32,
    },
    /// Another process has the chain open for writing.
    #[error("another process is writing to {what}")]
    Locked {
        /// The folder.
        what: String,
    },
    /// A file could not be read or written.
    #[error("{what}: {why}")]
    Io {
        /// The operation and the file.
        what: String,
        /// What the system said.
        why: String,
    },
    /// A header file isn't one.
    #[error("{what} is not a header file: {why}")]
    Malformed {
        /// The file.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A header file doesn't begin at the genesis block, and nobody said where it does.
    #[error(
        "{what} does not begin with the genesis block, and nothing says at which height it does"
    )]
    StartHeightNeeded {
        /// The file.
        what: String,
    },
    /// What was timestamped is not a digest that a block could commit to.
    #[error("the proof leads to {found} bytes, but a block commits to {expected}")]
    DigestLength {
        /// The length found.
        found: usize,
        /// The length of a merkle root.
        expected: usize,
    },
    /// The block doesn't commit to the digest.
    #[error(
        "the block at height {height} does not commit to this digest: its merkle root is {root}"
    )]
    RootMismatch {
        /// The block's height.
        height: u32,
        /// The block's merkle root, as block explorers show it.
        root: String,
    },
    /// A source failed, or sent what it must not.
    #[error("{name}: {why}")]
    Source {
        /// The source.
        name: String,
        /// What went wrong.
        why: String,
    },
    /// No source could be used.
    #[error("no source of headers could be used: {}", .reasons.join("; "))]
    NoSource {
        /// One line for each source.
        reasons: Vec<String>,
    },
    /// Two sources give different chains, both with the work they need.
    #[error("{a} and {b} disagree about the block at height {height}: {hash_a} or {hash_b}")]
    SourcesDisagree {
        /// The lowest height at which they differ.
        height: u32,
        /// One source.
        a: String,
        /// The other source.
        b: String,
        /// The block of the one.
        hash_a: BlockHash,
        /// The block of the other.
        hash_b: BlockHash,
    },
    /// An address of a source can't be used.
    #[error("the address of {what} cannot be used: {why}")]
    Address {
        /// The kind of source.
        what: &'static str,
        /// What is wrong with the address; never the address itself, which may hold a password.
        why: String,
    },
}

#[cfg(feature = "net")]
impl From<crate::http::Fault> for Error {
    fn from(fault: crate::http::Fault) -> Self {
        match fault {
            crate::http::Fault::Server { name, why } => Self::Source { name, why },
            crate::http::Fault::Address { what, why } => Self::Address { what, why },
        }
    }
}

/// A result with this module's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn io(doing: &str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = format!("{doing} {}", path.display());
        move |error| Self::Io {
            what,
            why: error.to_string(),
        }
    }

    pub(crate) fn malformed(path: &Path, why: impl Display) -> Self {
        Self::Malformed {
            what: path.display().to_string(),
            why: why.to_string(),
        }
    }

    #[cfg(feature = "net")]
    pub(crate) fn source(name: &str, why: impl Display) -> Self {
        Self::Source {
            name: name.to_owned(),
            why: why.to_string(),
        }
    }
}
