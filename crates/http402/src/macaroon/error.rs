//! What can be wrong with a macaroon.

/// Why a macaroon cannot be read, extended or believed. Carries no part of it:
/// a macaroon that was paid for is worth money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MacaroonError {
    /// It is bigger than what is read or written.
    #[error("the macaroon has too many {what} (at most {max})")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        max: usize,
    },
    /// It is not a V2 macaroon.
    #[error("the macaroon cannot be read: {0}")]
    Malformed(&'static str),
    /// The chain of signatures does not end as it should.
    #[error("the macaroon was not minted here, or was changed")]
    SignatureInvalid,
    /// It has a caveat that only a third party could discharge.
    #[error("the macaroon has a third-party caveat")]
    ThirdPartyCaveat,
}

impl MacaroonError {
    /// A stable name for programs: it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "macaroon_too_large",
            Self::Malformed(_) => "macaroon_malformed",
            Self::SignatureInvalid => "macaroon_signature_invalid",
            Self::ThirdPartyCaveat => "macaroon_third_party_caveat",
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "use the macaroon with fewer or shorter caveats",
            Self::Malformed(_) => "send a macaroon of format V2 in base64, as it was issued",
            Self::SignatureInvalid => "pay for a new one: this server cannot have issued it",
            Self::ThirdPartyCaveat => "use the macaroon as it was before that caveat was added",
        }
    }
}
