//! What can go wrong between this program and git or gpg.

use std::path::PathBuf;

use timestamp::git;

/// Why something can't be done with a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The object or its timestamp.
    #[error(transparent)]
    Format(#[from] git::Error),
    /// A program can't be started.
    #[error("the program {program} can't be started: {source}")]
    NoProgram {
        /// Its name or path.
        program: String,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no repository here.
    #[error("{} is in no git repository", .0.display())]
    NotARepository(PathBuf),
    /// Nothing goes by this name.
    #[error("git knows no {0:?}")]
    UnknownRevision(String),
    /// Git refused.
    #[error("git failed: {0}")]
    Failed(String),
    /// The connection to git broke.
    #[error("git doesn't answer: {0}")]
    Broken(#[from] std::io::Error),
    /// An object is larger than what is read.
    #[error("{what} is longer than the limit of {max} bytes")]
    TooLong {
        /// What is too long.
        what: String,
        /// The limit.
        max: usize,
    },
    /// A path that leads out of the repository.
    #[error("{} is outside of the repository", .0.display())]
    Outside(PathBuf),
    /// Neither its signature nor a note has a timestamp.
    #[error("{0} has no timestamp")]
    NotStamped(String),
    /// It has a timestamp already.
    #[error("{id} has a timestamp already, in its {place}")]
    StampedAlready {
        /// The object.
        id: String,
        /// Where it is.
        place: &'static str,
    },
    /// The note can't be what it should be.
    #[error("the note of {0} is about something else")]
    OtherNote(String),
    /// The signature wasn't made, or isn't good.
    #[error("{program} ended with {status}")]
    Gpg {
        /// Its name or path.
        program: String,
        /// How it ended.
        status: std::process::ExitStatus,
    },
}

impl GitError {
    /// A stable, machine-readable name of this kind of error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Format(error) => error.code(),
            Self::NoProgram { .. } => "program_missing",
            Self::NotARepository(_) => "not_a_repository",
            Self::UnknownRevision(_) => "unknown_revision",
            Self::Failed(_) | Self::Broken(_) => "git_failed",
            Self::TooLong { .. } => "too_long",
            Self::Outside(_) => "outside_repository",
            Self::NotStamped(_) => "not_stamped",
            Self::StampedAlready { .. } => "stamped_already",
            Self::OtherNote(_) => "other_note",
            Self::Gpg { .. } => "gpg_failed",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Format(error) => error.hint(),
            Self::NoProgram { .. } => "install it, or name it by its whole path",
            Self::NotARepository(_) => "run it inside of the repository",
            Self::UnknownRevision(_) => "name a commit or a tag; `git log` and `git tag` list them",
            Self::Failed(_) | Self::Broken(_) => "what git says is what is to be mended",
            Self::TooLong { .. } => "no usual commit or tag is that long; look at it first",
            Self::Outside(_) => "name a file of the repository",
            Self::NotStamped(_) => {
                "`freehold git stamp` makes one; notes of others come with \
                 `git fetch origin refs/notes/ots:refs/notes/ots`"
            }
            Self::StampedAlready { .. } => "`freehold git upgrade` completes it",
            Self::OtherNote(_) => "`git notes --ref ots remove` takes it away",
            Self::Gpg { .. } => "what it says is above; `git config user.signingKey` names the key",
        }
    }
}
