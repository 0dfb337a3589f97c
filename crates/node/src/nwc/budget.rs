//! A purse's limits as `get_budget` tells them: pure.

use wallet::nwc::BudgetState;
use wallet::purse::{Budget, Spent};

/// NIP-47 knows one limit, a purse has two that last: the one that leaves less is told. The limit for
/// one payment can't be told.
pub(super) fn budget_state(budget: &Budget, spent: Spent) -> BudgetState {
    let day_left_msat = budget.per_day_msat.saturating_sub(spent.day_msat);
    let total_left_msat = budget.total_msat.saturating_sub(spent.total_msat);
    let (used_msat, total_msat, renewal_period) = if day_left_msat < total_left_msat {
        (spent.day_msat, budget.per_day_msat, "daily")
    } else {
        (spent.total_msat, budget.total_msat, "never")
    };
    BudgetState {
        used_msat,
        total_msat,
        // A day is any 24 hours, so it doesn't begin anew at some time.
        renews_s: None,
        renewal_period: renewal_period.into(),
    }
}

/// What may still be spent, whatever the balance.
pub(super) fn left_msat(budget: &Budget, spent: Spent) -> u64 {
    let state = budget_state(budget, spent);
    state.total_msat.saturating_sub(state.used_msat)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_leaves_less_is_told() {
        let budget = Budget {
            per_payment_msat: 5,
            per_day_msat: 100,
            total_msat: 1_000,
        };
        let told = |day_msat, total_msat| {
            let state = budget_state(
                &budget,
                Spent {
                    day_msat,
                    total_msat,
                },
            );
            (state.used_msat, state.total_msat, state.renewal_period)
        };
        assert_eq!(told(0, 0), (0, 100, "daily".into()));
        assert_eq!(told(30, 880), (30, 100, "daily".into()));
        assert_eq!(told(0, 950), (950, 1_000, "never".into()));
        // More than all was spent: a payment cost more than it may, or a limit was lowered.
        let over = Spent {
            day_msat: 0,
            total_msat: 2_000,
        };
        assert_eq!(left_msat(&budget, over), 0);
    }
}
