//! Delays of spending paths: what people write, and the blocks that the chain counts.

use std::str::FromStr;

use serde::Serialize;

/// Blocks in a day, at ten minutes each.
const BLOCKS_PER_DAY: u64 = 144;
/// Days in a month, as a delay.
const DAYS_PER_MONTH: u64 = 30;
/// Days in a year.
const DAYS_PER_YEAR: u64 = 365;

/// How many blocks a coin must be old before a path opens (BIP-68).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Delay {
    blocks: u16,
}

/// A delay that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DelayError {
    /// Not a number and a unit.
    #[error("{0:?} is no delay: write a number and `blocks`, `days`, `weeks`, `months` or `years`")]
    Syntax(String),
    /// Nothing to wait for.
    #[error("a delay is at least one block; a path without `after` is open at once")]
    Zero,
    /// More than the chain can count.
    #[error(
        "{blocks} blocks are too many: the chain counts up to 65535 (455 days); a year is 52560"
    )]
    TooLong {
        /// What was asked for.
        blocks: u64,
    },
}

impl Delay {
    /// A delay of this many blocks.
    ///
    /// # Errors
    /// `Zero` and `TooLong`.
    pub fn from_blocks(blocks: u64) -> Result<Self, DelayError> {
        match u16::try_from(blocks) {
            Ok(0) => Err(DelayError::Zero),
            Ok(blocks) => Ok(Self { blocks }),
            Err(_) => Err(DelayError::TooLong { blocks }),
        }
    }

    /// In blocks.
    #[must_use]
    pub fn blocks(self) -> u16 {
        self.blocks
    }
}

impl FromStr for Delay {
    type Err = DelayError;

    fn from_str(text: &str) -> Result<Self, DelayError> {
        let syntax = || DelayError::Syntax(text.chars().take(40).collect());
        let (number, unit) = text.trim().split_once(' ').ok_or_else(syntax)?;
        let number: u64 = number.parse().map_err(|_| syntax())?;
        let blocks_each = match unit.trim().trim_end_matches('s') {
            "block" => 1,
            "day" => BLOCKS_PER_DAY,
            "week" => 7 * BLOCKS_PER_DAY,
            "month" => DAYS_PER_MONTH * BLOCKS_PER_DAY,
            "year" => DAYS_PER_YEAR * BLOCKS_PER_DAY,
            _ => return Err(syntax()),
        };
        Self::from_blocks(number.saturating_mul(blocks_each))
    }
}

impl std::fmt::Display for Delay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let blocks = u64::from(self.blocks);
        match blocks {
            1 => f.write_str("1 block"),
            few if few < BLOCKS_PER_DAY => write!(f, "{few} blocks"),
            _ => match (blocks + BLOCKS_PER_DAY / 2) / BLOCKS_PER_DAY {
                1 => write!(f, "{blocks} blocks (about a day)"),
                days => write!(f, "{blocks} blocks (about {days} days)"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_and_the_chain_count_alike() {
        let blocks = |text: &str| text.parse::<Delay>().map(Delay::blocks);
        assert_eq!(blocks("1 block"), Ok(1));
        assert_eq!(blocks("1008 blocks"), Ok(1_008));
        assert_eq!(blocks("30 days"), Ok(4_320));
        assert_eq!(blocks("2 weeks"), Ok(2_016));
        assert_eq!(blocks("1 month"), Ok(4_320));
        assert_eq!(blocks("1 year"), Ok(52_560));
        assert_eq!(blocks("0 days"), Err(DelayError::Zero));
        assert_eq!(
            blocks("2 years"),
            Err(DelayError::TooLong { blocks: 105_120 })
        );
        for bad in ["", "30", "days", "-1 days", "1.5 days", "3 moons", "30days"] {
            assert!(matches!(blocks(bad), Err(DelayError::Syntax(_))), "{bad}");
        }
        let longest = format!("{} years", u64::MAX);
        assert!(matches!(blocks(&longest), Err(DelayError::TooLong { .. })));
        let shown = |text: &str| text.parse::<Delay>().unwrap().to_string();
        assert_eq!(shown("30 days"), "4320 blocks (about 30 days)");
        assert_eq!(shown("10 blocks"), "10 blocks");
    }
}
