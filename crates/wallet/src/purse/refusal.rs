//! Why a payment isn't allowed.

use super::Rate;
use crate::display_msat as display;

/// Which rule of a policy, or of a narrowed token, forbids a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Too much for one payment.
    #[error("{} are more than the {} allowed in one payment", display(*wanted_msat), display(*limit_msat))]
    PerPayment {
        /// What was asked for.
        wanted_msat: u64,
        /// The limit.
        limit_msat: u64,
    },
    /// Too much for the last 60 minutes.
    #[error("{} are more than the {} left of {} in 60 minutes", display(*wanted_msat), display(*left_msat), display(*limit_msat))]
    PerHour {
        /// What was asked for.
        wanted_msat: u64,
        /// What is left.
        left_msat: u64,
        /// The limit.
        limit_msat: u64,
    },
    /// Too much for the last 24 hours.
    #[error("{} are more than the {} left of {} in 24 hours", display(*wanted_msat), display(*left_msat), display(*limit_msat))]
    PerDay {
        /// What was asked for.
        wanted_msat: u64,
        /// What is left.
        left_msat: u64,
        /// The limit.
        limit_msat: u64,
    },
    /// Too much in total.
    #[error("{} are more than the {} left of {} in total", display(*wanted_msat), display(*left_msat), display(*limit_msat))]
    Total {
        /// What was asked for.
        wanted_msat: u64,
        /// What is left.
        left_msat: u64,
        /// The limit.
        limit_msat: u64,
    },
    /// Too many payments.
    #[error("no more than {0} payments are allowed")]
    Rate(Rate),
    /// The time is over.
    #[error("the permission to spend has expired")]
    Expired,
    /// Not a host that may be paid.
    #[error("requests to this host may not be paid for")]
    Host,
    /// Not a method that may be paid for.
    #[error("requests with this method may not be paid for")]
    Method,
    /// Not somebody who may be paid.
    #[error("this recipient may not be paid")]
    Payee,
}

impl PolicyError {
    /// A stable, machine-readable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PerPayment { .. } => "budget_per_payment",
            Self::PerHour { .. } => "budget_per_hour",
            Self::PerDay { .. } => "budget_per_day",
            Self::Total { .. } => "budget_total",
            Self::Rate(_) => "policy_rate",
            Self::Expired => "policy_expired",
            Self::Host => "policy_host",
            Self::Method => "policy_method",
            Self::Payee => "policy_payee",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::PerPayment { .. } => {
                "ask for less (for example a smaller max_tokens), or have the owner raise --per-payment-sat with \
                 `freehold purse policy`"
            }
            Self::PerHour { .. } => {
                "wait until earlier payments are an hour old, or have the owner raise --per-hour-sat with \
                 `freehold purse policy`"
            }
            Self::PerDay { .. } => {
                "wait until earlier payments are 24 hours old, or have the owner raise --per-day-sat with \
                 `freehold purse policy`"
            }
            Self::Total { .. } => "have the owner raise --total-sat with `freehold purse policy`",
            Self::Rate(_) => {
                "wait, and pay less often; the owner sets --rate with `freehold purse policy`"
            }
            Self::Expired => {
                "ask for a new token, or have the owner move --expires with `freehold purse policy`"
            }
            Self::Host => "the owner sets --host with `freehold purse policy`",
            Self::Method => "the owner sets --method with `freehold purse policy`",
            Self::Payee => "the owner sets --payee with `freehold purse policy`",
        }
    }
}
