//! Where power comes from: the grid, the battery, sun and wind.

use serde::Deserialize;

use super::Modbus;

/// The line to the grid.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// The most that may be drawn, in kW. Never exceeded.
    pub import_kw_max: f64,
    /// The most that may be fed in, in kW.
    #[serde(default)]
    pub export_kw_max: f64,
    /// What a kWh from the grid emits, in grams of CO₂.
    #[serde(default = "world_average")]
    pub carbon_g_per_kwh: f64,
}

/// A battery.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Battery {
    /// What it holds, in kWh.
    pub energy_kwh: f64,
    /// The least that is kept in it, in kWh.
    #[serde(default)]
    pub energy_kwh_min: f64,
    /// The most that it takes, in kW.
    pub charge_kw_max: f64,
    /// The most that it gives, in kW.
    pub discharge_kw_max: f64,
    /// What comes out of what was put in, in percent.
    #[serde(default = "ninety")]
    pub round_trip_percent: f64,
    /// What a kWh that is taken out costs in wear, in dollars.
    #[serde(default)]
    pub wear_usd_per_kwh: f64,
    /// Where it is spoken to, to steer it.
    pub modbus: Option<Modbus>,
}

impl Battery {
    /// The share that is kept one way, charging or discharging: 0 to 1.
    pub fn one_way(&self) -> f64 {
        (self.round_trip_percent / 100.0).sqrt()
    }
}

/// Solar panels, described by what they deliver in full sun.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pv {
    /// Peak power under standard conditions (1,000 W/m², 25 °C), in kW.
    pub power_kw_peak: f64,
    /// What cables, inverter and dirt leave, in percent.
    #[serde(default = "eighty_six")]
    pub performance_percent: f64,
    /// Where it stands, in degrees north. For made-up weather.
    #[serde(default = "forty")]
    pub latitude_deg: f64,
}

/// Wind turbines, described by their power curve: nothing below cut-in, cubic up to the rated speed, off at cut-out.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wind {
    /// Rated power, in kW.
    pub power_kw_rated: f64,
    /// The wind at which it starts, in m/s.
    #[serde(default = "three")]
    pub cut_in_m_per_s: f64,
    /// The wind at which it gives its rated power, in m/s.
    #[serde(default = "twelve")]
    pub rated_m_per_s: f64,
    /// The wind at which it stops, in m/s.
    #[serde(default = "twenty_five")]
    pub cut_out_m_per_s: f64,
}

const fn world_average() -> f64 {
    480.0
}
const fn ninety() -> f64 {
    90.0
}
const fn eighty_six() -> f64 {
    86.0
}
const fn forty() -> f64 {
    40.0
}
const fn three() -> f64 {
    3.0
}
const fn twelve() -> f64 {
    12.0
}
const fn twenty_five() -> f64 {
    25.0
}
