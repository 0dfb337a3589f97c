//! How fast a side gives way from its first price to its last.

use super::Error;

/// Time-dependent tactics (Faratin, Sierra and Jennings 1998), in whole numbers:
/// every machine computes the same price.
///
/// With `t` from 0 in the first round to 1 in the last, a side has given way by
/// the share `t^k` (Boulware), `t` (linear), or `1 - (1 - t)^k` (conceder).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tactic {
    /// Never gives way.
    Fixed,
    /// Gives way late. The exponent is 2, 3 or 4.
    Boulware(u32),
    /// Gives way by the same amount in each round.
    #[default]
    Linear,
    /// Gives way early. The exponent is 2, 3 or 4.
    Conceder(u32),
}

impl Tactic {
    pub(super) fn check(self) -> Result<(), Error> {
        match self {
            Self::Boulware(2..=4) | Self::Conceder(2..=4) | Self::Fixed | Self::Linear => Ok(()),
            _ => Err(Error::LimitsInvalid("an exponent is not 2, 3 or 4")),
        }
    }

    /// The price in `round` (from 1) of `rounds`, on the way from `first` to
    /// `last`; what is less than a millisatoshi is not conceded. It reaches `last`
    /// in the last round, unless there is only one.
    pub(super) fn price(self, first: u64, last: u64, round: u32, rounds: u32) -> u64 {
        let steps = u64::from(rounds.saturating_sub(1));
        let step = u64::from(round.saturating_sub(1)).min(steps);
        let (given, all) = match self {
            _ if steps == 0 => (0, 1),
            Self::Fixed => (0, 1),
            Self::Linear => (step, steps),
            Self::Boulware(k) => (step.pow(k), steps.pow(k)),
            Self::Conceder(k) => (steps.pow(k) - (steps - step).pow(k), steps.pow(k)),
        };
        let way = u128::from(first.abs_diff(last));
        // At most `way`, which is the difference of two u64.
        let moved = (way * u128::from(given) / u128::from(all)) as u64;
        if last < first {
            first - moved
        } else {
            first + moved
        }
    }
}
