//! What stands on the site, behind one trait: miners, AI workers, plugs, meters and inverters.
//!
//! A driver speaks one device's protocol and decides nothing. [`Fleet`] commands and reads many of them at once, within
//! bounds; [`Operator`] connects a fleet with the [controller](crate::controller). What comes from beyond the site is read
//! here too: prices ([`fetch_prices`]) and calls of the grid ([`Ven`]).

mod fetch;
mod fleet;
mod miner;
mod openadr;
mod operator;
mod plug;
mod prices;
mod sunspec;
mod worker;

pub use self::sunspec::{Measures, SunSpec};
pub use fleet::{Bounds, Fleet};
pub use miner::{Miner, Miners};
pub use openadr::{GridEvent, Signal, Ven, parse_events};
pub use operator::{Clock, Delivery, Operator, Placed};
pub use plug::{Plug, PlugTopics, Plugs};
pub use prices::{PriceShape, PriceSpan, fetch_prices, hourly, parse_prices};
pub use worker::{Throttle, Worker};

use async_trait::async_trait;

/// A device that can be read, and maybe commanded.
#[async_trait]
pub trait Driver: Send + Sync {
    /// Connects, identifies and logs in, so that the next command is one request and nothing else.
    async fn warm(&self) -> Result<(), DriverError>;

    /// Tells the device to draw so much from now on, in W; 0 is off. That it was accepted doesn't mean that it is done.
    async fn command(&self, power_w: f64) -> Result<(), DriverError>;

    /// Asks the device what it draws now.
    async fn read(&self) -> Result<Reading, DriverError>;
}

/// What a device says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// What it draws, in W. Of a meter what is imported, below zero when power is fed in; of a battery what it takes, below
    /// zero when it gives; of panels what they give, below zero.
    pub power_w: f64,
    /// What it hashes, in TH/s.
    pub hashrate_ths: Option<f64>,
    /// What a battery holds, as a share of all that it can: 0 to 1.
    pub stored_share: Option<f64>,
}

/// Why a device can't be read or commanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// Nothing answers at its address, or what answers is something else.
    #[error("not reachable: {why}; check address, network and power")]
    Unreachable {
        /// What was tried.
        why: String,
    },
    /// It answered too late.
    #[error("no answer in time")]
    TimedOut,
    /// It refused.
    #[error("refused: {why}")]
    Refused {
        /// What it says.
        why: String,
    },
    /// It answered something that can't be.
    #[error("the answer makes no sense: {why}")]
    Nonsense {
        /// What is wrong with it.
        why: String,
    },
    /// Its kind can't do that.
    #[error("this device can't {what}")]
    Unsupported {
        /// What was asked for.
        what: &'static str,
    },
}

impl DriverError {
    /// A short name of the case that stays the same for ever.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "device_unreachable",
            Self::TimedOut => "device_timed_out",
            Self::Refused { .. } => "device_refused",
            Self::Nonsense { .. } => "device_nonsense",
            Self::Unsupported { .. } => "device_unsupported",
        }
    }

    /// What a library says, cut to a length that fits a log.
    fn refused(error: impl std::fmt::Display) -> Self {
        Self::Refused {
            why: short(&error.to_string()),
        }
    }

    fn unreachable(error: impl std::fmt::Display) -> Self {
        Self::Unreachable {
            why: short(&error.to_string()),
        }
    }
}

/// The most that is kept of what a device says, in characters.
const SAYING_MAX: usize = 200;

fn short(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(SAYING_MAX)
        .collect()
}
