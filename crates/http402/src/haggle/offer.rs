//! What buyer and seller may agree on, signed by the seller.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::Error;
use crate::base64::to_base64url;
use crate::hmac::Key;

/// What every signed message begins with, so that the key signs nothing else.
const DOMAIN: &[u8; 17] = b"payment-haggle-v1";

/// The terms of an offer. Prices are for the whole quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// What the buyer tells its negotiations apart by: random.
    pub nonce: [u8; 16],
    /// Which bid this answers, from 1.
    pub round: u32,
    /// How many units are bought.
    pub quantity: u64,
    /// What the buyer bid.
    pub bid_msat: u64,
    /// What the seller asks.
    pub price_msat: u64,
    /// The first second in which the offer isn't firm any more.
    pub expires_unix_s: u64,
}

impl Terms {
    /// What is signed: 69 bytes, numbers big-endian, and the resource's name.
    fn message(&self, resource: &str) -> Vec<u8> {
        let mut message = Vec::with_capacity(69 + resource.len());
        message.extend(DOMAIN);
        message.extend(self.nonce);
        message.extend(self.round.to_be_bytes());
        let numbers = [
            self.quantity,
            self.bid_msat,
            self.price_msat,
            self.expires_unix_s,
        ];
        message.extend(numbers.into_iter().flat_map(u64::to_be_bytes));
        message.extend(resource.as_bytes());
        message
    }

    pub(super) fn sign(self, key: &Key, resource: &str) -> Offer {
        Offer {
            id: OfferId(key.sign(&self.message(resource))),
            terms: self,
        }
    }
}

/// The seller's signature under [`Terms`], by which an offer is also known.
///
/// It binds the payment to what was agreed:
///
/// - L402: it is the macaroon's token id.
/// - MPP: [`OfferId::to_mpp_opaque`] is the challenge's `opaque`.
/// - X-Cashu: its text is the payment request's id (NUT-18 `i`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OfferId(pub [u8; 32]);

impl OfferId {
    /// The value of `opaque`: base64url of `{"haggle":"<id>"}`, which is
    /// canonical JSON.
    pub fn to_mpp_opaque(&self) -> String {
        to_base64url(format!("{{\"haggle\":\"{self}\"}}").as_bytes())
    }
}

/// 43 characters of base64url.
impl fmt::Display for OfferId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base64url(&self.0))
    }
}

/// Terms with their seller's signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// The terms.
    pub terms: Terms,
    /// Their signature.
    pub id: OfferId,
}

impl Offer {
    /// Whether the key has signed these terms for this resource, and they still
    /// hold.
    pub(super) fn check(&self, key: &Key, resource: &str, now_unix_s: u64) -> Result<(), Error> {
        let expected = self.terms.sign(key, resource).id;
        if !bool::from(expected.0.ct_eq(&self.id.0)) {
            return Err(Error::OfferUnknown);
        }
        let expires_unix_s = self.terms.expires_unix_s;
        if now_unix_s >= expires_unix_s {
            return Err(Error::OfferExpired {
                expires_unix_s,
                now_unix_s,
            });
        }
        Ok(())
    }
}
