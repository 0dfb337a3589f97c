//! How often a purse may pay.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{HOUR_MS, MINUTE_MS};

/// The time that a rate speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Any 60 seconds.
    Minute,
    /// Any 60 minutes.
    Hour,
}

impl Per {
    /// How long it is.
    #[must_use]
    pub const fn window_ms(self) -> i64 {
        match self {
            Self::Minute => MINUTE_MS,
            Self::Hour => HOUR_MS,
        }
    }
}

/// So many payments in a minute or an hour; tries that failed count. Written `10/minute` or `60/hour`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many; above zero.
    pub payments: u32,
    /// In what time.
    pub per: Per,
}

/// A rate that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rate: write 10/minute or 60/hour")]
pub struct RateError(String);

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let wrong = || RateError(text.chars().take(40).collect());
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let per = match per {
            "minute" | "min" | "m" => Per::Minute,
            "hour" | "h" => Per::Hour,
            _ => return Err(wrong()),
        };
        match count.parse() {
            Ok(payments) if payments > 0 => Ok(Self { payments, per }),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = match self.per {
            Per::Minute => "minute",
            Per::Hour => "hour",
        };
        write!(f, "{}/{per}", self.payments)
    }
}

impl TryFrom<String> for Rate {
    type Error = RateError;

    fn try_from(text: String) -> Result<Self, RateError> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_as_they_are_written() {
        for (text, written) in [("10/minute", "10/minute"), ("1/h", "1/hour")] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), written);
        }
        for wrong in ["", "10", "0/hour", "-1/hour", "10/day", "10/", "/hour"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
