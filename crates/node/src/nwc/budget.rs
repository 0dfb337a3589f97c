//! A purse's limits as `get_budget` tells them: pure.

use wallet::nwc::BudgetState;
use wallet::purse::{Policy, Spent};

/// NIP-47 knows one limit, a purse has several: of those for a day and in total, the one that leaves less is told.
/// Those for one payment and for an hour can't be told.
pub(super) fn budget_state(budget: &Policy, spent: Spent) -> BudgetState {
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
pub(super) fn left_msat(budget: &Policy, spent: Spent) -> u64 {
    let state = budget_state(budget, spent);
    let hour_msat = budget.per_hour_msat.unwrap_or(u64::MAX);
    let left_msat = state.total_msat.saturating_sub(state.used_msat);
    left_msat.min(hour_msat.saturating_sub(spent.hour_msat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_that_leaves_less_is_told() {
        let budget = Policy::autonomous(5, 100, 1_000);
        let told = |day_msat, total_msat| {
            let state = budget_state(
                &budget,
                Spent {
                    day_msat,
                    total_msat,
                    ..Spent::default()
                },
            );
            (state.used_msat, state.total_msat, state.renewal_period)
        };
        assert_eq!(told(0, 0), (0, 100, "daily".into()));
        assert_eq!(told(30, 880), (30, 100, "daily".into()));
        assert_eq!(told(0, 950), (950, 1_000, "never".into()));
        // More than all was spent: a payment cost more than it may, or a limit was lowered.
        let over = Spent {
            total_msat: 2_000,
            ..Spent::default()
        };
        assert_eq!(left_msat(&budget, over), 0);
        let hourly = Policy {
            per_hour_msat: Some(7),
            ..budget
        };
        assert_eq!(left_msat(&hourly, Spent::default()), 7);
    }
}
