//! What can be wrong with what is sold, or with how it was paid for.

use http402::{door, l402, mpp};
use wallet::ecash::EcashError;

/// Why something can't be sold, or why a payment doesn't open the door.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SellError {
    /// The owner's offer makes no sense.
    #[error("this can't be offered: {0}")]
    OfferInvalid(&'static str),
    /// There are too many offers.
    #[error("there are {0} offers already")]
    TooManyOffers(usize),
    /// More than one payment came with the request, or one that is too large to be read.
    #[error(transparent)]
    Presented(#[from] door::Error),
    /// A header can't be read as text.
    #[error("the {0} header is no text")]
    HeaderMalformed(&'static str),
    /// The payment was used before.
    #[error("the payment has been used already")]
    PaymentUsed,
    /// The payment's preimage is right, and its money isn't booked here.
    #[error("the payment hasn't arrived in the books yet")]
    PaymentNotBooked,
    /// The token didn't pay.
    #[error("the ecash was refused: {0}")]
    Ecash(#[from] http402::Error),
    /// The token is no good at its mint.
    #[error(transparent)]
    Token(EcashError),
    /// Far more money than the price.
    #[error("the token is worth {given_sat} sat, far above the price of {price_sat} sat")]
    PaymentTooMuch {
        /// The token's worth.
        given_sat: u64,
        /// The price of the call.
        price_sat: u64,
    },
    /// The macaroon or its preimage is wrong.
    #[error(transparent)]
    L402(#[from] l402::Error),
    /// The `Payment` credential is wrong, or its session doesn't pay.
    #[error(transparent)]
    Mpp(#[from] mpp::Error),
    /// The return invoice is used for something else.
    #[error("the return invoice was used before")]
    ReturnInvoiceUsed,
    /// The session has calls under way.
    #[error("the session has calls under way")]
    SessionBusy,
    /// A deposit is being redeemed at its mint.
    #[error("the mint hasn't said yet whether the deposit is good")]
    DepositPending,
    /// A session's rest is on its way back.
    #[error("the session is closed, and its rest is on its way back")]
    RefundPending,
    /// The call that the payment buys is being made.
    #[error("the call that this payment buys is still under way")]
    CallUnderWay,
    /// The upstream doesn't answer.
    #[error("the service behind this door doesn't answer: {0}")]
    UpstreamUnreachable(&'static str),
    /// The upstream failed.
    #[error("the service behind this door failed with status {0}")]
    UpstreamFailed(u16),
    /// The tool that was called says that it failed.
    #[error("the tool failed")]
    ToolFailed,
    /// A call was paid and cut off, and nobody came back for it.
    #[error("the call was cut off")]
    Interrupted,
}

impl SellError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::OfferInvalid(_) => "offer_invalid",
            Self::TooManyOffers(_) => "offers_too_many",
            Self::Presented(error) => error.code(),
            Self::HeaderMalformed(_) => "header_malformed",
            Self::PaymentUsed => "payment_used",
            Self::PaymentNotBooked => "payment_not_booked",
            Self::Ecash(error) => error.code(),
            Self::Token(error) => error.code(),
            Self::PaymentTooMuch { .. } => "payment_too_much",
            Self::L402(error) => error.code(),
            Self::Mpp(error) => error.code(),
            Self::ReturnInvoiceUsed => "return_invoice_used",
            Self::SessionBusy => "session_busy",
            Self::DepositPending => "deposit_pending",
            Self::RefundPending => "refund_pending",
            Self::CallUnderWay => "call_under_way",
            Self::UpstreamUnreachable(_) => "upstream_unreachable",
            Self::UpstreamFailed(_) => "upstream_failed",
            Self::ToolFailed => "tool_failed",
            Self::Interrupted => "call_interrupted",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::OfferInvalid(_) => "see `freehold sell --help`",
            Self::TooManyOffers(_) => "remove some with `freehold sell remove`",
            Self::Presented(error) => error.hint(),
            Self::HeaderMalformed(_) => "send it as visible ASCII",
            Self::PaymentUsed => "pay one of the fresh challenges in this answer",
            Self::PaymentNotBooked => {
                "send the same request again in a moment: the payment is good"
            }
            Self::Ecash(error) => error.hint(),
            Self::Token(error) => error.hint(),
            Self::PaymentTooMuch { .. } => "send a token close to the price; nothing was taken",
            Self::L402(error) => error.hint(),
            Self::Mpp(error) => error.hint(),
            Self::ReturnInvoiceUsed => "make a new invoice for the session's rest",
            Self::SessionBusy => "close it when they are answered",
            Self::DepositPending | Self::RefundPending => {
                "send the same request again in a moment; nothing is lost"
            }
            Self::CallUnderWay => {
                "send the same request again in a moment: if that call breaks off, the payment is good"
            }
            Self::UpstreamUnreachable(_) | Self::UpstreamFailed(_) | Self::ToolFailed => {
                "the call isn't charged: what was paid is in this answer, or still good"
            }
            Self::Interrupted => "what was paid is in the X-Cashu header",
        }
    }

    /// The status that goes with it.
    #[must_use]
    pub fn http_status(&self) -> u16 {
        match self {
            Self::OfferInvalid(_) | Self::HeaderMalformed(_) => 400,
            Self::Token(_) | Self::PaymentTooMuch { .. } => 400,
            Self::Presented(error) => error.http_status(),
            Self::TooManyOffers(_) | Self::SessionBusy => 409,
            Self::PaymentUsed | Self::Mpp(_) | Self::ReturnInvoiceUsed => 402,
            Self::Ecash(error) => error.http_status(),
            Self::L402(error) => error.http_status(),
            Self::PaymentNotBooked | Self::DepositPending | Self::RefundPending => 503,
            Self::CallUnderWay => 503,
            Self::UpstreamUnreachable(_) | Self::UpstreamFailed(_) => 502,
            Self::ToolFailed | Self::Interrupted => 502,
        }
    }

    /// The problem type (RFC 9457).
    pub(super) fn problem_type(&self) -> &'static str {
        match self {
            Self::Mpp(error) => error.problem_type(),
            Self::PaymentUsed => mpp::Error::PaymentUsed.problem_type(),
            _ => "about:blank",
        }
    }

    /// Whether another payment would help, so that the answer has challenges.
    pub(super) const fn asks_for_payment(&self) -> bool {
        matches!(
            self,
            Self::PaymentUsed
                | Self::Ecash(_)
                | Self::Token(_)
                | Self::PaymentTooMuch { .. }
                | Self::L402(_)
                | Self::Mpp(_)
                | Self::ReturnInvoiceUsed
        )
    }
}
