//! Ed25519 keys (type 0x01), which sign the text of a note as it is.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::vkey::{self, check_name, malformed};
use super::{KEY_ID_BYTES, Note, Signature};
use crate::text::serde_as_text;
use crate::{Error, Result};

/// The algorithm byte of Ed25519 in C2SP signed-note.
pub const ALGORITHM_ED25519: u8 = 0x01;

/// A named Ed25519 key, written `name+hex(key id)+base64(0x01 ‖ public key)`.
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
        vkey::id(&vkey::digest(
            &self.name,
            ALGORITHM_ED25519,
            self.key.as_bytes(),
        ))
    }

    /// Whether these are the bytes of a signature on the message by this key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        ed25519_dalek::Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        vkey::write(f, &self.name, ALGORITHM_ED25519, self.key.as_bytes())
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = vkey::parse(text)?;
        if parsed.algorithm != ALGORITHM_ED25519 {
            let algorithm = parsed.algorithm;
            return Err(Error::UnsupportedAlgorithm { algorithm });
        }
        let key = <[u8; 32]>::try_from(parsed.key)
            .ok()
            .and_then(|key| VerifyingKey::from_bytes(&key).ok())
            .ok_or_else(|| malformed("its key is not an Ed25519 key"))?;
        Self::new(parsed.name, key)
    }
}

serde_as_text!(VerifierKey);

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
            bytes: self.sign_bytes(text.as_bytes()).to_vec(),
        };
        Note::new(text, signature)
    }

    /// The bytes of a signature on the message. The caller sees to it that no other use of the
    /// key signs the same bytes.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> [u8; 64] {
        self.secret.sign(message).to_bytes()
    }
}
