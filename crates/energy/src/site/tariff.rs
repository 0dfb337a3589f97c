//! What energy costs and brings.

use jiff::civil::Weekday;
use serde::Deserialize;

/// The tariff.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    /// What a kWh from the grid costs.
    pub import: Prices,
    /// What a kWh fed in brings. Nothing, unless said.
    #[serde(default)]
    pub export: Export,
    /// What each kW of a month's highest hourly import costs, in dollars.
    #[serde(default)]
    pub demand_usd_per_kw_month: f64,
}

/// What a kWh from the grid costs.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Prices {
    /// Always the same.
    Flat {
        /// In dollars a kWh.
        usd_per_kwh: f64,
    },
    /// By local hour and day of the week.
    TimeOfUse {
        /// When no period matches, in dollars a kWh.
        usd_per_kwh: f64,
        /// The first that matches counts.
        periods: Vec<Period>,
    },
    /// The market's price of each hour, from a table.
    Hourly {
        /// What is added for the wires and taxes, in dollars a kWh.
        #[serde(default)]
        adder_usd_per_kwh: f64,
        /// The local time of day at which the prices of tomorrow are published, such as `13:30`.
        #[serde(default = "early_afternoon")]
        published_at: String,
    },
}

/// Hours of a time-of-use tariff.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The first local hour, 0 to 23.
    pub from_hour: u32,
    /// The local hour at which it ends, 1 to 24, or less than `from_hour` to go past midnight.
    pub to_hour: u32,
    /// Monday to Friday only.
    #[serde(default)]
    pub weekdays_only: bool,
    /// In dollars a kWh.
    pub usd_per_kwh: f64,
}

impl Period {
    /// Whether an hour of a day falls in it.
    pub fn holds(&self, local_hour: u32, day: Weekday) -> bool {
        let in_hours = if self.from_hour < self.to_hour {
            (self.from_hour..self.to_hour).contains(&local_hour)
        } else {
            local_hour >= self.from_hour || local_hour < self.to_hour
        };
        let weekend = matches!(day, Weekday::Saturday | Weekday::Sunday);
        in_hours && !(self.weekdays_only && weekend)
    }
}

/// What a kWh fed in brings.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// A fixed price, in dollars a kWh.
    #[serde(default)]
    pub usd_per_kwh: f64,
    /// With an hourly tariff, this share of the market's price on top, 0 to 1. When the price is negative, all of it.
    #[serde(default)]
    pub market_share: f64,
}

impl Tariff {
    /// What a kWh costs and brings in dollars, given the market's price in dollars a MWh. Export never brings more
    /// than import costs, or money could be made by sending current round in a circle.
    pub fn usd_per_kwh(
        &self,
        local_hour: u32,
        day: Weekday,
        market_usd_per_mwh: f64,
    ) -> (f64, f64) {
        let market = market_usd_per_mwh / 1000.0;
        let (import, of_market) = match &self.import {
            Prices::Flat { usd_per_kwh } => (*usd_per_kwh, 0.0),
            Prices::TimeOfUse {
                usd_per_kwh,
                periods,
            } => {
                let period = periods.iter().find(|period| period.holds(local_hour, day));
                (
                    period.map_or(*usd_per_kwh, |period| period.usd_per_kwh),
                    0.0,
                )
            }
            Prices::Hourly {
                adder_usd_per_kwh, ..
            } => {
                let of_market = if market < 0.0 {
                    market
                } else {
                    market * self.export.market_share
                };
                (market + adder_usd_per_kwh, of_market)
            }
        };
        (import, (self.export.usd_per_kwh + of_market).min(import))
    }

    /// Whether a table of market prices is needed.
    pub const fn is_hourly(&self) -> bool {
        matches!(self.import, Prices::Hourly { .. })
    }
}

fn early_afternoon() -> String {
    "13:00".into()
}
