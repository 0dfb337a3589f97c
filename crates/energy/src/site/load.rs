//! What draws power: miners, AI, cooling; and what can be sold of that: heat and reserves.

use std::net::IpAddr;

use serde::Deserialize;

use super::{Curve, Plug};

/// A group of like machines that are run alike.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MinerGroup {
    /// What people call it.
    pub name: String,
    /// How many machines.
    pub units: u32,
    /// A model of the built-in library, such as `s19j-pro`. Otherwise `curve` is needed.
    pub model: Option<String>,
    /// What the machines run, when `model` is given. Stock firmware has one power only.
    #[serde(default)]
    pub firmware: Firmware,
    /// Power against hashrate of one machine, as measured.
    #[serde(default)]
    pub curve: Curve,
    /// What the pool keeps, in percent.
    #[serde(default = "one")]
    pub pool_fee_percent: f64,
    /// From the order to run to the full hashrate, in minutes. Power is drawn meanwhile.
    #[serde(default = "ten")]
    pub ramp_up_minutes: f64,
    /// From the order to stop to no load, in seconds.
    #[serde(default = "ten")]
    pub stop_seconds: f64,
    /// How long a machine must run once it was started, in minutes.
    #[serde(default)]
    pub on_time_minutes_min: f64,
    /// What one start costs in wear, in dollars a machine.
    #[serde(default)]
    pub start_wear_usd: f64,
    /// The machines' addresses, to steer them.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// The plug that switches it, if it is a single machine that can't be spoken to.
    pub plug: Option<Plug>,
}

/// What a miner runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// The maker's: on at its rated power, or off.
    #[default]
    Stock,
    /// One that takes a power limit.
    Tunable,
}

impl MinerGroup {
    /// The most that the group draws, in kW.
    pub fn power_kw_max(&self) -> f64 {
        f64::from(self.units) * self.curve.power_w_max() / 1000.0
    }

    /// What a terahash a second brings for an hour after the pool's fee, in dollars.
    pub fn usd_per_th_h(&self, hashprice_usd_per_th_day: f64) -> f64 {
        hashprice_usd_per_th_day / 24.0 * (1.0 - self.pool_fee_percent / 100.0)
    }
}

/// The AI load.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ai {
    /// Load that must be served at all times.
    #[serde(default)]
    pub firm: Vec<FirmAi>,
    /// Work that must be done by its deadline.
    #[serde(default)]
    pub batch: Vec<BatchAi>,
}

/// AI that was promised to run at all times.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmAi {
    /// What people call it.
    pub name: String,
    /// What it draws, in kW, without cooling.
    pub power_kw: Profile,
    /// The share of its energy that was promised, in percent.
    #[serde(default = "hundred")]
    pub sla_percent: f64,
    /// What each kWh not served costs, in dollars.
    #[serde(default = "ten")]
    pub penalty_usd_per_kwh: f64,
    /// What each kWh served brings, in dollars.
    #[serde(default)]
    pub revenue_usd_per_kwh: f64,
}

/// AI work of each day that can wait until its deadline.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchAi {
    /// What people call it.
    pub name: String,
    /// How much there is each day, in kWh, without cooling.
    pub energy_kwh_per_day: f64,
    /// The most that it draws at once, in kW.
    pub power_kw_max: f64,
    /// What each kWh done in time brings, in dollars.
    pub revenue_usd_per_kwh: f64,
    /// What each kWh not done in time costs, in dollars.
    #[serde(default)]
    pub penalty_usd_per_kwh: f64,
    /// The local hour in which a day's work arrives, and by which that of the day before is due: 0 to 23.
    #[serde(default)]
    pub due_hour: u32,
}

/// A number for each local hour of the day: one for all, or 24.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a number, or a list of 24 numbers, one for each hour"
)]
pub enum Profile {
    /// The same at all hours.
    Constant(f64),
    /// By local hour, from midnight.
    ByHour([f64; 24]),
}

impl Default for Profile {
    fn default() -> Self {
        Self::Constant(0.0)
    }
}

impl Profile {
    /// The number for a local hour.
    pub fn at(&self, local_hour: usize) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::ByHour(values) => values[local_hour % 24],
        }
    }

    /// The largest of all.
    pub fn max(&self) -> f64 {
        (0..24)
            .map(|hour| self.at(hour))
            .fold(f64::NEG_INFINITY, f64::max)
    }

    /// The smallest of all; NaN when one of them is.
    pub fn min(&self) -> f64 {
        let values = || (0..24).map(|hour| self.at(hour));
        if values().any(f64::is_nan) {
            return f64::NAN;
        }
        values().fold(f64::INFINITY, f64::min)
    }
}

/// Power usage effectiveness (total over IT power) against the temperature outside, linear between the points.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cooling {
    /// By rising temperature.
    pub pue: Vec<PuePoint>,
}

/// One point of [`Cooling`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PuePoint {
    /// Temperature outside, in °C.
    pub temperature_c: f64,
    /// Total power over IT power, 1 or more.
    pub ratio: f64,
}

impl Default for Cooling {
    fn default() -> Self {
        Self {
            pue: vec![PuePoint {
                temperature_c: 0.0,
                ratio: 1.0,
            }],
        }
    }
}

impl Cooling {
    /// Total power over IT power at a temperature in °C. Beyond the points the nearest one holds.
    pub fn pue_at(&self, temperature_c: f64) -> f64 {
        let after = self
            .pue
            .partition_point(|point| point.temperature_c <= temperature_c);
        match (
            after.checked_sub(1).and_then(|i| self.pue.get(i)),
            self.pue.get(after),
        ) {
            (Some(low), Some(high)) => {
                let share =
                    (temperature_c - low.temperature_c) / (high.temperature_c - low.temperature_c);
                low.ratio + share * (high.ratio - low.ratio)
            }
            (Some(only), None) | (None, Some(only)) => only.ratio,
            (None, None) => 1.0,
        }
    }
}

/// A use for the miners' heat.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heat {
    /// Heat that is wanted, in kW, on a day as cold as `cold_below_c` or colder.
    pub demand_kw: Profile,
    /// Below this outside temperature, in °C, heat is wanted; above it, none.
    #[serde(default = "fifteen")]
    pub cold_below_c: f64,
    /// What a kWh of heat would cost otherwise, in dollars.
    pub value_usd_per_kwh: f64,
    /// The share of the miners' power that arrives as useful heat, 0 to 1.
    #[serde(default = "most")]
    pub recovered_share: f64,
}

/// A reserve: power that is promised to be dropped within a time, and paid for standing by.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    /// What people call it.
    pub name: String,
    /// The most that may be offered, in kW.
    pub power_kw_max: f64,
    /// What a MW held ready for an hour brings, in dollars.
    pub price_usd_per_mw_h: f64,
    /// How soon it must be dropped, in seconds.
    pub respond_seconds_max: f64,
}

const fn one() -> f64 {
    1.0
}
const fn ten() -> f64 {
    10.0
}
const fn hundred() -> f64 {
    100.0
}
const fn fifteen() -> f64 {
    15.0
}
const fn most() -> f64 {
    0.9
}
