//! What really was: prices, weather and hashprice, by the hour.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::Known;
use crate::market::{HOUR_S, Publication, Series, local_hour_and_day};
use crate::plant::{Conditions, Step};
use crate::site::{Prices, Site};
use crate::weather::{self, TypicalYear};

/// What really was. Policies see it through [`Known`] only.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// When it begins.
    pub start: Timestamp,
    /// How many hours it lasts.
    pub hours: usize,
    pub(super) market_usd_per_mwh: Series,
    pub(super) pv_kw: Series,
    pub(super) wind_kw: Series,
    pub(super) temperature_c: Series,
    pub(super) hashprice: Series,
    /// Whether hashprice is that of the bitcoin network, so that its halvings show in it.
    pub(super) is_of_network: bool,
    /// What isn't data: to be printed beside every result.
    pub assumptions: Vec<String>,
}

/// What is known of prices ahead.
#[derive(Debug, Clone, PartialEq)]
pub enum Knowledge {
    /// The current hour's price, and nothing after it.
    CurrentHour,
    /// What the day-ahead market has published.
    DayAhead(Publication),
}

impl World {
    pub(super) fn assembled(
        site: &Site,
        market: Series,
        year: &TypicalYear,
        hashprice: Series,
        assumptions: Vec<String>,
    ) -> Self {
        let (start, hours) = (market.start(), market.values().len());
        let sky = year.hours(start, hours, &site.zone());
        let of = |power: &dyn Fn(&weather::Weather) -> f64| weather::series(start, &sky, power);
        Self {
            start,
            hours,
            pv_kw: of(&|sky| site.pv.as_ref().map_or(0.0, |pv| pv.power_kw(sky))),
            wind_kw: of(&|sky| site.wind.as_ref().map_or(0.0, |wind| wind.power_kw(sky))),
            temperature_c: of(&|sky| sky.temperature_c),
            market_usd_per_mwh: market,
            hashprice,
            is_of_network: false,
            assumptions,
        }
    }

    /// The same, from an hour on and for so many hours.
    pub fn part(&self, from: usize, hours: usize) -> Self {
        let from = from.min(self.hours);
        let hours = hours.min(self.hours - from);
        let start = self.moment(from);
        let cut =
            |series: &Series| Series::new(start, series.values()[from..from + hours].to_vec());
        Self {
            start,
            hours,
            market_usd_per_mwh: cut(&self.market_usd_per_mwh),
            pv_kw: cut(&self.pv_kw),
            wind_kw: cut(&self.wind_kw),
            temperature_c: cut(&self.temperature_c),
            hashprice: cut(&self.hashprice),
            is_of_network: self.is_of_network,
            assumptions: self.assumptions.clone(),
        }
    }

    /// The same without the hours before its first local midnight and after its last: where a world ends within a day,
    /// whoever knows that does all of that day's work in time, and nobody else does. All of it, when it has no midnight
    /// but one.
    pub fn whole_days(&self, zone: &TimeZone) -> Self {
        let is_midnight = |hour: &usize| local_hour_and_day(self.moment(*hour), zone).0 == 0;
        let first = (0..self.hours).find(is_midnight);
        let last = (0..=self.hours).rev().find(is_midnight);
        match first.zip(last) {
            Some((first, last)) if first < last => self.part(first, last - first),
            _ => self.clone(),
        }
    }

    /// This world up to an hour, and another one from there on.
    pub fn spliced(&self, other: &Self, at: usize) -> Self {
        let join = |a: &Series, b: &Series| {
            let rest = b.values().get(at..).unwrap_or_default();
            let both = a.values().iter().take(at).chain(rest).copied();
            Series::new(self.start, both.take(self.hours).collect())
        };
        Self {
            start: self.start,
            hours: self.hours.min(other.hours.max(at)),
            market_usd_per_mwh: join(&self.market_usd_per_mwh, &other.market_usd_per_mwh),
            pv_kw: join(&self.pv_kw, &other.pv_kw),
            wind_kw: join(&self.wind_kw, &other.wind_kw),
            temperature_c: join(&self.temperature_c, &other.temperature_c),
            hashprice: join(&self.hashprice, &other.hashprice),
            is_of_network: self.is_of_network,
            assumptions: self.assumptions.clone(),
        }
    }

