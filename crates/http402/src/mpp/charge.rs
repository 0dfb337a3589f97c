//! The seller's side of one payment for one request.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::json;

use super::{
    CHARGE, Challenge, ChallengeKeys, ChargeRequest, Credential, Error, InvoiceHead, LIGHTNING,
    MethodDetails, PaymentHash, Preimage, Receipt, SAT, canonical_json, content_digest,
    from_rfc3339, to_base64url, to_rfc3339,
};
use crate::haggle::OfferId;

/// What is sold for one Lightning payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeOffer {
    /// Names what is sold, such as `POST /v1/chat/completions`: a payment for one thing buys no other.
    pub id: String,
    /// The protection space, usually the host's name.
    pub realm: String,
    /// The price of this request.
    pub price_sat: u64,
    /// What it is, for people.
    pub description: Option<String>,
    /// The network's name, such as `mainnet`.
    pub network: Option<String>,
    /// What the price was agreed on in, if it was haggled over: the challenge is bound to that instead of `id`, which
    /// the agreement is for.
    pub agreed: Option<OfferId>,
}

/// An invoice of the seller's own node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// The invoice (BOLT 11).
    pub bolt11: String,
    /// Its payment hash.
    pub payment_hash: PaymentHash,
    /// When it, and so the challenge, ends (Unix seconds). A payment that arrives later buys nothing: let the
    /// invoice end first.
    pub expires_at_s: u64,
}

/// What the seller does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing was paid: get an invoice, and answer 402 with [`ChargeOffer::challenge`].
    Challenge,
    /// It was paid. Record in one atomic step that this payment hash is used, *then* do the work; if it was
    /// used before, answer with the stored answer, or with [`Error::PaymentUsed`].
    Consume(Paid),
    /// The credential doesn't fit: answer 402 with [`Error::problem`] and a fresh challenge.
    Refuse(Error),
}

/// A payment that proves itself. It may have been used before: only the caller's storage knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// What makes it unique.
    pub payment_hash: PaymentHash,
    /// The challenge that it answers.
    pub challenge_id: String,
    /// What was paid.
    pub amount_sat: u64,
    /// Who says to have paid. Nothing vouches for it.
    pub source: Option<String>,
}

impl Paid {
    /// The receipt for it.
    pub fn receipt(&self, now_s: u64) -> Receipt {
        Receipt {
            method: LIGHTNING.to_owned(),
            challenge_id: Some(self.challenge_id.clone()),
            reference: self.payment_hash.to_string(),
            status: "success".to_owned(),
            timestamp: to_rfc3339(now_s),
            refund_sats: None,
            refund_status: None,
        }
    }
}

#[derive(Deserialize)]
struct ChargePayload {
    preimage: Preimage,
}

impl ChargeOffer {
    /// The challenge for an invoice over the offer's price. With `body`, only this very body can be paid with it.
    pub fn challenge(
        &self,
        keys: &ChallengeKeys,
        invoice: &Invoice,
        body: Option<&[u8]>,
    ) -> Result<Challenge, Error> {
        let head = InvoiceHead::parse(&invoice.bolt11)
            .ok_or(Error::OfferInvalid("its invoice cannot be read"))?;
        if head.amount_sat() != Some(self.price_sat) || self.price_sat == 0 {
            return Err(Error::OfferInvalid("its invoice is not over its price"));
        }
        let request = ChargeRequest {
            amount_sat: self.price_sat,
            currency: SAT.to_owned(),
            description: self.description.clone(),
            method_details: MethodDetails {
                invoice: invoice.bolt11.clone(),
                payment_hash: Some(invoice.payment_hash),
                network: self.network.clone(),
            },
        };
        keys.sign(Challenge {
            realm: self.realm.clone(),
            method: LIGHTNING.to_owned(),
            intent: CHARGE.to_owned(),
            request: request.encode()?,
            expires: Some(to_rfc3339(invoice.expires_at_s)),
            digest: body.map(content_digest),
            description: self.description.clone(),
            opaque: Some(self.opaque()?),
            ..Challenge::default()
        })
    }

    fn opaque(&self) -> Result<String, Error> {
        match &self.agreed {
            Some(agreed) => Ok(agreed.to_mpp_opaque()),
            None => opaque(&self.id),
        }
    }

