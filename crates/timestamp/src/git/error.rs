//! What can be wrong with a git object or its timestamp.

use crate::ots;

/// Why a git object can't be stamped, or its timestamp can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The proof itself.
    #[error(transparent)]
    Proof(#[from] ots::Error),
    /// It is neither a commit nor a tag.
    #[error("this is neither a commit nor a tag")]
    UnknownObject,
    /// A hash that isn't one of git's.
    #[error("{0:?} is no object's name: 40 or 64 lowercase hex digits are")]
    BadId(String),
    /// A tree that can't be read.
    #[error("a tree is damaged: {0}")]
    BadTree(&'static str),
    /// Nothing can be proved of nothing.
    #[error("the tree is empty")]
    EmptyTree,
    /// Folders within folders without an end.
    #[error("the tree is more than {max} folders deep")]
    TreeTooDeep {
        /// The limit.
        max: usize,
    },
    /// The text of the timestamp behind a signature can't be read.
    #[error("the timestamp in the signature is damaged: {0}")]
    BadArmor(&'static str),
    /// The timestamp behind a signature is of another major version.
    #[error("the timestamp in the signature is of version {major}; only version 1 is known")]
    UnsupportedVersion {
        /// The version found.
        major: u8,
    },
    /// The tree has no such path.
    #[error("there is no {path:?} in it")]
    NoSuchPath {
        /// The path asked for.
        path: String,
    },
    /// The path is there, but is no file.
    #[error("{path:?} is a {what}, not a file")]
    NotAFile {
        /// The path asked for.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// The timestamp says nothing about the tree.
    #[error("the timestamp is of the commit or tag only: it says nothing of single files")]
    WithoutTree,
}

/// A result with this module's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A stable name for programs; it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Proof(error) => error.code(),
            Self::UnknownObject => "git_unknown_object",
            Self::BadId(_) => "git_bad_id",
            Self::BadTree(_) => "git_bad_tree",
            Self::EmptyTree => "git_empty_tree",
            Self::TreeTooDeep { .. } => "git_tree_too_deep",
            Self::BadArmor(_) => "git_bad_armor",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::NoSuchPath { .. } => "git_no_such_path",
            Self::NotAFile { .. } => "git_not_a_file",
            Self::WithoutTree => "git_without_tree",
        }
    }

    /// What the reader of the error can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Proof(error) => error.hint(),
            Self::UnknownObject | Self::BadId(_) => "name a commit or a tag",
            Self::BadTree(_) | Self::TreeTooDeep { .. } => "`git fsck` finds out what is damaged",
            Self::EmptyTree => "there is no file that a proof could be about",
            Self::BadArmor(_) => "don't rely on it; `freehold git stamp` makes another one",
            Self::UnsupportedVersion { .. } => "a newer version of this program may know it",
            Self::NoSuchPath { .. } => "`git ls-tree -r --name-only REV` lists what there is",
            Self::NotAFile { .. } => "name a file; folders, links and submodules have no content",
            Self::WithoutTree => "the whole commit or tag can be verified: `freehold git verify`",
        }
    }
}