    /// The start of an hour.
    pub fn moment(&self, hour: usize) -> Timestamp {
        Timestamp::from_second(self.start.as_second() + hour as i64 * HOUR_S)
            .unwrap_or(Timestamp::MAX)
    }

    /// An hour as it really was.
    pub fn step(&self, site: &Site, zone: &TimeZone, hour: usize) -> Step {
        let value = |series: &Series| series.values().get(hour).copied().unwrap_or(0.0);
        conditions_at(
            site,
            zone,
            self.moment(hour),
            &Values {
                market_usd_per_mwh: value(&self.market_usd_per_mwh),
                pv_kw: value(&self.pv_kw),
                wind_kw: value(&self.wind_kw),
                temperature_c: value(&self.temperature_c),
                hashprice: value(&self.hashprice),
            },
        )
    }

    /// What is known at the start of an hour.
    pub fn known<'a>(
        &'a self,
        site: &'a Site,
        zone: &'a TimeZone,
        hour: usize,
        of_prices: &Knowledge,
    ) -> Known<'a> {
        let now = self.moment(hour);
        let priced = match of_prices {
            Knowledge::DayAhead(publication) => publication.known_until(now),
            Knowledge::CurrentHour => self.moment(hour + 1),
        };
        Known {
            site,
            zone,
            now,
            hour,
            market_usd_per_mwh: self.market_usd_per_mwh.before(priced),
            pv_kw: self.pv_kw.before(now),
            wind_kw: self.wind_kw.before(now),
            temperature_c: self.temperature_c.before(now),
            hashprice: self.hashprice.before(self.moment(hour + 1)),
            is_of_network: self.is_of_network,
        }
    }
}

impl Knowledge {
    /// The day-ahead market of a site with an hourly tariff; for other tariffs prices are known anyway.
    pub fn day_ahead(site: &Site) -> Self {
        match &site.tariff.import {
            Prices::Hourly { published_at, .. } => {
                published_at.parse().map_or(Self::CurrentHour, |at| {
                    Self::DayAhead(Publication::new(site.zone(), at))
                })
            }
            Prices::Flat { .. } | Prices::TimeOfUse { .. } => Self::CurrentHour,
        }
    }
}

/// What an hour is made of.
pub(super) struct Values {
    pub market_usd_per_mwh: f64,
    pub pv_kw: f64,
    pub wind_kw: f64,
    pub temperature_c: f64,
    pub hashprice: f64,
}

/// The step of an hour, real or forecast.
pub(super) fn conditions_at(
    site: &Site,
    zone: &TimeZone,
    start: Timestamp,
    values: &Values,
) -> Step {
    let (hour, day) = local_hour_and_day(start, zone);
    let (import, export) = site
        .tariff
        .usd_per_kwh(hour, day, values.market_usd_per_mwh);
    let heat_kw = site
        .heat
        .as_ref()
        .filter(|heat| values.temperature_c <= heat.cold_below_c);
    Step {
        start,
        hours: 1.0,
        conditions: Conditions {
            import_usd_per_kwh: import,
            export_usd_per_kwh: export,
            import_kw_max: site.grid.import_kw_max,
            pv_kw: values.pv_kw,
            wind_kw: values.wind_kw,
            pue: site.cooling.pue_at(values.temperature_c),
            firm_kw: site.firm_kw(hour as usize),
            base_kw: site.base_load_kw.at(hour as usize),
            heat_kw: heat_kw.map_or(0.0, |heat| heat.demand_kw.at(hour as usize)),
            hashprice_usd_per_th_day: values.hashprice,
        },
    }
}
