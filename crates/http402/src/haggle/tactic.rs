//! How fast a side gives way from its first price to its last.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Error;

/// Time-dependent tactics (Faratin, Sierra and Jennings 1998), in whole numbers:
/// every machine computes the same price.
///
/// With `t` from 0 in the first round to 1 in the last, a side has given way by
/// the share `t^k` (Boulware), `t` (linear), or `1 - (1 - t)^k` (conceder).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

/// `fixed`, `linear`, `boulware-2` or `conceder-3`.
impl fmt::Display for Tactic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed => f.write_str("fixed"),
            Self::Linear => f.write_str("linear"),
            Self::Boulware(k) => write!(f, "boulware-{k}"),
            Self::Conceder(k) => write!(f, "conceder-{k}"),
        }
    }
}

impl FromStr for Tactic {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = (2..=4).flat_map(|k| [Self::Boulware(k), Self::Conceder(k)]);
        let mut known = [Self::Fixed, Self::Linear].into_iter().chain(known);
        known
            .find(|tactic| tactic.to_string() == text)
            .ok_or(Error::LimitsInvalid(
                "a tactic is fixed, linear, or boulware or conceder with -2, -3 or -4",
            ))
    }
}

impl TryFrom<String> for Tactic {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Tactic> for String {
    fn from(tactic: Tactic) -> Self {
        tactic.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tactic_has_one_spelling() {
        for text in ["fixed", "linear", "boulware-2", "boulware-4", "conceder-3"] {
            assert_eq!(text.parse::<Tactic>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "Linear",
            "boulware",
            "boulware-1",
            "conceder-5",
            "fixed ",
        ] {
            assert!(text.parse::<Tactic>().is_err(), "{text}");
        }
    }
}
