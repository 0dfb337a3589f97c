//! Bearer tokens of purses.

use std::fmt;

use sha2::{Digest, Sha256};

const PREFIX: &str = "fhp_";

/// The secret that lets an agent spend from its purse. Shown once, kept only as a hash.
#[derive(Clone)]
pub struct PurseToken(String);

impl PurseToken {
    /// A token from 32 random bytes.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", hex::encode(random)))
    }

    /// True if `text` has a purse token's form, so that it is worth looking up.
    #[must_use]
    pub fn looks_like(text: &str) -> bool {
        text.len() == PREFIX.len() + 64 && text.starts_with(PREFIX)
    }

    /// The text to hand to the agent.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the database keeps of a token.
    #[must_use]
    pub fn digest(text: &str) -> [u8; 32] {
        Sha256::digest(text.as_bytes()).into()
    }
}

impl fmt::Debug for PurseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PurseToken(redacted)")
    }
}
