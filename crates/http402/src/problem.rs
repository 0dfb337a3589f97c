//! The body that goes with a 402 or a refused payment (RFC 9457).

use serde::Serialize;

use crate::Error;

/// The media type of a [`Problem`].
pub const PROBLEM_CONTENT_TYPE: &str = "application/problem+json";

/// A problem details object (RFC 9457) about a payment.
///
/// Programs tell problems apart by `code`. `type` is `about:blank`, so that no
/// address has to stay reachable for ever, except where a protocol gives a type
/// of its own (see [`crate::mpp::Error::problem_type`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `about:blank` (RFC 9457, section 4.2.1), or the protocol's own type.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status' reason phrase.
    pub title: &'static str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// What happened, for people.
    pub detail: String,
    /// What happened, for programs; see [`Error::code`].
    pub code: &'static str,
    /// What to do about it.
    pub hint: &'static str,
    /// What the request costs at most.
    pub price_sat: u64,
    /// The unit of the price.
    pub unit: String,
}

impl Problem {
    /// The body of a 402: no payment came with the request.
    pub fn payment_required(price_sat: u64, unit: &str) -> Self {
        Self {
            kind: "about:blank",
            title: reason_phrase(402),
            status: 402,
            detail: format!("this request costs up to {price_sat} {unit}"),
            code: "payment_required",
            hint: "pay one of the challenges in this answer's headers and send the request again",
            price_sat,
            unit: unit.to_owned(),
        }
    }

    /// The body that says why a payment was refused.
    pub fn refused(error: &Error, price_sat: u64, unit: &str) -> Self {
        Self {
            title: reason_phrase(error.http_status()),
            status: error.http_status(),
            detail: error.to_string(),
            code: error.code(),
            hint: error.hint(),
            ..Self::payment_required(price_sat, unit)
        }
    }
}

fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        402 => "Payment Required",
        403 => "Forbidden",
        422 => "Unprocessable Content",
        502 => "Bad Gateway",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_challenge_reads_like_problem_json() {
        let body = serde_json::to_value(Problem::payment_required(21, "sat")).unwrap();
        assert_eq!(body["type"], "about:blank");
        assert_eq!(body["title"], "Payment Required");
        assert_eq!(body["status"], 402);
        assert_eq!(body["code"], "payment_required");
        assert_eq!(body["price_sat"], 21);
        assert_eq!(body["unit"], "sat");
    }

    #[test]
    fn a_refusal_takes_its_words_from_the_error() {
        let problem = Problem::refused(&Error::PaymentSeveralMints, 21, "sat");
        assert_eq!((problem.status, problem.title), (400, "Bad Request"));
        assert_eq!(problem.code, "payment_several_mints");
    }
}
