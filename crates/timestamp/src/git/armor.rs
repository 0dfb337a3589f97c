//! The text in which a timestamp stands behind a signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Digest, Error, Result, signed_message};
use crate::ots::{MAX_PROOF_BYTES, Timestamp};

/// The longest text that is read: that of the longest proof.
pub const MAX_ARMOR_BYTES: usize = MAX_PROOF_BYTES / 3 * 4 + MAX_PROOF_BYTES / 32;

const BEGIN: &[u8] = b"-----BEGIN OPENTIMESTAMPS GIT TIMESTAMP-----\n\n";
const END: &[u8] = b"\n-----END OPENTIMESTAMPS GIT TIMESTAMP-----\n";
const LINE_CHARS: usize = 64;
const MAJOR_VERSION: u8 = 1;

/// The timestamp of a signed commit or tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Armored {
    /// 1 if the tree was hashed anew and is in it, and 0 if not.
    pub minor_version: u8,
    /// What is known about the [message](signed_message).
    pub timestamp: Timestamp,
}

impl Armored {
    /// Reads the timestamp in a signature, with the message that it is about, if there is one.
    ///
    /// # Errors
    /// If it is there and can't be read. Lines may be of any length, but unlike the reference
    /// this doesn't skip characters that don't belong there, nor bytes after the timestamp.
    pub fn read(payload: &[u8], signature: &[u8]) -> Result<Option<(Digest, Self)>> {
        let Some((bare, text)) = find(signature) else {
            return Ok(None);
        };
        let message = signed_message(payload, bare);
        match decode(text)?.as_slice() {
            [MAJOR_VERSION, minor_version, timestamp @ ..] => {
                let timestamp = Timestamp::from_bytes(timestamp, message.len())?;
                let minor_version = *minor_version;
                Ok(Some((
                    message,
                    Self {
                        minor_version,
                        timestamp,
                    },
                )))
            }
            [major, _, ..] => Err(Error::UnsupportedVersion { major: *major }),
            _ => Err(Error::BadArmor("it is cut off")),
        }
    }

    /// Writes the text that goes behind the signature.
    ///
    /// # Errors
    /// If the timestamp can't be written, or couldn't be read again.
    pub fn to_text(&self) -> Result<Vec<u8>> {
        let timestamp = self.timestamp.to_bytes()?;
        Timestamp::from_bytes(&timestamp, size_of::<Digest>())?;
        let bytes = [&[MAJOR_VERSION, self.minor_version], timestamp.as_slice()].concat();
        let base64 = STANDARD.encode(bytes);
        let lines: Vec<&[u8]> = base64.as_bytes().chunks(LINE_CHARS).collect();
        Ok([BEGIN, &lines.join(&b'\n'), END].concat())
    }
}

/// The signature proper, and the base64 between the marks behind it.
fn find(signature: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = position(signature, BEGIN)?;
    let (bare, rest) = signature.split_at(start);
    let text = &rest[BEGIN.len()..];
    Some((bare, &text[..position(text, END)?]))
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

fn decode(text: &[u8]) -> Result<Vec<u8>> {
    if text.len() > MAX_ARMOR_BYTES {
        return Err(Error::BadArmor("it is too long"));
    }
    let mut base64 = text.to_vec();
    base64.retain(|byte| !byte.is_ascii_whitespace());
    STANDARD
        .decode(base64)
        .map_err(|_| Error::BadArmor("it isn't base64"))
}
