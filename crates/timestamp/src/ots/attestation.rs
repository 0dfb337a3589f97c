//! Attestations: who says when a message existed. The leaves of a proof.

use std::cmp::Ordering;
use std::fmt;

use super::codec::{Reader, shortest, write_varbytes, write_varuint};
use super::{Error, Result};

/// The longest payload that an attestation may have, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 8192;
/// The longest address of a calendar, in bytes.
pub const MAX_URI_BYTES: usize = 1000;

/// What tells one kind of attestation from another.
pub type Tag = [u8; 8];

const BITCOIN: Tag = [0x05, 0x88, 0x96, 0x0d, 0x73, 0xd7, 0x19, 0x01];
const LITECOIN: Tag = [0x06, 0x86, 0x9a, 0x0d, 0x73, 0xd7, 0x1b, 0x45];
const ETHEREUM: Tag = [0x30, 0xfe, 0x80, 0x87, 0xb5, 0xc7, 0xea, 0xd7];
const PENDING: Tag = [0x83, 0xdf, 0xe3, 0x0d, 0x2e, 0xf9, 0x0c, 0x8e];

/// A statement about the message that it stands at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attestation {
    /// A calendar has promised to timestamp the message; ask there for the rest.
    Pending(Uri),
    /// The message is the Merkle root of this Bitcoin block.
    Bitcoin {
        /// The block's height.
        height: u64,
    },
    /// The message is the Merkle root of this Litecoin block.
    Litecoin {
        /// The block's height.
        height: u64,
    },
    /// The message is in this Ethereum block. The reference calls it dubious, and can't check it.
    Ethereum {
        /// The block's height.
        height: u64,
    },
    /// Something that this program can't check. It is kept, and proves nothing.
    Unknown {
        /// The kind.
        tag: Tag,
        /// What it says, up to [`MAX_PAYLOAD_BYTES`].
        payload: Vec<u8>,
    },
}

/// The address of a calendar: letters, digits and `-._/:`, up to [`MAX_URI_BYTES`].
///
/// Nothing else is allowed, so that a proof from a stranger can't smuggle a query, a login or an
/// escape sequence into a request or onto a terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uri(String);

impl Uri {
    /// Checks an address.
    pub fn new(uri: impl Into<String>) -> Result<Self> {
        let uri = uri.into();
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/:".contains(&byte);
        if uri.len() > MAX_URI_BYTES || !uri.bytes().all(is_allowed) {
            return Err(Error::InvalidUri);
        }
        Ok(Self(uri))
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Attestation {
    /// The kind's eight bytes.
    pub fn tag(&self) -> Tag {
        match self {
            Self::Pending(_) => PENDING,
            Self::Bitcoin { .. } => BITCOIN,
            Self::Litecoin { .. } => LITECOIN,
            Self::Ethereum { .. } => ETHEREUM,
            Self::Unknown { tag, .. } => *tag,
        }
    }

    fn payload(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        match self {
            Self::Pending(uri) => write_varbytes(&mut payload, uri.0.as_bytes()),
            Self::Bitcoin { height } | Self::Litecoin { height } | Self::Ethereum { height } => {
                write_varuint(&mut payload, *height);
            }
            Self::Unknown { payload: bytes, .. } => payload.clone_from(bytes),
        }
        payload
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.tag());
        write_varbytes(out, &self.payload());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self> {
        let tag: Tag = reader.array()?;
        let payload = reader.varbytes(MAX_PAYLOAD_BYTES, "an attestation")?;
        let mut inner = Reader::new(payload);
        let attestation = match tag {
            PENDING => {
                let uri = inner.varbytes(MAX_URI_BYTES, "a calendar's address")?;
                let uri = std::str::from_utf8(uri).map_err(|_| Error::InvalidUri)?;
                Self::Pending(Uri::new(uri)?)
            }
            BITCOIN | LITECOIN | ETHEREUM => Self::at_height(tag, &mut inner, payload)?,
            _ => {
                return Ok(Self::Unknown {
                    tag,
                    payload: payload.to_vec(),
                });
            }
        };
        inner.finish()?;
        Ok(attestation)
    }

    fn at_height(tag: Tag, inner: &mut Reader<'_>, payload: &[u8]) -> Result<Self> {
        Ok(match (inner.varuint()?, tag) {
            (Some(height), BITCOIN) => Self::Bitcoin { height },
            (Some(height), LITECOIN) => Self::Litecoin { height },
            (Some(height), _) => Self::Ethereum { height },
            // No chain will be that high. The reference takes any number, so it is kept.
            (None, _) => Self::Unknown {
                tag,
                payload: shortest(&payload[..inner.position()]),
            },
        })
    }
}

impl Ord for Attestation {
    /// By kind, then by content, as the reference sorts them: heights as numbers, addresses and
    /// unknown payloads as bytes.
    fn cmp(&self, other: &Self) -> Ordering {
        self.tag().cmp(&other.tag()).then_with(|| {
            let (ours, theirs) = (self.payload(), other.payload());
            match self.tag() {
                BITCOIN | LITECOIN | ETHEREUM => {
                    let number = |leb128: &[u8]| {
                        let digits: Vec<u8> = leb128.iter().rev().map(|b| b & 0x7f).collect();
                        (digits.len(), digits)
                    };
                    number(&ours).cmp(&number(&theirs))
                }
                PENDING => match (self, other) {
                    (Self::Pending(ours), Self::Pending(theirs)) => ours.cmp(theirs),
                    _ => ours.cmp(&theirs),
                },
                _ => ours.cmp(&theirs),
            }
        })
    }
}

impl PartialOrd for Attestation {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Attestation {
    /// As the reference client writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending(uri) => write!(f, "PendingAttestation('{uri}')"),
            Self::Bitcoin { height } => write!(f, "BitcoinBlockHeaderAttestation({height})"),
            Self::Litecoin { height } => write!(f, "LitecoinBlockHeaderAttestation({height})"),
            Self::Ethereum { height } => write!(f, "EthereumBlockHeaderAttestation({height})"),
            Self::Unknown { tag, payload } => {
                let (tag, payload) = (tag.escape_ascii(), payload.escape_ascii());
                write!(f, "UnknownAttestation(b'{tag}', b'{payload}')")
            }
        }
    }
}
