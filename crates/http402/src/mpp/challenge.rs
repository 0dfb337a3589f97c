//! Challenges: what they say, how a header says it, and how a seller knows its own.

use std::fmt;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Error, SCHEME, from_base64url, to_base64url};
use crate::www_authenticate;

/// A `Payment` challenge (draft-httpauth-payment-00, section "Challenge Parameters").
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Names the challenge. Of ours: an HMAC over the other parameters, see [`ChallengeKeys`].
    pub id: String,
    /// What is protected: usually the host's name.
    pub realm: String,
    /// How to pay: `lightning`, `cashu`…
    pub method: String,
    /// `charge`, `session`…
    pub intent: String,
    /// What to pay: base64url of canonical JSON, see [`super::ChargeRequest`] and [`super::SessionRequest`].
    pub request: String,
    /// When it ends, in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The digest of the body that was priced (RFC 9530).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What it is for, for people. Nothing vouches for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The seller's own data, to be echoed: base64url of canonical JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opaque: Option<String>,
}

impl Challenge {
    /// Writes the value of one `WWW-Authenticate` header. Fails on control characters, which no header may have.
    ///
    /// Text is written as UTF-8, which HTTP allows in quoted strings: build the header from bytes.
    pub fn to_header(&self) -> Result<String, Error> {
        let required = [
            ("id", Some(&self.id)),
            ("realm", Some(&self.realm)),
            ("method", Some(&self.method)),
            ("intent", Some(&self.intent)),
            ("request", Some(&self.request)),
        ];
        let optional = [
            ("expires", self.expires.as_ref()),
            ("digest", self.digest.as_ref()),
            ("description", self.description.as_ref()),
            ("opaque", self.opaque.as_ref()),
        ];
        let present = required.into_iter().chain(optional);
        present
            .filter_map(|(name, value)| Some((name, value?)))
            .fold(
                www_authenticate::Challenge::new(SCHEME),
                |challenge, (name, value)| challenge.with(name, value),
            )
            .to_value()
            .map_err(|_| Error::OfferInvalid("a text in it cannot stand in a header"))
    }

    /// Takes a challenge out of a `WWW-Authenticate` list. `None` for another scheme, and for what lacks a
    /// parameter or wants its credential in a header that is not known here (`header`, draft-01).
    pub fn from_header(challenge: &www_authenticate::Challenge) -> Option<Self> {
        if !challenge.is(SCHEME) || challenge.param("header").is_some() {
            return None;
        }
        let optional = |name| challenge.param(name).map(str::to_owned);
        let required = |name| optional(name).filter(|value| !value.is_empty());
        Some(Self {
            id: required("id")?,
            realm: required("realm")?,
            method: required("method")?,
            intent: required("intent")?,
            request: required("request")?,
            expires: optional("expires"),
            digest: optional("digest"),
            description: optional("description"),
            opaque: optional("opaque"),
        })
    }

    /// What the HMAC covers, in its order.
    fn slots(&self) -> [&str; 7] {
        [
            &self.realm,
            &self.method,
            &self.intent,
            &self.request,
            self.expires.as_deref().unwrap_or_default(),
            self.digest.as_deref().unwrap_or_default(),
            self.opaque.as_deref().unwrap_or_default(),
        ]
    }

    /// Whether a slot holds the separator, so that two different challenges could have the same id.
    fn is_ambiguous(&self) -> bool {
        self.slots().iter().any(|slot| slot.contains('|'))
    }
}

/// The seller's secret: makes a challenge's id, and recognises it later without having stored anything.
///
/// `id = base64url(HMAC-SHA256(secret, realm|method|intent|request|expires|digest|opaque))`, empty slots kept.
#[derive(Clone)]
pub struct ChallengeKeys {
    current: Hmac<Sha256>,
    previous: Option<Hmac<Sha256>>,
}

impl fmt::Debug for ChallengeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeKeys(…)")
    }
}

impl ChallengeKeys {
    /// Keys from a secret of at least 16 random bytes.
    pub fn new(secret: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            current: keyed(secret)?,
            previous: None,
        })
    }

    /// Recognises challenges that were made with an older secret too, until they have expired.
    pub fn with_previous(self, secret: &[u8]) -> Result<Self, Error> {
        Ok(Self {
            previous: Some(keyed(secret)?),
            ..self
        })
    }

    /// The id that a challenge of these parameters has.
    pub fn id(&self, challenge: &Challenge) -> String {
        to_base64url(mac(&self.current, challenge).finalize().into_bytes())
    }

    /// Puts its id into a challenge. Refuses one with a `|` in what the id covers.
    pub fn sign(&self, mut challenge: Challenge) -> Result<Challenge, Error> {
        if challenge.is_ambiguous() {
            return Err(Error::OfferInvalid(
                "realm and other parameters may not contain a |",
            ));
        }
        challenge.id = self.id(&challenge);
        Ok(challenge)
    }

    /// Whether an echoed challenge is one of ours, unchanged. It takes the same time for all wrong ids.
    pub fn verify(&self, challenge: &Challenge) -> Result<(), Error> {
        let id = from_base64url(&challenge.id).ok_or(Error::ChallengeUnknown)?;
        // One id has one spelling: it may be used to remember what was answered.
        if challenge.is_ambiguous() || challenge.id.len() != 43 {
            return Err(Error::ChallengeUnknown);
        }
        let known = std::iter::once(&self.current).chain(&self.previous);
        let mut matches = known.map(|key| mac(key, challenge).verify_slice(&id).is_ok());
        matches
            .any(|is_ours| is_ours)
            .then_some(())
            .ok_or(Error::ChallengeUnknown)
    }
}

fn keyed(secret: &[u8]) -> Result<Hmac<Sha256>, Error> {
    if secret.len() < 16 {
        return Err(Error::OfferInvalid(
            "the challenge secret has less than 16 bytes",
        ));
    }
    Hmac::new_from_slice(secret)
        .map_err(|_| Error::OfferInvalid("the challenge secret cannot be used"))
}

fn mac(key: &Hmac<Sha256>, challenge: &Challenge) -> Hmac<Sha256> {
    let mut mac = key.clone();
    for (n, slot) in challenge.slots().into_iter().enumerate() {
        if n > 0 {
            mac.update(b"|");
        }
        mac.update(slot.as_bytes());
    }
    mac
}
