//! What a world is made of: tables where there are some, made-up data where there are none.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::World;
use crate::market::{
    BitcoinDay, HOUR_S, PriceTable, Series, hashprice_usd_per_th_day, settled_at, subsidy_btc,
    synthetic,
};
use crate::site::Site;
use crate::weather::TypicalYear;
use crate::{Error, Result};

/// The longest world that is made up, in days.
const DAYS_MAX: usize = 3660;

/// What a world is made of. Whatever is missing is made up, and said to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inputs {
    /// Market prices. They set when the world begins and how long it lasts.
    pub prices: Option<PriceTable>,
    /// Weather.
    pub weather: Option<TypicalYear>,
    /// What a TH/s brings.
    pub hashprice: Hashprice,
    /// When a world without prices begins; with the year 2024, unless said.
    pub start: Option<Timestamp>,
    /// How many days a world without prices lasts; four weeks, unless said.
    pub days: Option<usize>,
    /// What is made up depends on it, and on nothing else.
    pub seed: u64,
}

/// What a TH/s brings in a day.
#[derive(Debug, Clone, PartialEq)]
pub enum Hashprice {
    /// Always the same, in dollars.
    Constant(f64),
    /// By the days of the bitcoin network, in UTC. A site settles by its own days: what it mines is valued by the last
    /// day of the network that had closed when its local day began, so nothing is valued by what wasn't known yet. Of a
    /// day without data, the last one with data is used.
    Days(BTreeMap<Date, BitcoinDay>),
}

impl Default for Hashprice {
    fn default() -> Self {
        Self::Constant(0.055)
    }
}

impl World {
    /// Puts a world together.
    ///
    /// # Errors
    /// When no bitcoin day had closed before the first local day.
    pub fn new(site: &Site, inputs: &Inputs) -> Result<Self> {
        let mut assumptions = Vec::new();
        let market = market(site, inputs, &mut assumptions);
        let (start, hours) = (market.start(), market.values().len());
        let hashprice = match &inputs.hashprice {
            Hashprice::Days(days) => {
                hashprices(start, hours, &site.zone(), days, &mut assumptions)?
            }
            Hashprice::Constant(usd) => {
                assumptions.push(format!("hashprice is ${usd} for a TH/s and a day"));
                Series::new(start, vec![*usd; hours])
            }
        };
        let made_up;
        let year = match &inputs.weather {
            Some(year) => year,
            None => {
                assumptions.push(format!("weather is made up (seed {})", inputs.seed));
                let latitude_deg = site.pv.as_ref().map_or(40.0, |pv| pv.latitude_deg);
                made_up = TypicalYear::synthetic(inputs.seed, latitude_deg);
                &made_up
            }
        };
        Ok(Self {
            is_of_network: matches!(inputs.hashprice, Hashprice::Days(_)),
            ..Self::assembled(site, market, year, hashprice, assumptions)
        })
    }

    /// A made-up world: the same for the same seed.
    ///
    /// # Errors
    /// As [`World::new`].
    pub fn synthetic(site: &Site, seed: u64, start: Timestamp, days: usize) -> Result<Self> {
        let inputs = Inputs {
            start: Some(start),
            days: Some(days),
            seed,
            ..Inputs::default()
        };
        Self::new(site, &inputs)
    }
}

fn market(site: &Site, inputs: &Inputs, assumptions: &mut Vec<String>) -> Series {
    if let Some(table) = &inputs.prices {
        let repairs = &table.repairs;
        if repairs.filled_hours > 0 {
            assumptions.push(format!(
                "{} hours had no price, and got that of the day before ({} rows were bad)",
                repairs.filled_hours, repairs.bad_rows
            ));
        }
        return table.prices.clone();
    }
    let new_year = jiff::civil::date(2024, 1, 1).to_zoned(site.zone());
    let start = inputs
        .start
        .unwrap_or_else(|| new_year.map(|day| day.timestamp()).unwrap_or_default());
    let days = inputs.days.unwrap_or(28).min(DAYS_MAX);
    // Days with 23 or 25 hours are days.
    let end = start
        .to_zoned(site.zone())
        .checked_add((days as i64).days());
    let end = end.map_or(start, |end| end.timestamp());
    let hours = (end.as_second() - start.as_second()) / HOUR_S;
    if site.tariff.is_hourly() {
        assumptions.push(format!("market prices are made up (seed {})", inputs.seed));
    }
    synthetic::prices(inputs.seed, start, hours.max(1) as usize, &site.zone())
}

/// The days of the bitcoin network from its tables: dollars a bitcoin, difficulty, and the share of fees in what a block
/// pays, in percent. Of a day that one of them lacks, the last day before it is used.
pub fn bitcoin_days(
    price_usd: &BTreeMap<Date, f64>,
    difficulty: &BTreeMap<Date, f64>,
    fee_percent: &BTreeMap<Date, f64>,
) -> BTreeMap<Date, BitcoinDay> {
    let last = |table: &BTreeMap<Date, f64>, day: Date| {
        table.range(..=day).next_back().map(|(_, value)| *value)
    };
    let day = |(date, price_usd): (&Date, &f64)| {
        let day = BitcoinDay {
            price_usd: *price_usd,
            difficulty: last(difficulty, *date)?,
            fee_share: last(fee_percent, *date)? / 100.0,
        };
        Some((*date, day))
    };
    price_usd.iter().filter_map(day).collect()
}

fn hashprices(
    start: Timestamp,
    hours: usize,
    zone: &TimeZone,
    bitcoin: &BTreeMap<Date, BitcoinDay>,
    assumptions: &mut Vec<String>,
) -> Result<Series> {
    let mut values = Vec::with_capacity(hours);
    let mut last = None;
    for hour in 0..hours as i64 {
        let moment = Timestamp::from_second(start.as_second() + hour * HOUR_S).unwrap_or(start);
        let settled = settled_at(moment, zone);
        let (at, day) = bitcoin.range(..=settled).next_back().ok_or_else(|| {
            let needed = settled.to_zoned(TimeZone::UTC);
            Error::NoData {
                what: "the table of bitcoin prices",
                needed: needed.map_or(moment, |day| day.timestamp()),
            }
        })?;
        last = Some(*at).filter(|at| *at < settled);
        // What a block creates is a rule of the network, and known at any time.
        let subsidy_btc = subsidy_btc(TimeZone::UTC.to_datetime(moment).date());
        values.push(hashprice_usd_per_th_day(day, subsidy_btc));
    }
    if let Some(at) = last {
        assumptions.push(format!(
            "hashprice after {at} is that of {at}: there is no data for later days"
        ));
    }
    Ok(Series::new(start, values))
}
