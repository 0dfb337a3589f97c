//! The keys that sign notes and that check them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{KEY_ID_BYTES, Note, Signature};
use crate::hash::decode_hex;
use crate::{Error, Hash, Result};

/// The algorithm byte of Ed25519 in C2SP signed-note.
pub const ALGORITHM_ED25519: u8 = 0x01;
/// The longest key name: C2SP tlog-cosignature gives its length one byte.
pub const MAX_NAME_BYTES: usize = 255;

const WHAT: &str = "the verifier key";

/// A named public key, written `name+hex(key id)+base64(algorithm ‖ public key)`.
///
/// The key id is `SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key)[..4]` (C2SP signed-note).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Names an Ed25519 key. A name is 1 to 255 bytes without white space and `+`, by custom a
    /// URL without its scheme.
    pub fn new(name: impl Into<String>, key: VerifyingKey) -> Result<Self> {
        let name = name.into();
        check_name(&name)?;
        Ok(Self { name, key })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The Ed25519 key itself.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The four bytes by which signature lines refer to the key.
    pub fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        let parts: [&[u8]; 4] = [
            self.name.as_bytes(),
            b"\n",
            &[ALGORITHM_ED25519],
            self.key.as_bytes(),
        ];
        let [a, b, c, d, ..] = Hash::of_parts(&parts).0;
        [a, b, c, d]
    }

    /// Whether the signature claims to be by this key.
    pub(super) fn made(&self, signature: &Signature) -> bool {
        signature.name == self.name && signature.key_id == self.key_id()
    }

    pub(super) fn verifies(&self, text: &str, signature: &Signature) -> bool {
        ed25519_dalek::Signature::from_slice(&signature.bytes)
            .is_ok_and(|bytes| self.key.verify_strict(text.as_bytes(), &bytes).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded =
            BASE64.encode([&[ALGORITHM_ED25519], self.key.as_bytes().as_slice()].concat());
        write!(f, "{}+{}+{encoded}", self.name, hex::encode(self.key_id()))
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // Base64 may contain a plus too, so only the first two divide.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(Error::malformed(WHAT, "it is not `name+id+key`"));
        };
        let id: [u8; KEY_ID_BYTES] = decode_hex(id)
            .ok_or_else(|| Error::malformed(WHAT, "its id is not 8 lowercase hex digits"))?;
        let decoded = BASE64
            .decode(encoded)
            .map_err(|_| Error::malformed(WHAT, "its key is not base64"))?;
        let key = match decoded.split_first() {
            Some((&ALGORITHM_ED25519, key)) => <&[u8; 32]>::try_from(key)
                .ok()
                .and_then(|key| VerifyingKey::from_bytes(key).ok())
                .ok_or_else(|| Error::malformed(WHAT, "its key is not an Ed25519 key"))?,
            Some((&algorithm, _)) => return Err(Error::UnsupportedAlgorithm { algorithm }),
            None => return Err(Error::malformed(WHAT, "its key is empty")),
        };
        let verifier =
            Self::new(name, key).map_err(|error| Error::malformed(WHAT, error.to_string()))?;
        if verifier.key_id() != id {
            return Err(Error::malformed(
                WHAT,
                "its id does not fit its name and key",
            ));
        }
        Ok(verifier)
    }
}

impl Serialize for VerifierKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for VerifierKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A named secret key. Printing it shows the public half only.
#[derive(Debug, Clone)]
pub struct Signer {
    secret: SigningKey,
    verifier: VerifierKey,
}

impl Signer {
    /// Names an Ed25519 key; see [`VerifierKey::new`] for what a name may be.
    pub fn new(name: impl Into<String>, secret: SigningKey) -> Result<Self> {
        let verifier = VerifierKey::new(name, secret.verifying_key())?;
        Ok(Self { secret, verifier })
    }

    /// The public half, to give to others.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs the text, which must end in a newline and hold no other control characters.
    pub fn sign(&self, text: impl Into<String>) -> Result<Note> {
        let text = text.into();
        let signature = Signature {
            name: self.verifier.name.clone(),
            key_id: self.verifier.key_id(),
            bytes: self.secret.sign(text.as_bytes()).to_vec(),
        };
        Note::new(text, signature)
    }

    pub(crate) fn secret(&self) -> &SigningKey {
        &self.secret
    }
}

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
