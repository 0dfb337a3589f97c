//! How much a purse may do without a human, and how it may earn more.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much a purse may do without a human.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A human approves each payment.
    Supervised,
    /// What is within the limits is paid; a human may approve what exceeds those for a payment, an hour and a day.
    Budgeted,
    /// What is within the limits is paid; the rest is refused.
    #[default]
    Autonomous,
}

impl Mode {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Supervised => "supervised",
            Self::Budgeted => "budgeted",
            Self::Autonomous => "autonomous",
        }
    }

    /// What a purse in this mode can earn; none if there is nothing above it.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Supervised => Some(Self::Budgeted),
            Self::Budgeted => Some(Self::Autonomous),
            Self::Autonomous => None,
        }
    }
}

/// A mode's name that isn't one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no mode: write supervised, budgeted or autonomous")]
pub struct ModeError(String);

impl FromStr for Mode {
    type Err = ModeError;

    fn from_str(text: &str) -> Result<Self, ModeError> {
        [Self::Supervised, Self::Budgeted, Self::Autonomous]
            .into_iter()
            .find(|mode| mode.as_str() == text)
            .ok_or_else(|| ModeError(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rule by which a mode is earned and lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Promotion {
    /// After so many settled payments without a dispute the mode rises by one step; above zero. On the first dispute
    /// it falls to [`Mode::Supervised`]: between the other two there is no difference that would keep money back.
    pub settled_payments: u32,
}

impl Promotion {
    /// The mode after so many settled payments in `mode`, none of them disputed.
    #[must_use]
    pub const fn earned(self, mode: Mode, settled_payments: u64) -> Option<Mode> {
        if settled_payments >= self.settled_payments as u64 {
            mode.next()
        } else {
            None
        }
    }
}
