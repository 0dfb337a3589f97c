//! Verifier keys as text: `name+hex(key id)+base64(algorithm ‖ public key)` (C2SP signed-note).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::KEY_ID_BYTES;
use crate::hash::decode_hex;
use crate::{Error, Hash, Result};

/// The longest key name: C2SP tlog-cosignature gives its length one byte.
pub const MAX_NAME_BYTES: usize = 255;
/// Longer than any key of a kind that is known here.
const MAX_TEXT_BYTES: usize = 4096;

const WHAT: &str = "the verifier key";

/// A key that was read, of whatever algorithm. Its id fits.
pub(super) struct Parsed {
    pub name: String,
    pub algorithm: u8,
    pub key: Vec<u8>,
}

/// `SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key)`: its beginning is the key's id, and the whole
/// of it commits to name, algorithm and key.
pub(super) fn digest(name: &str, algorithm: u8, key: &[u8]) -> Hash {
    Hash::of_parts(&[name.as_bytes(), b"\n", &[algorithm], key])
}

/// The four bytes by which signature lines refer to the key with this digest.
pub(super) fn id(digest: &Hash) -> [u8; KEY_ID_BYTES] {
    let [a, b, c, d, ..] = digest.0;
    [a, b, c, d]
}

pub(super) fn write(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    algorithm: u8,
    key: &[u8],
) -> fmt::Result {
    let id = hex::encode(id(&digest(name, algorithm, key)));
    let encoded = BASE64.encode([&[algorithm], key].concat());
    write!(f, "{name}+{id}+{encoded}")
}

pub(super) fn parse(text: &str) -> Result<Parsed> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Error::TooLarge {
            what: WHAT,
            max: MAX_TEXT_BYTES,
        });
    }
    // Base64 may contain a plus too, so only the first two divide.
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(wanted), Some(encoded)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("it is not `name+id+key`"));
    };
    check_name(name).map_err(|error| malformed(error.to_string()))?;
    let wanted: [u8; KEY_ID_BYTES] =
        decode_hex(wanted).ok_or_else(|| malformed("its id is not 8 lowercase hex digits"))?;
    let decoded = BASE64
        .decode(encoded)
        .map_err(|_| malformed("its key is not base64"))?;
    let Some((&algorithm, key)) = decoded.split_first() else {
        return Err(malformed("its key is empty"));
    };
    if id(&digest(name, algorithm, key)) != wanted {
        return Err(malformed("its id does not fit its name and key"));
    }
    Ok(Parsed {
        name: name.to_owned(),
        algorithm,
        key: key.to_vec(),
    })
}

pub(super) fn malformed(why: impl Into<String>) -> Error {
    Error::malformed(WHAT, why)
}

/// A name is 1 to 255 bytes without white space, control characters and `+`.
pub(super) fn check_name(name: &str) -> Result<()> {
    let why = if name.is_empty() || name.len() > MAX_NAME_BYTES {
        "must have 1 to 255 bytes"
    } else if name
        .chars()
        .any(|c| c == '+' || c < ' ' || c.is_whitespace())
    {
        "must not contain white space, control characters or a plus"
    } else {
        return Ok(());
    };
    Err(Error::InvalidField {
        field: "key name",
        why,
    })
}
