//! How a command fails: a stable code, what happened, what to do about it, and whose it is to mend.

use std::borrow::Cow;
use std::io;

use node::energy::EnergyError;
use node::{NodeError, StoreError};
use serde_json::{Value, json};

use crate::api::error::SERVER_ERROR;

/// A shorthand for results of commands.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// What the process says to the shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Whoever reads our output has had enough: no failure.
    Silent,
    /// The user can mend it.
    User,
    /// It is ours to mend.
    Ours,
    /// Ctrl-C.
    Interrupted,
}

impl Exit {
    /// The number for the shell.
    pub fn code(self) -> u8 {
        match self {
            Self::Silent => 0,
            Self::User => 1,
            Self::Ours => 2,
            Self::Interrupted => 130,
        }
    }
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable name for programs.
    pub code: Cow<'static, str>,
    /// What happened.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// How the process ends.
    pub exit: Exit,
    /// The approval that a payment waits for.
    pub approval: Option<Box<Value>>,
}

impl Failure {
    /// A failure that the user can mend.
    pub fn user(
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            hint: hint.into(),
            exit: Exit::User,
            approval: None,
        }
    }

    /// A failure that is ours.
    pub fn ours(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Ours,
            ..Self::user(
                code,
                message,
                "try again with -v; if it stays, please report it",
            )
        }
    }

    /// A file of the user's that can't be read or written.
    pub fn file(what: &str, path: &std::path::Path, error: &io::Error) -> Self {
        let message = format!("can't {what} {}: {error}", path.display());
        Self::user("file_error", message, "check the path and its permissions")
    }

    /// What an answer of the API says about its failure. A body that isn't ours is quoted.
    pub fn from_api(status: u16, body: &[u8]) -> Self {
        let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| parsed["error"][name].as_str().map(str::to_owned);
        let quoted = || {
            let body: String = String::from_utf8_lossy(body).chars().take(200).collect();
            format!("the node answered {status}: {body}")
        };
        let code = text("code").unwrap_or_else(|| format!("http_{status}"));
        let is_users = match text("type") {
            Some(kind) => kind != SERVER_ERROR,
            None => status < 500,
        };
        Self {
            code: code.into(),
            message: text("message").unwrap_or_else(quoted),
            hint: text("hint").unwrap_or_default(),
            exit: if is_users { Exit::User } else { Exit::Ours },
            approval: parsed["error"].get("approval").cloned().map(Box::new),
        }
    }

    /// The failure for programs.
    pub fn json(&self) -> Value {
        let mut json =
            json!({"error": {"code": self.code, "message": self.message, "hint": self.hint}});
        if let Some(approval) = &self.approval {
            json["error"]["approval"] = (**approval).clone();
        }
        json
    }

    /// The failure for people.
    pub fn text(&self) -> String {
        let mut text = format!("error[{}]: {}", self.code, self.message);
        if !self.hint.is_empty() {
            text.push_str("\nhint: ");
            text.push_str(&self.hint);
        }
        text
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        Self {
            code: error.code().to_owned().into(),
            message: error.to_string(),
            hint: error.hint(),
            exit: if error.is_users() {
                Exit::User
            } else {
                Exit::Ours
            },
            approval: error.approval().map(|approval| Box::new(json!(approval))),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::user(error.code(), error.to_string(), error.hint())
    }
}

impl From<EnergyError> for Failure {
    fn from(error: EnergyError) -> Self {
        let exit = if error.is_users() {
            Exit::User
        } else {
            Exit::Ours
        };
        Self {
            exit,
            ..Self::user(error.code(), error.to_string(), error.hint())
        }
    }
}

/// Only for our own standard output and error.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self {
                exit: Exit::Silent,
                ..Self::user("broken_pipe", "the output was closed", "")
            },
            _ => Self::user(
                "output_failed",
                format!("can't write the output: {error}"),
                "is the disk full?",
            ),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[test]
    fn an_api_failure_keeps_its_code_and_hint() {
        let body = br#"{"error":{"message":"no","code":"purse_unknown","hint":"look"}}"#;
        let failure = Failure::from_api(404, body);
        assert_eq!(failure.text(), "error[purse_unknown]: no\nhint: look");
        assert_eq!(failure.exit, Exit::User);
    }

    #[test]
    fn a_foreign_body_is_quoted_and_a_5xx_is_ours() {
        let failure = Failure::from_api(502, b"<html>oops");
        assert_eq!(failure.code, "http_502");
        assert!(failure.message.contains("<html>oops"));
        assert_eq!(failure.exit, Exit::Ours);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(failure.exit.code(), 0);
    }
}
