//! Signed notes (C2SP `signed-note`): a text, a blank line, and one line for each signature.
//!
//! ```text
//! the text, which ends in a newline
//!
//! — <key name> <base64(key id ‖ signature)>
//! ```
//!
//! A node signs with two algorithms: Ed25519 ([`Signer`]), which every reader of notes knows, and
//! ML-DSA-44 ([`Cosigner`]), which stands when quantum computers don't let the other one stand.
//! [`Identity`] is the line that commits to both keys.
//!
//! Reading is as strict as the specification allows, so that a note has one spelling only and
//! writing what was read gives the same bytes. It is lenient in one thing, as the specification
//! demands: signatures by unknown keys are kept and otherwise ignored.

mod cosigner;
mod identity;
mod key;
mod vkey;

pub use cosigner::{
    ALGORITHM_ML_DSA_44, Cosigner, CosignerKey, ML_DSA_44_KEY_BYTES, ML_DSA_44_SIGNATURE_BYTES,
};
pub use identity::{Identity, NodeSigner};
pub use key::{ALGORITHM_ED25519, Signer, VerifierKey};
pub use vkey::MAX_NAME_BYTES;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::{Error, Result};

/// The largest note that is read. Sixteen post-quantum signatures of 5 kB fit in several times.
pub const MAX_NOTE_BYTES: usize = 512 * 1024;
/// The most signatures that a note may carry; the specification asks for at least 16.
pub const MAX_SIGNATURES: usize = 64;

const WHAT: &str = "the note";
/// The length of a key's id.
const KEY_ID_BYTES: usize = 4;

/// One signature line of a note, checked or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The name of the key, usually a URL without its scheme.
    pub name: String,
    /// The key's id; it only finds the key, and proves nothing.
    pub key_id: [u8; KEY_ID_BYTES],
    /// The signature itself, in the form that the key's algorithm defines.
    pub bytes: Vec<u8>,
}

/// A text with its signatures. Nothing has been verified yet: see [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// Reads a signed note.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(Error::TooLarge {
                what: WHAT,
                max: MAX_NOTE_BYTES,
            });
        }
        let whole = std::str::from_utf8(bytes)
            .map_err(|_| Error::malformed(WHAT, "it is not valid UTF-8"))?;
        reject_control_characters(whole)?;
        // The text may have blank lines of its own; only the last one ends it.
        let blank = whole
            .rfind("\n\n")
            .ok_or_else(|| Error::malformed(WHAT, "no blank line ends its text"))?;
        let (text, rest) = whole.split_at(blank + 1);
        let lines = rest[1..]
            .strip_suffix('\n')
            .ok_or_else(|| Error::malformed(WHAT, "its last line does not end"))?;
        if lines.split('\n').count() > MAX_SIGNATURES {
            return Err(Error::TooLarge {
                what: "the list of signatures",
                max: MAX_SIGNATURES,
            });
        }
        let signatures = lines
            .split('\n')
            .map(Signature::parse)
            .collect::<Result<_>>()?;
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The signatures, checked or not.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// The text, if `key` has signed it. Signatures by other keys are ignored.
    ///
    /// A wrong signature under the key's name and id rejects the whole note, even beside a
    /// right one.
    pub fn verify(&self, key: &VerifierKey) -> Result<&str> {
        self.require(key.name(), key.key_id(), |signature| {
            key.verifies(self.text.as_bytes(), signature)
        })?;
        Ok(&self.text)
    }

    /// Checks that the key with this name and id has signed, and that all its signatures are
    /// right.
    pub(crate) fn require(
        &self,
        name: &str,
        key_id: [u8; KEY_ID_BYTES],
        verifies: impl Fn(&[u8]) -> bool,
    ) -> Result<()> {
        let mut by_key = self
            .signatures
            .iter()
            .filter(|signature| signature.name == name && signature.key_id == key_id)
            .peekable();
        if by_key.peek().is_none() {
            return Err(Error::SignatureMissing {
                what: WHAT,
                key: format!("{name}+{}", hex::encode(key_id)),
            });
        }
        if by_key.any(|signature| !verifies(&signature.bytes)) {
            return Err(Error::SignatureInvalid { what: WHAT });
        }
        Ok(())
    }

    /// Adds a signature line.
    pub(crate) fn push(&mut self, signature: Signature) {
        self.signatures.push(signature);
    }

    /// Puts the text and its first signature together, if the text may stand in a note.
    fn new(text: String, signature: Signature) -> Result<Self> {
        if text.len() > MAX_NOTE_BYTES / 2 {
            return Err(Error::TooLarge {
                what: "the note's text",
                max: MAX_NOTE_BYTES / 2,
            });
        }
        if !text.ends_with('\n') {
            return Err(Error::malformed(WHAT, "its text does not end in a newline"));
        }
        reject_control_characters(&text)?;
        Ok(Self {
            text,
            signatures: vec![signature],
        })
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    fn parse(line: &str) -> Result<Self> {
        let (name, encoded) = line
            .strip_prefix("— ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or_else(|| Error::malformed(WHAT, "a signature line is not `— name base64`"))?;
        vkey::check_name(name)
            .map_err(|_| Error::malformed(WHAT, "a signature's key name is not a key name"))?;
        let decoded = BASE64
            .decode(encoded)
            .map_err(|_| Error::malformed(WHAT, "a signature is not base64"))?;
        match decoded.split_first_chunk::<KEY_ID_BYTES>() {
            Some((key_id, bytes)) if !bytes.is_empty() => Ok(Self {
                name: name.to_owned(),
                key_id: *key_id,
                bytes: bytes.to_vec(),
            }),
            _ => Err(Error::malformed(WHAT, "a signature is too short")),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = BASE64.encode([self.key_id.as_slice(), &self.bytes].concat());
        write!(f, "— {} {encoded}", self.name)
    }
}

fn reject_control_characters(text: &str) -> Result<()> {
    if text.bytes().any(|byte| byte < b' ' && byte != b'\n') {
        return Err(Error::malformed(WHAT, "it contains a control character"));
    }
    Ok(())
}
