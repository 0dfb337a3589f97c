//! What somebody could know at a moment, and the outlook made of it.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::world::{Values, conditions_at};
use crate::forecast::{Drift, Forecaster, Hold, PriceDrift, Sun, View};
use crate::market::{HOUR_S, subsidy_btc};
use crate::plant::Step;
use crate::site::Site;

/// What is known at a moment. The slices hold nothing of the future but published prices; there is no way from here to
/// the world.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    pub(super) site: &'a Site,
    pub(super) zone: &'a TimeZone,
    /// The moment: the start of an hour.
    pub now: Timestamp,
    /// The number of that hour in the slices.
    pub hour: usize,
    /// Market prices in dollars a MWh: up to the last one that was published.
    pub market_usd_per_mwh: &'a [f64],
    /// What the panels gave, in kW, up to now.
    pub pv_kw: &'a [f64],
    /// What the turbines gave, in kW, up to now.
    pub wind_kw: &'a [f64],
    /// Temperature outside, in °C, up to now.
    pub temperature_c: &'a [f64],
    /// Hashprice in dollars for a TH/s and a day: that of the current hour is the last.
    pub hashprice: &'a [f64],
    pub(super) is_of_network: bool,
}

/// Who guesses what.
pub struct Forecasters {
    /// Market prices that aren't published.
    pub prices: Box<dyn Forecaster>,
    /// Sun.
    pub pv: Box<dyn Forecaster>,
    /// Wind.
    pub wind: Box<dyn Forecaster>,
    /// Temperature.
    pub temperature: Box<dyn Forecaster>,
    /// Hashprice.
    pub hashprice: Box<dyn Forecaster>,
}

impl Default for Forecasters {
    fn default() -> Self {
        Self {
            prices: Box::new(PriceDrift),
            pv: Box::new(Sun),
            wind: Box::new(Drift),
            temperature: Box::new(Drift),
            hashprice: Box::new(Hold),
        }
    }
}

impl<'a> Known<'a> {
    /// The same with other prices, as when a feed has stopped.
    pub const fn with_prices(self, market_usd_per_mwh: &'a [f64]) -> Self {
        Self {
            market_usd_per_mwh,
            ..self
        }
    }

    /// The next hours as they are expected.
    pub fn outlook(&self, forecasters: &Forecasters, hours: usize) -> Vec<Step> {
        let guess = |by: &dyn Forecaster, known: &[f64]| {
            by.forecast(
                &View {
                    known,
                    now: self.hour,
                },
                hours,
            )
        };
        let market = guess(&*forecasters.prices, self.market_usd_per_mwh);
        let pv = guess(&*forecasters.pv, self.pv_kw);
        let wind = guess(&*forecasters.wind, self.wind_kw);
        let temperature = guess(&*forecasters.temperature, self.temperature_c);
        let hashprice = guess(&*forecasters.hashprice, self.hashprice);
        let at = |i: usize| {
            Timestamp::from_second(self.now.as_second() + i as i64 * HOUR_S).unwrap_or(self.now)
        };
        (0..hours)
            .map(|i| {
                let values = Values {
                    market_usd_per_mwh: market[i],
                    pv_kw: pv[i],
                    wind_kw: wind[i],
                    temperature_c: temperature[i],
                    hashprice: hashprice[i] * self.halving(at(i)),
                };
                conditions_at(self.site, self.zone, at(i), &values)
            })
            .collect()
    }

    /// By what a block will create less at a moment than now, as a factor: the network's rules are known ahead.
    fn halving(&self, moment: Timestamp) -> f64 {
        let subsidy = |moment| subsidy_btc(TimeZone::UTC.to_datetime(moment).date());
        if self.is_of_network {
            subsidy(moment) / subsidy(self.now)
        } else {
            1.0
        }
    }

    /// How many hours to plan: a day or more, up to a local midnight, so that days of work aren't cut.
    pub fn horizon_hours(&self) -> usize {
        let local = self.zone.to_datetime(self.now);
        48 - usize::from(local.hour().unsigned_abs())
    }
}
