//! What can go wrong between buyer and seller.

/// Why a header cannot be read, or an offer not be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A header is longer than what is read.
    #[error("the header is longer than {max} bytes")]
    TooLarge {
        /// How long it may be.
        max: usize,
    },
    /// A header cannot be read.
    #[error("the header cannot be read: {0}")]
    Malformed(&'static str),
    /// The seller did not make this offer, or not for this.
    #[error("this seller has not made this offer for what is asked for")]
    OfferUnknown,
    /// The offer is no longer firm.
    #[error("the offer was firm until {expires_unix_s}, and it is {now_unix_s}")]
    OfferExpired {
        /// The first second in which it isn't.
        expires_unix_s: u64,
        /// The time at which it was used.
        now_unix_s: u64,
    },
    /// The seller's answer does not follow from the buyer's bid.
    #[error("the seller's answer breaks the rules: {0}")]
    AnswerInconsistent(&'static str),
    /// A policy or a plan makes no sense.
    #[error("the terms to haggle by are not valid: {0}")]
    LimitsInvalid(&'static str),
}

impl Error {
    /// A stable name for programs: it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "haggle_too_large",
            Self::Malformed(_) => "haggle_malformed",
            Self::OfferUnknown => "haggle_offer_unknown",
            Self::OfferExpired { .. } => "haggle_offer_expired",
            Self::AnswerInconsistent(_) => "haggle_answer_inconsistent",
            Self::LimitsInvalid(_) => "haggle_limits_invalid",
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Malformed(_) => "write it as docs/haggle.md has it",
            Self::OfferUnknown => "return the seller's offer as it came, for the same request",
            Self::OfferExpired { .. } => "begin again with a new bid",
            Self::AnswerInconsistent(_) => "do not pay: buy at the list price, or elsewhere",
            Self::LimitsInvalid(_) => "correct the prices, rounds, quantity or discounts",
        }
    }
}
