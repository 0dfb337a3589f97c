//! Operations: the edges of a proof. Each turns a message into another.

use std::fmt;

use smallvec::SmallVec;

use super::codec::Reader;
use super::{Digester, Error, Result};

/// The longest message, result and argument, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 4096;
/// The longest message that [`Op::Hexlify`] takes: it doubles what it is given.
pub const MAX_HEXLIFY_BYTES: usize = MAX_MESSAGE_BYTES / 2;

pub(super) const APPEND: u8 = 0xf0;
pub(super) const PREPEND: u8 = 0xf1;
const REVERSE: u8 = 0xf2;
const HEXLIFY: u8 = 0xf3;

/// One step from a message to the next.
///
/// The order of the variants is the order of their tags, and so the order in which they are
/// written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Op {
    /// Replaces the message by its digest.
    Digest(Digester),
    /// Puts the argument behind the message.
    Append(Arg),
    /// Puts the argument before the message.
    Prepend(Arg),
    /// Turns the message's bytes around. The reference warns that it may go away.
    Reverse,
    /// Writes the message in lowercase hex.
    Hexlify,
}

/// What is appended or prepended: 1 to [`MAX_MESSAGE_BYTES`] bytes, a digest's worth inline.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arg(SmallVec<[u8; 32]>);

impl Arg {
    /// Takes 1 to [`MAX_MESSAGE_BYTES`] bytes.
    #[inline]
    pub fn new(bytes: &[u8]) -> Result<Self> {
        // Nearly all are digests.
        if let Ok(digest) = <&[u8; 32]>::try_from(bytes) {
            return Ok(Self::from(digest));
        }
        match bytes.len() {
            1..=MAX_MESSAGE_BYTES => Ok(Self(SmallVec::from_slice(bytes))),
            length => Err(Error::ArgumentLength { length }),
        }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8; 32]> for Arg {
    #[inline]
    fn from(digest: &[u8; 32]) -> Self {
        Self(SmallVec::from_buf(*digest))
    }
}

impl From<&[u8; 16]> for Arg {
    fn from(nonce: &[u8; 16]) -> Self {
        Self(SmallVec::from_slice(nonce))
    }
}

impl fmt::Debug for Arg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl Op {
    /// SHA-256, which nearly all steps are.
    pub const SHA256: Self = Self::Digest(Digester::Sha256);

    /// How long the result is for a message of this many bytes.
    ///
    /// # Errors
    /// If the message or the result is longer than the format allows.
    #[inline]
    pub fn result_bytes(&self, message_bytes: usize) -> Result<usize> {
        let (longest, result) = match self {
            Self::Digest(digester) => (MAX_MESSAGE_BYTES, digester.digest_bytes()),
            Self::Append(arg) | Self::Prepend(arg) => {
                (MAX_MESSAGE_BYTES, message_bytes + arg.0.len())
            }
            Self::Reverse => (MAX_MESSAGE_BYTES, message_bytes),
            Self::Hexlify => (MAX_HEXLIFY_BYTES, message_bytes * 2),
        };
        if message_bytes > longest || result > MAX_MESSAGE_BYTES {
            return Err(Error::MessageTooLong {
                op: self.name(),
                length: message_bytes.max(result),
            });
        }
        Ok(result)
    }

    /// Replaces the message by the result.
    ///
    /// # Errors
    /// As [`Op::result_bytes`].
    pub fn apply(&self, message: &mut Vec<u8>) -> Result<()> {
        self.result_bytes(message.len())?;
        match self {
            Self::Digest(digester) => digester.replace(message),
            Self::Append(arg) => message.extend_from_slice(&arg.0),
            Self::Prepend(arg) => {
                let length = message.len();
                message.extend_from_slice(&arg.0);
                message.copy_within(..length, arg.0.len());
                message[..arg.0.len()].copy_from_slice(&arg.0);
            }
            Self::Reverse => message.reverse(),
            Self::Hexlify => *message = hex::encode(&*message).into_bytes(),
        }
        Ok(())
    }

    /// The name in text, as the reference client writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Digest(digester) => digester.name(),
            Self::Append(_) => "append",
            Self::Prepend(_) => "prepend",
            Self::Reverse => "reverse",
            Self::Hexlify => "hexlify",
        }
    }

    /// The argument, of those that have one.
    pub fn arg(&self) -> Option<&[u8]> {
        match self {
            Self::Append(arg) | Self::Prepend(arg) => Some(&arg.0),
            _ => None,
        }
    }

    fn tag(&self) -> u8 {
        match self {
            Self::Digest(digester) => digester.tag(),
            Self::Append(_) => APPEND,
            Self::Prepend(_) => PREPEND,
            Self::Reverse => REVERSE,
            Self::Hexlify => HEXLIFY,
        }
    }

    #[inline]
    pub(super) fn read(tag: u8, reader: &mut Reader<'_>) -> Result<Self> {
        match tag {
            APPEND => Ok(Self::Append(read_arg(reader)?)),
            PREPEND => Ok(Self::Prepend(read_arg(reader)?)),
            REVERSE => Ok(Self::Reverse),
            HEXLIFY => Ok(Self::Hexlify),
            _ => Digester::from_tag(tag)
                .map(Self::Digest)
                .ok_or(Error::UnknownOperation { tag }),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(self.tag());
        if let Some(arg) = self.arg() {
            super::codec::write_varbytes(out, arg);
        }
    }
}

#[inline]
fn read_arg(reader: &mut Reader<'_>) -> Result<Arg> {
    // The reader's own limit is the longest argument; an empty one is refused by `Arg`.
    Arg::new(reader.varbytes(MAX_MESSAGE_BYTES, "an operation's argument")?)
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.arg() {
            Some(arg) => write!(f, " {}", hex::encode(arg)),
            None => Ok(()),
        }
    }
}
