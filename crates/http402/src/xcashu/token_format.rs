//! The two token formats, read into one shape: V4 is CBOR (`cashuB…`), V3 is
//! JSON (`cashuA…`) (NUT-00).
//!
//! Nothing here derives `Debug`: these values hold secrets, so money.

use std::fmt;

use serde::{Deserialize, Deserializer, de};

use super::encoding::from_cbor;
use crate::Error;
use crate::base64::from_base64;

/// A token's contents, format forgotten, nothing checked.
pub(super) struct Contents {
    pub mints: Vec<String>,
    pub unit: String,
    pub memo: Option<String>,
    pub proofs: Vec<Proof>,
}

/// One proof. The amount is wider than any valid one, so that a negative or an
/// overlong number gets an error of its own.
pub(super) struct Proof {
    pub keyset_id: String,
    pub amount: i128,
    pub secret: String,
}

impl Contents {
    /// Reads a token's text, whose length the caller has bounded.
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        let malformed = Error::PaymentMalformed;
        let base64 = |text| from_base64(text).ok_or(malformed("it is not base64"));
        if let Some(encoded) = text.strip_prefix("cashuB") {
            from_cbor::<TokenV4>(&base64(encoded)?)
                .map(Self::from)
                .ok_or(malformed("it is not a V4 token"))
        } else if let Some(encoded) = text.strip_prefix("cashuA") {
            serde_json::from_slice::<TokenV3>(&base64(encoded)?)
                .map(Self::from)
                .map_err(|_| malformed("it is not a V3 token"))
        } else {
            Err(malformed("it begins with neither cashuB nor cashuA"))
        }
    }
}

#[derive(Deserialize)]
struct TokenV4 {
    #[serde(rename = "m")]
    mint: String,
    #[serde(rename = "u")]
    unit: String,
    #[serde(rename = "d")]
    memo: Option<String>,
    #[serde(rename = "t")]
    groups: Vec<GroupV4>,
}

/// Proofs of one keyset.
#[derive(Deserialize)]
struct GroupV4 {
    #[serde(rename = "i")]
    keyset_id: Bytes,
    #[serde(rename = "p")]
    proofs: Vec<ProofV4>,
}

#[derive(Deserialize)]
struct ProofV4 {
    #[serde(rename = "a")]
    amount: i128,
    #[serde(rename = "s")]
    secret: String,
}

impl From<TokenV4> for Contents {
    fn from(token: TokenV4) -> Self {
        let proofs = token.groups.into_iter().flat_map(|group| {
            let keyset_id = hex::encode(group.keyset_id.0);
            group.proofs.into_iter().map(move |proof| Proof {
                keyset_id: keyset_id.clone(),
                amount: proof.amount,
                secret: proof.secret,
            })
        });
        Self {
            proofs: proofs.collect(),
            mints: vec![token.mint],
            unit: token.unit,
            memo: token.memo,
        }
    }
}

#[derive(Deserialize)]
struct TokenV3 {
    token: Vec<EntryV3>,
    unit: Option<String>,
    memo: Option<String>,
}

/// Proofs of one mint.
#[derive(Deserialize)]
struct EntryV3 {
    mint: String,
    proofs: Vec<ProofV3>,
}

#[derive(Deserialize)]
struct ProofV3 {
    amount: i128,
    #[serde(rename = "id")]
    keyset_id: String,
    secret: String,
}

impl From<TokenV3> for Contents {
    fn from(token: TokenV3) -> Self {
        let mut mints = Vec::new();
        let mut proofs = Vec::new();
        for entry in token.token {
            mints.push(entry.mint);
            proofs.extend(entry.proofs.into_iter().map(|proof| Proof {
                keyset_id: proof.keyset_id,
                amount: proof.amount,
                secret: proof.secret,
            }));
        }
        // V3 tokens without a unit are older than units, and mean sat.
        let unit = token.unit.unwrap_or_else(|| "sat".to_owned());
        Self {
            mints,
            unit,
            memo: token.memo,
            proofs,
        }
    }
}

/// A CBOR byte string. Serde on its own would read a list of numbers.
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

struct BytesVisitor;

impl de::Visitor<'_> for BytesVisitor {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a byte string")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }

    fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
        Ok(Bytes(bytes))
    }
}
