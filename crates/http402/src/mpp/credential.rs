//! Credentials: the echoed challenge and the proof of payment, in `Authorization: Payment …`.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::limits::CREDENTIAL_BYTES_MAX;
use super::{Challenge, Error, SCHEME, canonical_json, from_base64url, to_base64url};

/// A credential. `Debug` hides its payload, which is a bearer secret.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// The challenge that it answers, echoed.
    pub challenge: Challenge,
    /// Who pays, if the buyer wants to say so. Nothing vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The proof, in the method's own shape.
    pub payload: Value,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("challenge", &self.challenge)
            .finish_non_exhaustive()
    }
}

impl Credential {
    /// Reads the value of an `Authorization` header: `Payment` and unpadded or padded base64url.
    pub fn parse(header: &str) -> Result<Self, Error> {
        let max = CREDENTIAL_BYTES_MAX;
        if header.len() > max {
            return Err(Error::CredentialTooLarge { what: "bytes", max });
        }
        let malformed = Error::CredentialMalformed;
        let (scheme, token) = header
            .trim()
            .split_once(' ')
            .ok_or(malformed("it has no token"))?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(malformed("its scheme is not Payment"));
        }
        let json = from_base64url(token.trim_start()).ok_or(malformed("it is not base64url"))?;
        // Serde's own message would quote the credential.
        let credential: Self = serde_json::from_slice(&json)
            .map_err(|_| malformed("it lacks something, or isn't JSON"))?;
        credential.check()?;
        Ok(credential)
    }

    /// What holds for every credential, however it came.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let challenge = &self.challenge;
        let required = [
            &challenge.id,
            &challenge.realm,
            &challenge.method,
            &challenge.intent,
            &challenge.request,
        ];
        if required.iter().any(|text| text.is_empty()) {
            return Err(Error::CredentialMalformed("its challenge is incomplete"));
        }
        if !self.payload.is_object() {
            return Err(Error::CredentialMalformed("its payload is not an object"));
        }
        Ok(())
    }

    /// Writes the value of an `Authorization` header. Never log it.
    pub fn to_header(&self) -> String {
        let json = canonical_json(self).unwrap_or_default();
        format!("{SCHEME} {}", to_base64url(json))
    }

    /// The payload in the shape that its method and intent have.
    pub(super) fn payload<T: DeserializeOwned>(&self) -> Result<T, Error> {
        T::deserialize(&self.payload).map_err(|_| {
            Error::CredentialMalformed("its payload is not one of this method and intent")
        })
    }
}
