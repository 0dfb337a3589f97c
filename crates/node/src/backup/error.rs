//! What can go wrong with the recovery phrase, a backup, or a restore.

use std::io;

/// What can go wrong with the recovery phrase, a backup, or a restore.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// It isn't a backup, or not all of it is there, or something was changed in it.
    #[error("the backup is damaged: {0}")]
    Damaged(String),
    /// It was encrypted to the keys of another phrase.
    #[error("the backup belongs to another recovery phrase")]
    WrongPhrase,
    /// A newer program made it.
    #[error("the backup has the format {found}, and this program reads up to {known}")]
    Version {
        /// The backup's format.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// It is of other money.
    #[error("the backup is of the network `{found}`, not of `{wanted}`")]
    Network {
        /// The backup's network.
        found: String,
        /// The network that was asked for.
        wanted: String,
    },
    /// It is larger than any backup can be.
    #[error("the backup has {bytes} bytes, and {bytes_max} are read at most")]
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// How many are read.
        bytes_max: u64,
    },
    /// It isn't a recovery phrase.
    #[error("this isn't a recovery phrase: {0}")]
    PhraseInvalid(String),
    /// A word was asked for, and another one came.
    #[error("word {position} is another one")]
    PhraseMismatch {
        /// Which word was asked for, counted from one.
        position: usize,
    },
    /// Real money needs a phrase that its owner has written down.
    #[error("nobody has confirmed yet that the recovery phrase is written down")]
    PhraseUnconfirmed,
    /// There is a node already.
    #[error("there is a node in {0} already")]
    NotEmpty(String),
    /// A restore didn't come to its end.
    #[error("a restore into {0} was cut short")]
    Unfinished(String),
    /// Without a file, though there is one.
    #[error("there is a backup at {0}")]
    FileAtHand(String),
    /// The embedded mint came back from a backup, and may have forgotten what was spent.
    #[error("the mint of this node was restored from a backup, and is closed")]
    MintClosed,
    /// A file can't be read or written.
    #[error("{what}: {source}")]
    File {
        /// Which, and what was to be done with it.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
    /// A database can't be copied or read.
    #[error("the database for the backup: {0}")]
    Database(#[from] rusqlite::Error),
}

impl BackupError {
    /// For `map_err` on file operations.
    pub(super) fn file(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::File { what, source }
    }

    pub(super) fn damaged(error: &impl ToString) -> Self {
        Self::Damaged(error.to_string())
    }

    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Damaged(_) => "backup_damaged",
            Self::WrongPhrase => "backup_wrong_phrase",
            Self::Version { .. } => "backup_version",
            Self::Network { .. } => "backup_network",
            Self::TooLarge { .. } => "backup_too_large",
            Self::PhraseInvalid(_) => "phrase_invalid",
            Self::PhraseMismatch { .. } => "phrase_mismatch",
            Self::PhraseUnconfirmed => "phrase_unconfirmed",
            Self::NotEmpty(_) => "restore_not_empty",
            Self::Unfinished(_) => "restore_unfinished",
            Self::FileAtHand(_) => "restore_file_at_hand",
            Self::MintClosed => "mint_closed",
            Self::File { .. } => "backup_file",
            Self::Database(_) => "backup_database",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Damaged(_) => {
                "use another copy; without any, `freehold restore --phrase-only` brings back what the phrase alone can"
            }
            Self::WrongPhrase => "use the phrase of the node that made it; nothing was changed",
            Self::Version { .. } => "use a newer freehold; nothing was changed",
            Self::Network { .. } => "name its network with --network; nothing was changed",
            Self::TooLarge { .. } => "is it the right file? nothing was changed",
            Self::PhraseInvalid(_) => {
                "type the 24 words in their order, with spaces between; `freehold backup phrase` shows them"
            }
            Self::PhraseMismatch { .. } => {
                "compare what you wrote down with what was shown, and run `freehold backup phrase` again"
            }
            Self::PhraseUnconfirmed => {
                "run `freehold backup phrase`, write the words down on paper, and answer its questions"
            }
            Self::NotEmpty(_) => {
                "restore into an empty --data-dir; what is there stays as it is, and must not run at the same time"
            }
            Self::Unfinished(_) => "run the same `freehold restore` again: it begins anew",
            Self::FileAtHand(_) => {
                "name it: `freehold restore FILE`; or say --phrase-only to do without books, purses and channels"
            }
            Self::MintClosed => {
                "read docs/operations.md on what opening it risks, then run `freehold restore open-mint`"
            }
            Self::File { .. } => "check the path, its permissions and the disk's free space",
            Self::Database(_) => "check the disk's free space and health",
        }
    }

    /// The HTTP status that says this to a client.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::MintClosed => 503,
            Self::File { .. } | Self::Database(_) => 500,
            Self::NotEmpty(_) | Self::Unfinished(_) | Self::FileAtHand(_) => 409,
            _ => 400,
        }
    }
}
