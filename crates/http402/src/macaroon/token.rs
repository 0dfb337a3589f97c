//! A macaroon: read, written, minted, narrowed, verified.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::wire::{self, Section, TAIL_BYTES};
use super::{MACAROON_BYTES_MAX, MacaroonError, RootKey};
use crate::base64::{from_base64, to_base64};
use crate::hmac::Key;

/// A macaroon. `Debug` hides it: whoever has it may use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Macaroon {
    /// The binary form, which is kept as it came; the rest are places in it.
    bytes: Vec<u8>,
    header: Section,
    caveats: Vec<Section>,
}

impl Macaroon {
    /// A new macaroon without caveats. `location` is a hint that isn't signed,
    /// and may be empty.
    pub fn mint(key: &RootKey, location: &str, identifier: &[u8]) -> Result<Self, MacaroonError> {
        let mut bytes = vec![wire::VERSION];
        if !location.is_empty() {
            wire::push(&mut bytes, wire::LOCATION, location.as_bytes())?;
        }
        wire::push(&mut bytes, wire::IDENTIFIER, identifier)?;
        bytes.push(wire::END_OF_SECTION);
        Self::signed(bytes, &key.0.sign(identifier))
    }

    /// The same macaroon with one more caveat, for which no key is needed.
    pub fn with_caveat(&self, caveat: impl AsRef<[u8]>) -> Result<Self, MacaroonError> {
        let caveat = caveat.as_ref();
        let mut bytes = self.bytes[..self.bytes.len() - TAIL_BYTES].to_vec();
        wire::push(&mut bytes, wire::IDENTIFIER, caveat)?;
        bytes.push(wire::END_OF_SECTION);
        Self::signed(bytes, &Key::new(self.signature()).sign(caveat))
    }

    /// The macaroon that ends after `bytes` with its signature. Read again, so
    /// that what is written is within the bounds of what is read.
    fn signed(mut bytes: Vec<u8>, signature: &[u8; 32]) -> Result<Self, MacaroonError> {
        bytes.extend([wire::END_OF_SECTION, wire::SIGNATURE, 32]);
        bytes.extend(signature);
        Self::from_bytes(bytes)
    }

    /// Reads the binary form (V2), and nothing behind it.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Result<Self, MacaroonError> {
        let bytes = bytes.into();
        wire::check("bytes", bytes.len(), MACAROON_BYTES_MAX)?;
        let (header, caveats) = wire::read(&bytes)?;
        Ok(Self {
            bytes,
            header,
            caveats,
        })
    }

    /// Reads base64, in the standard or the URL-safe alphabet, padded or not.
    pub fn from_base64(text: &str) -> Result<Self, MacaroonError> {
        wire::check(
            "bytes",
            text.len().saturating_sub(4) / 4 * 3,
            MACAROON_BYTES_MAX,
        )?;
        let bytes = from_base64(text).ok_or(MacaroonError::Malformed("it is not base64"))?;
        Self::from_bytes(bytes)
    }

    /// The binary form (V2).
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Standard base64 with padding, which every L402 program reads.
    pub fn to_base64(&self) -> String {
        to_base64(&self.bytes)
    }

    /// Where it is for, if the minter says so. Not signed.
    pub fn location(&self) -> &[u8] {
        &self.bytes[self.header.location.clone()]
    }

    /// What the minter knows it by.
    pub fn identifier(&self) -> &[u8] {
        &self.bytes[self.header.identifier.clone()]
    }

    /// The caveats in their order, third parties' too. Whoever holds a macaroon
    /// may have added any of them: they can only forbid.
    pub fn caveats(&self) -> impl Iterator<Item = &[u8]> {
        let caveats = self.caveats.iter();
        caveats.map(|caveat| &self.bytes[caveat.identifier.clone()])
    }

    fn signature(&self) -> &[u8; 32] {
        // Nothing is read that is shorter, so the default is never seen.
        self.bytes.last_chunk().unwrap_or(&[0; 32])
    }

    /// Checks the signature, in a time that does not depend on where it is
    /// wrong. That the caveats hold is for the caller to check.
    pub fn verify(&self, key: &RootKey) -> Result<(), MacaroonError> {
        if self.caveats.iter().any(|caveat| caveat.is_third_party) {
            return Err(MacaroonError::ThirdPartyCaveat);
        }
        let first = key.0.sign(self.identifier());
        let sign = |key: [u8; 32], caveat: &[u8]| Key::new(&key).sign(caveat);
        let last = self.caveats().fold(first, sign);
        if !bool::from(last.ct_eq(self.signature())) {
            return Err(MacaroonError::SignatureInvalid);
        }
        Ok(())
    }
}

impl fmt::Debug for Macaroon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let caveats = self.caveats.len();
        write!(f, "Macaroon({} bytes, {caveats} caveats)", self.bytes.len())
    }
}
