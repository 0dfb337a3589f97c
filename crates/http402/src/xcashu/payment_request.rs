//! Payment requests: `creqA…` (NUT-18) and `creqb1…` (NUT-26).

use serde::{Deserialize, Deserializer, Serialize};

use super::encoding::from_cbor;
use super::limits::{
    REQUEST_BYTES_MAX, REQUEST_MINTS_MAX, REQUEST_TRANSPORTS_MAX, TAGS_MAX, TEXT_BYTES_MAX,
};
use super::payment_request_bech32;
use crate::Error;
use crate::base64::{from_base64, to_base64url};

/// The prefix of a payment request in CBOR, version A.
const PREFIX: &str = "creqA";

/// What a seller asks for (NUT-18).
///
/// An HTTP 402 challenge uses `amount`, `unit`, `mints` and perhaps `nut10`
/// (NUT-24). The fields stand in the order of deterministic CBOR (RFC 8949,
/// section 4.2.1), so that each request has one encoding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PaymentRequest {
    /// What is asked, in `unit`, net of the mint's input fees.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    pub amount: Option<u64>,
    /// What it is for, for people.
    #[serde(rename = "d", skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// An id to be repeated in the payment.
    #[serde(rename = "i", skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The mints whose ecash is accepted, as the seller writes them.
    #[serde(
        rename = "m",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_empty"
    )]
    pub mints: Vec<String>,
    /// Whether it is to be paid only once.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    pub single_use: Option<bool>,
    /// Ways to hand over the token. Empty over HTTP 402: the header is the way.
    #[serde(
        rename = "t",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_empty"
    )]
    pub transports: Vec<Transport>,
    /// The unit of the amount, such as `sat`.
    #[serde(rename = "u", skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The lock that the proofs must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nut10: Option<Nut10Option>,
}

/// A way to hand over a token (NUT-18).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transport {
    /// Where to: a URL, an `nprofile`.
    #[serde(rename = "a")]
    pub target: String,
    /// Details, such as the Nostr NIPs understood.
    #[serde(
        rename = "g",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_empty"
    )]
    pub tags: Vec<Vec<String>>,
    /// `nostr`, `post`…
    #[serde(rename = "t")]
    pub kind: String,
}

/// The lock that a seller asks for (NUT-10 in NUT-18).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Nut10Option {
    /// What it is locked to: a public key, a hash.
    #[serde(rename = "d")]
    pub data: String,
    /// `P2PK`, `HTLC`…
    #[serde(rename = "k")]
    pub kind: String,
    /// Further conditions.
    #[serde(
        rename = "t",
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "or_empty"
    )]
    pub tags: Vec<Vec<String>>,
}

/// Absent lists are written as null or undefined by some.
fn or_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl PaymentRequest {
    /// Writes `creqA` and base64url without padding. Fails only on a request
    /// that [`PaymentRequest::decode`] would refuse as too large.
    pub fn encode(&self) -> Result<String, Error> {
        self.check_sizes()?;
        let mut cbor = Vec::new();
        ciborium::into_writer(self, &mut cbor)
            .map_err(|_| Error::ChallengeMalformed("it cannot be written as CBOR"))?;
        let text = format!("{PREFIX}{}", to_base64url(&cbor));
        check("bytes", text.len(), REQUEST_BYTES_MAX)?;
        Ok(text)
    }

    /// Writes `CREQB1…`, upper case (NUT-26). Fails on what that can't say: more
    /// than 1,023 characters in all, kinds without a number, Nostr targets that are
    /// no profile. Every wallet reads [`PaymentRequest::encode`]'s form.
    pub fn encode_bech32(&self) -> Result<String, Error> {
        self.check_sizes()?;
        payment_request_bech32::encode(self)
    }

    /// Reads a `creqA…` string (any base64 alphabet, padded or not) or a `creqb1…`
    /// string (upper or lower case). Unknown and missing fields are allowed. Sizes
    /// are bounded, see [`super::limits`].
    pub fn decode(text: &str) -> Result<Self, Error> {
        check("bytes", text.len(), REQUEST_BYTES_MAX)?;
        let text = text.trim();
        if payment_request_bech32::is_bech32(text) {
            let request = payment_request_bech32::decode(text)?;
            request.check_sizes()?;
            return Ok(request);
        }
        let encoded = text.strip_prefix(PREFIX).ok_or(Error::ChallengeMalformed(
            "it begins with neither creqA nor creqb1",
        ))?;
        let cbor = from_base64(encoded).ok_or(Error::ChallengeMalformed("it is not base64"))?;
        let request: Self =
            from_cbor(&cbor).ok_or(Error::ChallengeMalformed("it is not a NUT-18 CBOR map"))?;
        request.check_sizes()?;
        Ok(request)
    }

    fn check_sizes(&self) -> Result<(), Error> {
        check("mints", self.mints.len(), REQUEST_MINTS_MAX)?;
        check("transports", self.transports.len(), REQUEST_TRANSPORTS_MAX)?;
        for text in [&self.id, &self.unit, &self.description]
            .into_iter()
            .flatten()
        {
            check_text(text)?;
        }
        self.mints.iter().try_for_each(|mint| check_text(mint))?;
        for transport in &self.transports {
            check_text(&transport.kind)?;
            check_text(&transport.target)?;
            check_tags(&transport.tags)?;
        }
        let Some(lock) = &self.nut10 else {
            return Ok(());
        };
        check_text(&lock.kind)?;
        check_text(&lock.data)?;
        check_tags(&lock.tags)
    }
}

fn check_tags(tags: &[Vec<String>]) -> Result<(), Error> {
    check("tags", tags.len(), TAGS_MAX)?;
    for tag in tags {
        check("tag values", tag.len(), TAGS_MAX)?;
        tag.iter().try_for_each(|value| check_text(value))?;
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), Error> {
    check("characters in one field", text.len(), TEXT_BYTES_MAX)
}

fn check(what: &'static str, len: usize, max: usize) -> Result<(), Error> {
    if len > max {
        return Err(Error::ChallengeTooLarge { what, max });
    }
    Ok(())
}
