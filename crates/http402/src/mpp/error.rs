//! What can go wrong with the `Payment` scheme, with a stable code, a problem type and a hint.

use crate::Problem;

/// Why a credential was refused, or why a challenge can't be met.
///
/// No variant carries a preimage or a part of a token: errors are logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // What a seller finds wrong with a credential.
    /// The credential is bigger than a seller reads.
    #[error("the credential has too many {what} (at most {max})")]
    CredentialTooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many are read.
        max: usize,
    },
    /// The credential can't be read.
    #[error("the credential cannot be read: {0}")]
    CredentialMalformed(&'static str),
    /// The challenge in the credential was not issued here, or something in it was changed.
    #[error("the credential answers a challenge that was not issued here")]
    ChallengeUnknown,
    /// The challenge in the credential is for something else that is sold here.
    #[error("the credential answers a challenge for something else")]
    ChallengeElsewhere,
    /// The challenge's time is over.
    #[error("the challenge has expired")]
    ChallengeExpired,
    /// The request's body is not the one that the challenge was issued for.
    #[error("the request's body is not the one that was priced")]
    DigestMismatch,
    /// The preimage is not that of the payment hash.
    #[error("the preimage does not belong to the payment")]
    PreimageInvalid,
    /// What was paid is less than the price.
    #[error("{given_sat} sat were paid, the price is {price_sat} sat")]
    PaidTooLittle {
        /// What was paid.
        given_sat: u64,
        /// What it costs.
        price_sat: u64,
    },
    /// The ecash in the credential doesn't fit.
    #[error("the ecash was refused: {0}")]
    Ecash(#[source] crate::Error),
    /// The payment was used before.
    #[error("the payment has been used already")]
    PaymentUsed,

    // What is wrong with a session.
    /// There is no such session.
    #[error("there is no such session")]
    SessionNotFound,
    /// The session is over.
    #[error("the session is closed")]
    SessionClosed,
    /// The session exists, and was opened with another payment.
    #[error("a session with this secret exists, opened with another payment")]
    SessionExists,
    /// The session's rest doesn't suffice.
    #[error("the session has {rest_sat} sat left, and {required_sat} sat are needed")]
    InsufficientBalance {
        /// What is left.
        rest_sat: u64,
        /// What is needed.
        required_sat: u64,
    },
    /// The session has had as many top-ups as it may.
    #[error("the session had as many top-ups as it may have (at most {max})")]
    TooManyTopUps {
        /// How many there may be.
        max: usize,
    },
    /// The invoice for the rest is no invoice without an amount, or of another network.
    #[error("the return invoice cannot be used: {0}")]
    ReturnInvoiceInvalid(&'static str),
    /// No such deposit is under way.
    #[error("no such deposit is under way in this session")]
    DepositUnknown,

    // What a buyer finds wrong with a challenge.
    /// 402 without a challenge that can be read here.
    #[error("payment is required, but no Payment challenge is offered that is known here")]
    ChallengeMissing,
    /// The challenge can't be read, or contradicts itself.
    #[error("the challenge cannot be used: {0}")]
    ChallengeMalformed(&'static str),
    /// The receipt can't be read.
    #[error("the receipt cannot be read: {0}")]
    ReceiptMalformed(&'static str),
    /// The step doesn't fit the state that the buyer's session is in.
    #[error("the session is not in a state for this: {0}")]
    OutOfOrder(&'static str),

    // What is wrong on this side.
    /// The offer that a seller made of its own settings, or its invoice, makes no sense.
    #[error("the offer is not valid: {0}")]
    OfferInvalid(&'static str),
}

impl Error {
    /// A stable name for programs: it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::CredentialTooLarge { .. } => "credential_too_large",
            Self::CredentialMalformed(_) => "credential_malformed",
            Self::ChallengeUnknown => "challenge_unknown",
            Self::ChallengeElsewhere => "challenge_elsewhere",
            Self::ChallengeExpired => "challenge_expired",
            Self::DigestMismatch => "digest_mismatch",
            Self::PreimageInvalid => "preimage_invalid",
            Self::PaidTooLittle { .. } => "paid_too_little",
            Self::Ecash(error) => error.code(),
            Self::PaymentUsed => "payment_used",
            Self::SessionNotFound => "session_not_found",
            Self::SessionClosed => "session_closed",
            Self::SessionExists => "session_exists",
            Self::InsufficientBalance { .. } => "insufficient_balance",
            Self::TooManyTopUps { .. } => "too_many_top_ups",
            Self::ReturnInvoiceInvalid(_) => "return_invoice_invalid",
            Self::DepositUnknown => "deposit_unknown",
            Self::ChallengeMissing => "payment_challenge_missing",
            Self::ChallengeMalformed(_) => "payment_challenge_malformed",
            Self::ReceiptMalformed(_) => "receipt_malformed",
            Self::OutOfOrder(_) => "session_out_of_order",
            Self::OfferInvalid(_) => "payment_offer_invalid",
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::CredentialTooLarge { .. } | Self::CredentialMalformed(_) => {
                "send `Authorization: Payment` and the credential as unpadded base64url JSON"
            }
            Self::ChallengeUnknown => {
                "echo the challenge exactly as it came, to the server that it came from"
            }
            Self::ChallengeElsewhere => {
                "pay the challenge that came in answer to this very request"
            }
            Self::ChallengeExpired => "pay the fresh challenge in this answer, and sooner",
            Self::DigestMismatch => {
                "repeat the request with exactly the body that was refused with 402"
            }
            Self::PreimageInvalid => {
                "send the preimage of the challenge's own invoice, as 64 hexadecimal digits"
            }
            Self::PaidTooLittle { .. } => "pay the fresh challenge in this answer",
            Self::Ecash(error) => error.hint(),
            Self::PaymentUsed => {
                "a payment buys one answer or one deposit: pay the fresh challenge"
            }
            Self::SessionNotFound => "open a session by paying the challenge in this answer",
            Self::SessionClosed => {
                "open a new session; a payment that was meant to top this one up can open it"
            }
            Self::SessionExists => "draw a new secret for each session, or top the old one up",
            Self::InsufficientBalance { .. } => {
                "top the session up by paying the challenge in this answer"
            }
            Self::TooManyTopUps { .. } => "close the session, and open one with a larger deposit",
            Self::ReturnInvoiceInvalid(_) => {
                "send an invoice without an amount, of the deposit's network, that lives for a month"
            }
            Self::DepositUnknown => {
                "look the deposit up by its id; it was credited or refused before"
            }
            Self::ChallengeMissing => "ask the seller which ways to pay it accepts",
            Self::ChallengeMalformed(_) | Self::ReceiptMalformed(_) => {
                "report it to the seller, and pay nothing"
            }
            Self::OutOfOrder(_) => "resume the session from what was stored last",
            Self::OfferInvalid(_) => "correct the offer's price, names or invoice in the settings",
        }
    }

    /// The problem type (RFC 9457) that the drafts give to it.
    pub fn problem_type(&self) -> &'static str {
        match self {
            Self::CredentialTooLarge { .. } | Self::CredentialMalformed(_) => {
                "https://paymentauth.org/problems/lightning/malformed-credential"
            }
            Self::ChallengeUnknown | Self::ChallengeElsewhere | Self::PaymentUsed => {
                "https://paymentauth.org/problems/lightning/unknown-challenge"
            }
            Self::ChallengeExpired => {
                "https://paymentauth.org/problems/lightning/challenge-expired"
            }
            Self::PreimageInvalid => "https://paymentauth.org/problems/lightning/invalid-preimage",
            Self::SessionNotFound => "https://paymentauth.org/problems/lightning/session-not-found",
            Self::SessionClosed => "https://paymentauth.org/problems/lightning/session-closed",
            Self::InsufficientBalance { .. } => {
                "https://paymentauth.org/problems/lightning/insufficient-balance"
            }
            Self::ReturnInvoiceInvalid(_) => {
                "https://paymentauth.org/problems/lightning/invalid-return-invoice"
            }
            Self::PaidTooLittle { .. } => "https://paymentauth.org/problems/payment-insufficient",
            _ => "https://paymentauth.org/problems/verification-failed",
        }
    }

    /// The body of the 402 that answers a refused credential. Beside it go a fresh challenge and
    /// `Cache-Control: no-store`.
    pub fn problem(&self, price_sat: u64) -> Problem {
        Problem {
            kind: self.problem_type(),
            detail: self.to_string(),
            code: self.code(),
            hint: self.hint(),
            ..Problem::payment_required(price_sat, super::SAT)
        }
    }
}