    /// Decides on a request by its `Authorization` header, if that is of this scheme, and its body.
    pub fn decide(
        &self,
        keys: &ChallengeKeys,
        authorization: Option<&str>,
        body: &[u8],
        now_s: u64,
    ) -> Decision {
        let Some(header) = authorization else {
            return Decision::Challenge;
        };
        match Credential::parse(header)
            .and_then(|credential| self.verify(keys, &credential, body, now_s))
        {
            Ok(paid) => Decision::Consume(paid),
            Err(error) => Decision::Refuse(error),
        }
    }

    /// Checks a credential, however it came.
    pub fn verify(
        &self,
        keys: &ChallengeKeys,
        credential: &Credential,
        body: &[u8],
        now_s: u64,
    ) -> Result<Paid, Error> {
        let opaque = self.opaque()?;
        let challenge = completed(&credential.challenge, &opaque);
        let challenge = with_digest(keys, challenge, body);
        let challenge = challenge.as_ref();
        check_ours(keys, challenge, &self.realm, &opaque)?;
        if challenge.method != LIGHTNING || challenge.intent != CHARGE {
            return Err(Error::ChallengeElsewhere);
        }
        if let Some(digest) = &challenge.digest
            && *digest != content_digest(body)
        {
            return Err(Error::DigestMismatch);
        }
        if has_expired(challenge, now_s) {
            return Err(Error::ChallengeExpired);
        }
        let request = ChargeRequest::decode(&challenge.request)?;
        // A digest ties the challenge to a body, and so to the price that was computed for it: that price holds,
        // even if prices have risen since. Without one, a cheap request's payment must not buy a dear one.
        if challenge.digest.is_none() && request.amount_sat < self.price_sat {
            return Err(Error::PaidTooLittle {
                given_sat: request.amount_sat,
                price_sat: self.price_sat,
            });
        }
        let payload: ChargePayload = credential.payload()?;
        let payment_hash = payload.preimage.hash();
        if request.method_details.payment_hash != Some(payment_hash) {
            return Err(Error::PreimageInvalid);
        }
        Ok(Paid {
            payment_hash,
            challenge_id: challenge.id.clone(),
            amount_sat: request.amount_sat,
            source: credential.source.clone(),
        })
    }
}

/// An echoed challenge with our `opaque`, if it came without.
///
/// Clients in use echo the required parameters and `expires`, and drop the others. We know what we would have
/// written, and the id, which covers it, is right only if we did.
pub(super) fn completed<'a>(challenge: &'a Challenge, opaque: &str) -> Cow<'a, Challenge> {
    if challenge.opaque.is_some() {
        return Cow::Borrowed(challenge);
    }
    Cow::Owned(Challenge {
        opaque: Some(opaque.to_owned()),
        ..challenge.clone()
    })
}

/// The same for `digest`: that of the body at hand, unless the challenge is right without one.
fn with_digest<'a>(
    keys: &ChallengeKeys,
    challenge: Cow<'a, Challenge>,
    body: &[u8],
) -> Cow<'a, Challenge> {
    if challenge.digest.is_some() || keys.verify(&challenge).is_ok() {
        return challenge;
    }
    let digest = Some(content_digest(body));
    Cow::Owned(Challenge {
        digest,
        ..challenge.into_owned()
    })
}

/// That a challenge was issued here, for this.
pub(super) fn check_ours(
    keys: &ChallengeKeys,
    challenge: &Challenge,
    realm: &str,
    opaque: &str,
) -> Result<(), Error> {
    keys.verify(challenge)?;
    // From here on it is our own text.
    if challenge.realm != realm || challenge.opaque.as_deref() != Some(opaque) {
        return Err(Error::ChallengeElsewhere);
    }
    Ok(())
}

pub(super) fn has_expired(challenge: &Challenge, now_s: u64) -> bool {
    challenge
        .expires
        .as_deref()
        .and_then(from_rfc3339)
        .is_some_and(|expires_at_s| now_s > expires_at_s)
}

/// What we have a buyer echo: which offer it was, as base64url of canonical JSON.
pub(super) fn opaque(offer_id: &str) -> Result<String, Error> {
    canonical_json(&json!({ "offer": offer_id }))
        .map(to_base64url)
        .ok_or(Error::OfferInvalid("its id cannot be written"))
}
