//! Names that are safe in a path, a URL, a log line and a shell.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A purse's name: 1 to 32 of `a-z`, `0-9` and `-`, beginning with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PurseName(String);

/// The name isn't acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} can't be a purse's name")]
pub struct NameError(String);

impl PurseName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PurseName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let ok = (1..=32).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if ok {
            Ok(Self(name.to_owned()))
        } else {
            Err(NameError(name.chars().take(40).collect()))
        }
    }
}

impl TryFrom<String> for PurseName {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        name.parse()
    }
}

impl From<PurseName> for String {
    fn from(name: PurseName) -> Self {
        name.0
    }
}

impl fmt::Display for PurseName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_names_only() {
        for good in ["a", "scout", "agent-7", &"a".repeat(32)] {
            assert!(good.parse::<PurseName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "7up",
            "-a",
            "A",
            "a b",
            "a/b",
            "..",
            "ä",
            "a\0",
            &"a".repeat(33),
        ] {
            assert!(bad.parse::<PurseName>().is_err(), "{bad}");
        }
    }
}
