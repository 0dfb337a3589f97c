//! Whether to sweep, and how much: decided from numbers alone.

use serde::{Deserialize, Serialize};

/// A sweep has to be worth so many times its fee.
const WORTH_FEES: u64 = 20;
/// The smallest amount that is sent to anybody, whatever their script.
const DUST_SAT: u64 = 546;

/// What the owner wants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What is above this goes to the savings.
    pub above_sat: u64,
    /// Only while a byte costs less than this.
    pub fee_below_sat_per_vb: f64,
}

/// How things stand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Situation {
    /// In blocks, and free.
    pub confirmed_sat: u64,
    /// What open budgets and channels need.
    pub reserved_sat: u64,
    /// What a byte costs.
    pub fee_rate_sat_per_vb: f64,
    /// What the sweep would cost.
    pub fee_sat: u64,
    /// Whether an earlier sweep isn't in a block yet.
    pub is_under_way: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Decision {
    /// Send so much.
    Sweep {
        /// What arrives.
        amount_sat: u64,
    },
    /// Send nothing.
    Wait(Reason),
}

/// Why nothing is sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The last sweep isn't in a block yet.
    UnderWay,
    /// There is nothing above what stays.
    NothingAbove {
        /// What there is.
        confirmed_sat: u64,
        /// What stays: the owner's limit, or what is needed, whichever is more.
        keep_sat: u64,
    },
    /// Fees are too high.
    FeesTooHigh {
        /// What a byte costs.
        fee_rate_sat_per_vb: f64,
        /// What it has to cost less than.
        fee_below_sat_per_vb: f64,
    },
    /// What is above isn't worth its fee yet.
    TooLittle {
        /// What would arrive.
        amount_sat: u64,
        /// What has to arrive.
        least_sat: u64,
    },
}

/// What stays in any case.
#[must_use]
pub const fn keep_sat(rule: &Rule, reserved_sat: u64) -> u64 {
    if rule.above_sat > reserved_sat {
        rule.above_sat
    } else {
        reserved_sat
    }
}

/// Decides. Amount and fee together never touch what stays.
#[must_use]
pub fn decide(rule: &Rule, now: &Situation) -> Decision {
    if now.is_under_way {
        return Decision::Wait(Reason::UnderWay);
    }
    let keep_sat = keep_sat(rule, now.reserved_sat);
    let Some(above_sat) = now
        .confirmed_sat
        .checked_sub(keep_sat)
        .filter(|above_sat| *above_sat > 0)
    else {
        return Decision::Wait(Reason::NothingAbove {
            confirmed_sat: now.confirmed_sat,
            keep_sat,
        });
    };
    // Also a rate that is no number is too high.
    let is_cheap = now.fee_rate_sat_per_vb < rule.fee_below_sat_per_vb;
    if !is_cheap {
        return Decision::Wait(Reason::FeesTooHigh {
            fee_rate_sat_per_vb: now.fee_rate_sat_per_vb,
            fee_below_sat_per_vb: rule.fee_below_sat_per_vb,
        });
    }
    let amount_sat = above_sat.saturating_sub(now.fee_sat);
    let least_sat = now.fee_sat.saturating_mul(WORTH_FEES).max(DUST_SAT);
    if amount_sat < least_sat {
        return Decision::Wait(Reason::TooLittle {
            amount_sat,
            least_sat,
        });
    }
    Decision::Sweep { amount_sat }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RULE: Rule = Rule {
        above_sat: 200_000,
        fee_below_sat_per_vb: 5.0,
    };

    const NOW: Situation = Situation {
        confirmed_sat: 500_000,
        reserved_sat: 0,
        fee_rate_sat_per_vb: 2.0,
        fee_sat: 300,
        is_under_way: false,
    };

    #[test]
    fn what_is_above_goes_less_its_fee() {
        let amount_sat = 299_700;
        assert_eq!(decide(&RULE, &NOW), Decision::Sweep { amount_sat });
    }

    #[test]
    fn what_is_needed_stays_even_if_it_is_more_than_the_limit() {
        let needs = |reserved_sat| Situation {
            reserved_sat,
            ..NOW
        };
        let amount_sat = 99_700;
        assert_eq!(
            decide(&RULE, &needs(400_000)),
            Decision::Sweep { amount_sat }
        );
        // Below the limit it changes nothing.
        let amount_sat = 299_700;
        assert_eq!(
            decide(&RULE, &needs(150_000)),
            Decision::Sweep { amount_sat }
        );
        let wait = decide(&RULE, &needs(500_000));
        assert!(matches!(
            wait,
            Decision::Wait(Reason::NothingAbove {
                keep_sat: 500_000,
                ..
            })
        ));
    }

    #[test]
    fn it_waits_for_low_fees_a_worthy_amount_and_the_last_sweep() {
        let with = |change: fn(&mut Situation)| {
            let mut now = NOW;
            change(&mut now);
            decide(&RULE, &now)
        };
        for high in [
            with(|now| now.fee_rate_sat_per_vb = 5.0),
            with(|now| now.fee_rate_sat_per_vb = f64::NAN),
        ] {
            assert!(matches!(high, Decision::Wait(Reason::FeesTooHigh { .. })));
        }
        let little = with(|now| now.confirmed_sat = 206_000);
        assert!(matches!(
            little,
            Decision::Wait(Reason::TooLittle {
                least_sat: 6_000,
                ..
            })
        ));
        let under_way = with(|now| now.is_under_way = true);
        assert_eq!(under_way, Decision::Wait(Reason::UnderWay));
    }

    proptest! {
        #[test]
        fn what_stays_is_never_touched(
            above_sat: u64,
            fee_below in -1.0_f64..1e4,
            confirmed_sat: u64,
            reserved_sat: u64,
            fee_rate in -1.0_f64..1e4,
            fee_sat: u64,
        ) {
            let rule = Rule { above_sat, fee_below_sat_per_vb: fee_below };
            let now = Situation {
                confirmed_sat,
                reserved_sat,
                fee_rate_sat_per_vb: fee_rate,
                fee_sat,
                is_under_way: false,
            };
            if let Decision::Sweep { amount_sat } = decide(&rule, &now) {
                let left_sat = u128::from(confirmed_sat) - u128::from(amount_sat) - u128::from(fee_sat);
                prop_assert!(left_sat >= u128::from(above_sat.max(reserved_sat)));
                prop_assert!(fee_rate < fee_below);
                prop_assert!(amount_sat >= DUST_SAT);
            }
        }
    }
}
