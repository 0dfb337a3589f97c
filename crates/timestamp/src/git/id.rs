//! The names of git's objects.

use std::fmt;
use std::str::FromStr;

use super::{Error, Result};
use crate::hash::decode_hex;

/// The hash that git knows an object by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectId {
    /// What nearly all repositories use.
    Sha1([u8; 20]),
    /// What a repository may be created with.
    Sha256([u8; 32]),
}

impl ObjectId {
    /// The hash's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha1(bytes) => bytes,
            Self::Sha256(bytes) => bytes,
        }
    }

    /// A hash of 20 or 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes
            .try_into()
            .map(Self::Sha1)
            .or_else(|_| bytes.try_into().map(Self::Sha256))
            .ok()
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let id = decode_hex(text).map(Self::Sha1);
        id.or_else(|| decode_hex(text).map(Self::Sha256))
            .ok_or_else(|| Error::BadId(text.chars().take(80).collect()))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
