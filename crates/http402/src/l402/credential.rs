//! `Authorization: L402 macaroon:preimage`.

use std::fmt;

use super::{AUTHORIZATION_BYTES_MAX, Error, L402, LSAT};
use crate::macaroon::Macaroon;

/// A macaroon and the proof that it was paid for. `Debug` hides both.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The macaroon.
    pub macaroon: Macaroon,
    /// What hashes to the macaroon's payment hash.
    pub preimage: [u8; 32],
}

impl Credential {
    /// Reads an `Authorization` value. `None` is a credential of another scheme,
    /// which is for another protocol to read.
    pub fn parse(authorization: &str) -> Result<Option<Self>, Error> {
        let text = authorization.trim();
        let (scheme, text) = text.split_once([' ', '\t']).unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case(L402) && !scheme.eq_ignore_ascii_case(LSAT) {
            return Ok(None);
        }
        if authorization.len() > AUTHORIZATION_BYTES_MAX {
            let max = AUTHORIZATION_BYTES_MAX;
            return Err(Error::CredentialTooLarge { max });
        }
        let (macaroon, preimage_hex) = text
            .trim_start()
            .split_once(':')
            .ok_or(Error::CredentialMalformed("it has no colon"))?;
        if macaroon.contains(',') {
            return Err(Error::SeveralMacaroons);
        }
        let mut preimage = [0; 32];
        hex::decode_to_slice(preimage_hex, &mut preimage)
            .map_err(|_| Error::CredentialMalformed("its preimage is not 64 hex digits"))?;
        let macaroon = Macaroon::from_base64(macaroon)?;
        Ok(Some(Self { macaroon, preimage }))
    }

    /// The `Authorization` value.
    pub fn to_value(&self) -> String {
        let preimage_hex = hex::encode(self.preimage);
        format!("{L402} {}:{preimage_hex}", self.macaroon.to_base64())
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({:?})", self.macaroon)
    }
}
