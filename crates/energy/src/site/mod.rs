//! The site: what stands there, what it may draw, and what was promised. Read from one TOML file.

mod check;
mod curve;
mod devices;
mod file;
mod library;
mod load;
mod supply;
mod tariff;

pub use curve::{Curve, CurvePoint, CurveSample, Segment};
pub use devices::{FeedShape, GridCalls, Modbus, Mqtt, Plug, PriceFeed};
pub use library::{MODELS, Model, model};
pub use load::{
    Ai, BatchAi, Cooling, FirmAi, Firmware, Heat, MinerGroup, Profile, PuePoint, Reserve,
};
pub use supply::{Battery, Grid, Pv, Wind};
pub use tariff::{Export, Period, Prices, Tariff};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Deserialize;

/// The longest site file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;
/// The most miner groups, and the most of any other list in a site.
pub const LIST_MAX: usize = 64;

/// A site as its file describes it. [`Site::parse`] has checked everything in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// What people call it.
    pub name: String,
    /// The IANA name of its time zone, such as `America/Chicago`. Tariffs and deadlines are in local time.
    pub time_zone: String,
    /// The line to the grid.
    pub grid: Grid,
    /// What energy costs and brings.
    pub tariff: Tariff,
    /// Groups of like machines.
    #[serde(default)]
    pub miners: Vec<MinerGroup>,
    /// AI load: what must run, and what must be done in time.
    #[serde(default)]
    pub ai: Ai,
    /// Load that is neither AI nor miner and can't be moved (a house), in kW. Not cooled, so PUE isn't applied.
    #[serde(default)]
    pub base_load_kw: Profile,
    /// A battery.
    pub battery: Option<Battery>,
    /// Sun.
    pub pv: Option<Pv>,
    /// Wind.
    pub wind: Option<Wind>,
    /// What cooling adds to the load of AI and miners.
    #[serde(default)]
    pub cooling: Cooling,
    /// Heat that somebody has a use for.
    pub heat: Option<Heat>,
    /// Reserves sold to the grid: power that can be dropped in time.
    #[serde(default)]
    pub reserves: Vec<Reserve>,
    /// What shows the site's import. Nothing is steered without it.
    pub meter: Option<Modbus>,
    /// The broker that plugs are behind.
    pub mqtt: Option<Mqtt>,
    /// Where market prices are published.
    pub price_feed: Option<PriceFeed>,
    /// Who calls for less power.
    pub grid_calls: Option<GridCalls>,
}

impl Site {
    /// Reads and checks a site file.
    ///
    /// # Errors
    /// With the line and the field, when something can't be as the file says.
    pub fn parse(text: &str) -> crate::Result<Self> {
        file::parse(text)
    }

    /// The time zone, which was found when the file was checked; UTC if the database has lost it since.
    pub fn zone(&self) -> TimeZone {
        TimeZone::get(&self.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// A moment by the site's clock, such as `Tue 17:00`.
    pub fn clock(&self, moment: Timestamp) -> String {
        let local = self.zone().to_datetime(moment);
        local.strftime("%a %H:%M").to_string()
    }

    /// The load that must be served in a local hour, without cooling, in kW: firm AI only.
    pub fn firm_kw(&self, local_hour: usize) -> f64 {
        self.ai
            .firm
            .iter()
            .map(|firm| firm.power_kw.at(local_hour))
            .sum()
    }

    /// What the miners draw when all of them run flat out, in kW.
    pub fn miners_kw_max(&self) -> f64 {
        self.miners.iter().map(MinerGroup::power_kw_max).sum()
    }
}
