//! The buyer's side of a 402: which `Payment` challenges there are, and what they really ask.

use serde_json::json;

use super::charge::has_expired;
use super::limits::CHALLENGES_MAX;
use super::{
    CASHU, CHARGE, Challenge, ChargeRequest, Credential, DepositTerms, Error, LIGHTNING, Preimage,
    SESSION, SessionRequest,
};
use crate::www_authenticate;

/// A challenge that was understood and found consistent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quote {
    /// Pay this, and get this one answer.
    Charge {
        /// The challenge, to be echoed.
        challenge: Challenge,
        /// What it asks.
        request: ChargeRequest,
    },
    /// Deposit this, and pay for many answers.
    Session {
        /// The challenge, to be echoed.
        challenge: Challenge,
        /// What it asks.
        request: SessionRequest,
    },
}

/// The `Payment` challenges in an answer's headers, in their order. Others, incomplete and unreadable ones are
/// skipped. Header names are compared without regard to case.
pub fn challenges<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Challenge> {
    headers
        .into_iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("WWW-Authenticate"))
        .filter_map(|(_, value)| www_authenticate::parse(value).ok())
        .flatten()
        .filter_map(|challenge| Challenge::from_header(&challenge))
        .take(CHALLENGES_MAX)
        .collect()
}

/// Reads what a challenge asks, and refuses it if it has expired, is of an unknown kind or contradicts itself: the
/// amount that it states must be the amount of the invoice that would be paid.
pub fn quote(challenge: Challenge, now_s: u64) -> Result<Quote, Error> {
    if has_expired(&challenge, now_s) {
        return Err(Error::ChallengeExpired);
    }
    match (challenge.method.as_str(), challenge.intent.as_str()) {
        (LIGHTNING, CHARGE) => {
            let request = ChargeRequest::decode(&challenge.request)?;
            Ok(Quote::Charge { challenge, request })
        }
        (LIGHTNING | CASHU, SESSION) => {
            let request = SessionRequest::decode(&challenge.request)?;
            let is_lightning = matches!(request.deposit()?, DepositTerms::Lightning { .. });
            if is_lightning != (challenge.method == LIGHTNING) {
                return Err(Error::ChallengeMalformed(
                    "its deposit is not of its method",
                ));
            }
            Ok(Quote::Session { challenge, request })
        }
        _ => Err(Error::ChallengeMissing),
    }
}

/// The credential for a charge that was paid.
pub fn charge_credential(challenge: &Challenge, preimage: &Preimage) -> Credential {
    Credential {
        challenge: challenge.clone(),
        source: None,
        payload: json!({ "preimage": preimage.to_hex() }),
    }
}
