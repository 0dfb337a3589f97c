//! Everything that can go wrong, with a stable code, an HTTP status and a hint.

/// Why a payment was refused, or why a price cannot be paid.
///
/// No variant carries any part of a token: a token is money, and errors are
/// logged. Text from the other side is bounded, and shown escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // What a seller finds wrong with a payment.
    /// The token is bigger than a seller reads.
    #[error("the payment has too many {what} (at most {max})")]
    PaymentTooLarge {
        /// What there is too much of: bytes, proofs…
        what: &'static str,
        /// How many are read.
        max: usize,
    },
    /// The token cannot be read.
    #[error("the payment cannot be read: {0}")]
    PaymentMalformed(&'static str),
    /// A proof is worth nothing or less, or the sum is more than all bitcoin.
    #[error("the payment has an amount that no proof can have, or its sum is out of range")]
    PaymentAmountInvalid,
    /// The token holds the same secret twice.
    #[error("the payment holds the same proof twice")]
    PaymentDuplicateProof,
    /// The token holds proofs of several mints.
    #[error("the payment mixes proofs of several mints")]
    PaymentSeveralMints,
    /// The proofs are locked (NUT-10), so the seller could not redeem them.
    #[error("the payment is locked, and no lock was asked for")]
    PaymentLocked,
    /// The token is from a mint that the seller does not accept.
    #[error("the payment is from mint {given:?}, which is not accepted here")]
    PaymentWrongMint {
        /// The token's mint.
        given: String,
    },
    /// The token is in another unit than the price.
    #[error("the payment is in {given:?}, the price is in {wanted:?}")]
    PaymentWrongUnit {
        /// The token's unit.
        given: String,
        /// The price's unit.
        wanted: String,
    },
    /// The token is worth less than the price.
    #[error("the payment is {given_sat}, the price is {price_sat}")]
    PaymentTooLittle {
        /// The token's amount, in the price's unit.
        given_sat: u64,
        /// The price.
        price_sat: u64,
    },

    // What a buyer finds wrong with a price.
    /// 402 without a challenge in a protocol that this crate speaks.
    #[error("payment is required, but no way to pay is offered that is known here")]
    ChallengeMissing,
    /// The challenge is bigger than a buyer reads.
    #[error("the payment request has too many {what} (at most {max})")]
    ChallengeTooLarge {
        /// What there is too much of: bytes, mints…
        what: &'static str,
        /// How many are read.
        max: usize,
    },
    /// The challenge cannot be read.
    #[error("the payment request cannot be read: {0}")]
    ChallengeMalformed(&'static str),
    /// The challenge names no amount.
    #[error("the payment request names no amount")]
    AmountMissing,
    /// The challenge wants a unit that the buyer does not have.
    #[error("the price is in {wanted:?}, which this wallet does not hold")]
    UnitUnavailable {
        /// The unit that is asked for; empty if none is named.
        wanted: String,
    },
    /// The buyer uses none of the mints that the seller accepts.
    #[error("the seller accepts none of this wallet's mints")]
    MintUnavailable,
    /// The seller asks for locked proofs (NUT-10), which the buyer cannot make.
    #[error("the seller asks for proofs locked with {kind:?}, which is not supported")]
    LockUnsupported {
        /// The kind of lock: `P2PK`, `HTLC`…
        kind: String,
    },
    /// The price is above the buyer's limit.
    #[error("the price is {amount_sat}, the limit is {max_sat}")]
    PriceAboveLimit {
        /// What the seller asks.
        amount_sat: u64,
        /// What the buyer would pay at most.
        max_sat: u64,
    },

    // What is wrong on this side.
    /// The offer that a seller made of its own settings makes no sense.
    #[error("the offer is not valid: {0}")]
    OfferInvalid(&'static str),
}

impl Error {
    /// A stable name for programs: it never changes once released.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PaymentTooLarge { .. } => "payment_too_large",
            Self::PaymentMalformed(_) => "payment_malformed",
            Self::PaymentAmountInvalid => "payment_amount_invalid",
            Self::PaymentDuplicateProof => "payment_duplicate_proof",
            Self::PaymentSeveralMints => "payment_several_mints",
            Self::PaymentLocked => "payment_locked",
            Self::PaymentWrongMint { .. } => "payment_wrong_mint",
            Self::PaymentWrongUnit { .. } => "payment_wrong_unit",
            Self::PaymentTooLittle { .. } => "payment_too_little",
            Self::ChallengeMissing => "challenge_missing",
            Self::ChallengeTooLarge { .. } => "challenge_too_large",
            Self::ChallengeMalformed(_) => "challenge_malformed",
            Self::AmountMissing => "amount_missing",
            Self::UnitUnavailable { .. } => "unit_unavailable",
            Self::MintUnavailable => "mint_unavailable",
            Self::LockUnsupported { .. } => "lock_unsupported",
            Self::PriceAboveLimit { .. } => "price_above_limit",
            Self::OfferInvalid(_) => "offer_invalid",
        }
    }

    /// What to do about it, in one sentence.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::PaymentTooLarge { .. } => "swap the proofs at the mint for fewer, larger ones",
            Self::PaymentMalformed(_) => "send one cashuB token as the whole X-Cashu header",
            Self::PaymentAmountInvalid => "send proofs that a mint has signed, as they are",
            Self::PaymentDuplicateProof => "send each proof once",
            Self::PaymentSeveralMints => "send proofs of one of the mints in the X-Cashu challenge",
            Self::PaymentLocked => "swap the proofs at the mint for ones without a lock",
            Self::PaymentWrongMint { .. } => "pay with one of the mints in the X-Cashu challenge",
            Self::PaymentWrongUnit { .. } => "pay in the unit of the X-Cashu challenge",
            Self::PaymentTooLittle { .. } => "nothing was taken: pay the whole price in one token",
            Self::ChallengeMissing => "the seller must offer X-Cashu; ask it which ways it accepts",
            Self::ChallengeTooLarge { .. } | Self::ChallengeMalformed(_) => {
                "report it to the seller: the X-Cashu header must be a NUT-18 creqA request"
            }
            Self::AmountMissing => "report it to the seller: NUT-24 wants an amount",
            Self::UnitUnavailable { .. } => "get ecash in this unit, or buy elsewhere",
            Self::MintUnavailable => "trust one of the seller's mints and move money there",
            Self::LockUnsupported { .. } => "ask the seller for an offer without a lock",
            Self::PriceAboveLimit { .. } => "raise the limit if the price is worth it",
            Self::OfferInvalid(_) => "correct the offer's price, unit or mints in the settings",
        }
    }

    /// The status to answer with when this error ends an HTTP request.
    ///
    /// NUT-24 gives 400 to every payment that does not fit. The buyer's errors
    /// are for a gateway that pays on somebody's behalf: 502 if the seller is
    /// at fault, 403 if the limit forbids it, 422 if the wallet cannot.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::PaymentTooLarge { .. }
            | Self::PaymentMalformed(_)
            | Self::PaymentAmountInvalid
            | Self::PaymentDuplicateProof
            | Self::PaymentSeveralMints
            | Self::PaymentLocked
            | Self::PaymentWrongMint { .. }
            | Self::PaymentWrongUnit { .. }
            | Self::PaymentTooLittle { .. } => 400,
            Self::PriceAboveLimit { .. } => 403,
            Self::UnitUnavailable { .. } | Self::MintUnavailable | Self::LockUnsupported { .. } => {
                422
            }
            Self::OfferInvalid(_) => 500,
            Self::ChallengeMissing
            | Self::ChallengeTooLarge { .. }
            | Self::ChallengeMalformed(_)
            | Self::AmountMissing => 502,
        }
    }
}
