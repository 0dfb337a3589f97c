//! The only place that writes to the terminal: data to standard output, everything else to
//! standard error. A closed pipe is an error that the caller passes up, never a panic.

use std::io::{self, IsTerminal as _, Write};

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::{Failure, Result};

/// Where and how to write.
#[derive(Debug, Clone, Copy, Default)]
pub struct Output {
    /// Data as JSON.
    pub json: bool,
    /// Nothing on standard error but errors.
    pub quiet: bool,
}

impl Output {
    /// Writes one line of data.
    pub fn line(self, text: &str) -> Result<()> {
        Ok(writeln!(io::stdout().lock(), "{}", printable(text))?)
    }

    /// Writes text as it comes, at once. A terminal gets what can't drive it; a file or a pipe gets
    /// the very bytes, for a receipt speaks of those.
    pub fn piece(self, text: &str) -> Result<()> {
        if io::stdout().is_terminal() {
            self.bytes(printable(text).as_bytes())
        } else {
            self.bytes(text.as_bytes())
        }
    }

    /// Writes bytes as they are, at once.
    pub fn bytes(self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// Writes data as JSON.
    pub fn json(self, value: &Value) -> Result<()> {
        let text = serde_json::to_string_pretty(value).unwrap_or_default();
        Ok(writeln!(io::stdout().lock(), "{text}")?)
    }

    /// Shows what the API answered: as it is for programs, or in words.
    pub fn show<T: DeserializeOwned>(
        self,
        value: Value,
        words: impl FnOnce(T) -> String,
    ) -> Result<()> {
        if self.json {
            return self.json(&value);
        }
        let view = serde_json::from_value(value).map_err(|error| {
            Failure::ours("answer_unreadable", format!("the node's answer: {error}"))
        })?;
        self.line(&words(view))
    }

    /// Tells people something that isn't data.
    pub fn note(self, text: &str) {
        if !self.quiet {
            self.complain(text);
        }
    }

    /// Says that the command failed.
    pub fn failure(self, failure: &Failure) {
        if self.json {
            self.complain(&failure.json().to_string());
        } else {
            self.complain(&failure.text());
        }
    }

    /// Writes a line to standard error. When even that is closed, there's nobody left to tell.
    fn complain(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", printable(text));
    }
}

/// Text without the control characters that could drive a terminal: a model, a web page or a
/// memo must not be able to move the cursor or set the clipboard.
fn printable(text: &str) -> std::borrow::Cow<'_, str> {
    let is_control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if text.chars().any(is_control) {
        text.chars()
            .filter(|&c| !is_control(c))
            .collect::<String>()
            .into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn text_cannot_drive_the_terminal() {
        assert_eq!(printable("a\tb\nc"), "a\tb\nc");
        assert_eq!(printable("\u{1b}[2Jhello\u{7}\u{9b}1m"), "[2Jhello1m");
    }
}
