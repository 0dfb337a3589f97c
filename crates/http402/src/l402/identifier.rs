//! What an L402 macaroon is known by.

use super::Error;

const VERSION: [u8; 2] = [0, 0];

/// A macaroon's identifier, version 0: 66 bytes.
///
/// ```text
/// u16 version = 0, big-endian | payment hash[32] | token id[32]
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identifier {
    /// SHA-256 of the preimage that paying reveals.
    pub payment_hash: [u8; 32],
    /// What tells macaroons apart. Random, or the id of an agreed offer.
    pub token_id: [u8; 32],
}

impl Identifier {
    /// Reads the 66 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let parts = bytes.strip_prefix(&VERSION).and_then(|rest| {
            let (payment_hash, rest) = rest.split_first_chunk::<32>()?;
            Some((*payment_hash, rest.try_into().ok()?))
        });
        let (payment_hash, token_id) = parts.ok_or(Error::IdentifierMalformed)?;
        Ok(Self {
            payment_hash,
            token_id,
        })
    }

    /// The 66 bytes.
    pub fn to_bytes(&self) -> [u8; 66] {
        let mut bytes = [0; 66];
        bytes[2..34].copy_from_slice(&self.payment_hash);
        bytes[34..].copy_from_slice(&self.token_id);
        bytes
    }
}
