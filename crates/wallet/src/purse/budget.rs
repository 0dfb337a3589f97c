//! Budgets: pure decisions, no clock and no database.

use serde::{Deserialize, Serialize};

use crate::display_msat as display;

/// Milliseconds in the window that `per_day_msat` speaks of.
pub const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// What a purse may spend. Fees count, and so does what is only reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// At most this much in one payment.
    pub per_payment_msat: u64,
    /// At most this much in any 24 hours (a sliding window: no double helping at midnight).
    pub per_day_msat: u64,
    /// At most this much ever.
    pub total_msat: u64,
}

/// What a purse has spent or reserved so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spent {
    /// In the last 24 hours.
    pub day_msat: u64,
    /// Ever.
    pub total_msat: u64,
}

/// Which limit forbids a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// Too much for one payment.
    #[error("{} are more than the {} allowed in one payment", display(*wanted_msat), display(*limit_msat))]
    PerPayment {
        /// What was asked for.
        wanted_msat: u64,
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
}

impl BudgetError {
    /// A stable, machine-readable name.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::PerPayment { .. } => "budget_per_payment",
            Self::PerDay { .. } => "budget_per_day",
            Self::Total { .. } => "budget_total",
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::PerPayment { .. } => {
                "ask for less (for example a smaller max_tokens), or make a purse with a larger --per-payment-sat"
            }
            Self::PerDay { .. } => {
                "wait until earlier payments are 24 hours old, or make a purse with a larger --per-day-sat"
            }
            Self::Total { .. } => "make a new purse with a larger --total-sat",
        }
    }
}

impl Budget {
    /// May `wanted_msat` be spent, after what was `spent`?
    ///
    /// # Errors
    /// The first limit that forbids it.
    pub fn allows(&self, spent: Spent, wanted_msat: u64) -> Result<(), BudgetError> {
        if wanted_msat > self.per_payment_msat {
            return Err(BudgetError::PerPayment {
                wanted_msat,
                limit_msat: self.per_payment_msat,
            });
        }
        let left_msat = self.per_day_msat.saturating_sub(spent.day_msat);
        if wanted_msat > left_msat {
            let limit_msat = self.per_day_msat;
            return Err(BudgetError::PerDay {
                wanted_msat,
                left_msat,
                limit_msat,
            });
        }
        let left_msat = self.total_msat.saturating_sub(spent.total_msat);
        if wanted_msat > left_msat {
            let limit_msat = self.total_msat;
            return Err(BudgetError::Total {
                wanted_msat,
                left_msat,
                limit_msat,
            });
        }
        Ok(())
    }

    /// Replays `(time_ms, amount_msat)` payments in order, and describes each that
    /// broke a limit. For audits.
    #[must_use]
    pub fn violations(&self, spending: &[(i64, u64)]) -> Vec<String> {
        let mut window_start = 0;
        let (mut day_msat, mut total_msat) = (0_u64, 0_u64);
        let mut found = Vec::new();
        for &(time_ms, amount_msat) in spending {
            while let Some(&(old_ms, old_msat)) = spending.get(window_start)
                && old_ms <= time_ms - DAY_MS
            {
                day_msat = day_msat.saturating_sub(old_msat);
                window_start += 1;
            }
            if let Err(error) = self.allows(
                Spent {
                    day_msat,
                    total_msat,
                },
                amount_msat,
            ) {
                found.push(error.to_string());
            }
            day_msat = day_msat.saturating_add(amount_msat);
            total_msat = total_msat.saturating_add(amount_msat);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Budget = Budget {
        per_payment_msat: 10,
        per_day_msat: 25,
        total_msat: 40,
    };

    #[test]
    fn each_limit_is_inclusive() {
        let spent = |day_msat, total_msat| Spent {
            day_msat,
            total_msat,
        };
        assert_eq!(BUDGET.allows(spent(0, 0), 10), Ok(()));
        assert_eq!(
            BUDGET.allows(spent(0, 0), 11).map_err(|e| e.code()),
            Err("budget_per_payment")
        );
        assert_eq!(BUDGET.allows(spent(15, 15), 10), Ok(()));
        assert_eq!(
            BUDGET.allows(spent(16, 16), 10).map_err(|e| e.code()),
            Err("budget_per_day")
        );
        assert_eq!(
            BUDGET.allows(spent(0, 31), 10).map_err(|e| e.code()),
            Err("budget_total")
        );
        assert_eq!(
            BUDGET.allows(spent(0, u64::MAX), 1).map_err(|e| e.code()),
            Err("budget_total")
        );
    }

    #[test]
    fn the_day_is_a_sliding_window() {
        let at = |hours: i64| hours * 60 * 60 * 1_000;
        assert!(
            BUDGET
                .violations(&[(at(0), 10), (at(1), 10), (at(24), 10)])
                .is_empty()
        );
        assert_eq!(
            BUDGET
                .violations(&[(at(0), 10), (at(1), 10), (at(23), 10)])
                .len(),
            1
        );
    }
}
