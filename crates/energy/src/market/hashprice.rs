//! What a terahash a second earns in a day.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

use crate::{Error, Result};

/// The most rows of a daily table: a century.
const ROWS_MAX: usize = 36_600;
const WHAT: &str = "the daily table";
/// What stands where there is no value. Such a day is left out.
const MISSING: [&str; 4] = ["", "NaN", "nan", "null"];

/// The network and the market on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BitcoinDay {
    /// Dollars a bitcoin.
    pub price_usd: f64,
    /// The network's difficulty.
    pub difficulty: f64,
    /// The share of fees in what a block pays, 0 to 1.
    pub fee_share: f64,
}

/// Hashprice in dollars for a TH/s and a day: 86,400e12 hashes, one block for each difficulty · 2³² of them, which
/// creates so many bitcoin.
pub fn hashprice_usd_per_th_day(day: &BitcoinDay, subsidy_btc: f64) -> f64 {
    let reward_btc = subsidy_btc / (1.0 - day.fee_share.clamp(0.0, 0.99));
    86_400e12 * reward_btc * day.price_usd / (day.difficulty * 2f64.powi(32))
}

/// What a block creates on a day, in bitcoin. A day of a halving counts as after it.
pub fn subsidy_btc(day: Date) -> f64 {
    let halvings = [
        date(2012, 11, 28),
        date(2016, 7, 9),
        date(2020, 5, 11),
        date(2024, 4, 20),
    ];
    50.0 / 2f64.powi(halvings.iter().filter(|halving| day >= **halving).count() as i32)
}

/// The day of the bitcoin network, in UTC, at whose close a site settles what it mines at a moment: the last one that had
/// ended when the moment's local day began.
pub fn settled_at(moment: Timestamp, zone: &TimeZone) -> Date {
    let local_day = moment.to_zoned(zone.clone()).start_of_day();
    let began = local_day.map_or(moment, |day| day.timestamp());
    let running = TimeZone::UTC.to_datetime(began).date();
    running.yesterday().unwrap_or(running)
}

/// What is assumed of the network in 2024, for which there is a table of prices only: difficulty is linear between known
/// public values, and fees are a constant share. **An assumption, not data.**
#[derive(Debug, Clone, Copy)]
pub struct Network2024;

impl Network2024 {
    /// The share of fees that is assumed for the whole year.
    pub const FEE_SHARE: f64 = 0.05;
    /// Public values of the difficulty on the days it was set, in 1e12.
    const DIFFICULTY_E12: [(Date, f64); 8] = [
        (date(2023, 12, 23), 72.01),
        (date(2024, 1, 5), 73.20),
        (date(2024, 4, 24), 88.10),
        (date(2024, 7, 5), 79.50),
        (date(2024, 9, 11), 92.67),
        (date(2024, 11, 5), 101.65),
        (date(2024, 12, 30), 109.78),
        (date(2025, 1, 13), 110.45),
    ];

    /// The difficulty that is assumed for a day; before the first and after the last known value that one holds.
    pub fn difficulty(day: Date) -> f64 {
        let known = Self::DIFFICULTY_E12;
        let after = known.partition_point(|(at, _)| *at <= day);
        let e12 = match (after.checked_sub(1).map(|i| known[i]), known.get(after)) {
            (Some((from, low)), Some((to, high))) => {
                let days = |a: Date, b: Date| f64::from((b - a).get_days());
                low + (high - low) * days(from, day) / days(from, *to)
            }
            (Some((_, last)), None) => last,
            (None, _) => known[0].1,
        };
        e12 * 1e12
    }

    /// The day with a bitcoin at a price.
    pub fn day(day: Date, price_usd: f64) -> BitcoinDay {
        BitcoinDay {
            price_usd,
            difficulty: Self::difficulty(day),
            fee_share: Self::FEE_SHARE,
        }
    }
}

/// Reads a daily table in CSV with a header: a day (`2021/01/31` or `2021-01-31`), and a number in the column.
///
/// # Errors
/// When a day or a number can't be read. A day without a number is left out.
pub fn daily_table(text: &str, column: usize) -> Result<BTreeMap<Date, f64>> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut days = BTreeMap::new();
    for (i, record) in reader.records().enumerate() {
        let line = i as u64 + 2;
        let wrong = |why: String| Error::Table {
            what: WHAT,
            line,
            why,
        };
        if i >= ROWS_MAX {
            return Err(Error::TooLarge {
                what: "the daily table, in rows,",
                max: ROWS_MAX,
            });
        }
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let day = record.get(0).unwrap_or_default().replace('/', "-");
        let day: Date = day
            .parse()
            .map_err(|_| wrong(format!("{day:?} isn't a day")))?;
        let text = record.get(column).unwrap_or_default();
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        if value.is_none() && !MISSING.contains(&text) {
            return Err(wrong(format!(
                "{text:?} in column {} isn't a number",
                column + 1
            )));
        }
        days.extend(value.map(|value| (day, value)));
    }
    Ok(days)
}

/// Reads the closing prices of a table `date,ticker,price_open,price_close,…`.
///
/// # Errors
/// As [`daily_table`].
pub fn btc_closes(text: &str) -> Result<BTreeMap<Date, f64>> {
    daily_table(text, 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashprice_follows_its_definition() {
        // 21 April 2021: about $0.4 for a TH and a day, as was published then.
        let day = BitcoinDay {
            price_usd: 56_000.0,
            difficulty: 23.58e12,
            fee_share: 0.15,
        };
        let hashprice = hashprice_usd_per_th_day(&day, 6.25);
        assert!((hashprice - 0.351).abs() < 0.002, "{hashprice}");
        // Twice the difficulty, half the pay.
        let harder = BitcoinDay {
            difficulty: 47.16e12,
            ..day
        };
        assert!((hashprice_usd_per_th_day(&harder, 6.25) * 2.0 - hashprice).abs() < 1e-12);
    }

    #[test]
    fn the_subsidy_halves() {
        assert_eq!(subsidy_btc(date(2020, 5, 10)), 12.5);
        assert_eq!(subsidy_btc(date(2021, 1, 1)), 6.25);
        assert_eq!(subsidy_btc(date(2024, 4, 19)), 6.25);
        assert_eq!(subsidy_btc(date(2024, 4, 20)), 3.125);
    }

    #[test]
    fn a_local_day_settles_at_the_last_close_before_it() {
        for (zone, moment, expected) in [
            // Midnight in Texas is 5 or 6 o'clock in UTC, and in Berlin 22 or 23 o'clock of the day before.
            ("America/Chicago", "2024-01-10T05:59:59Z", date(2024, 1, 8)),
            ("America/Chicago", "2024-01-10T06:00:00Z", date(2024, 1, 9)),
            ("America/Chicago", "2024-01-11T05:59:59Z", date(2024, 1, 9)),
            ("America/Chicago", "2024-07-10T05:00:00Z", date(2024, 7, 9)),
            ("Europe/Berlin", "2024-01-10T22:59:59Z", date(2024, 1, 8)),
            ("Europe/Berlin", "2024-01-10T23:00:00Z", date(2024, 1, 9)),
            ("Europe/Berlin", "2024-07-10T22:00:00Z", date(2024, 7, 9)),
            // A close at the local midnight is known then.
            ("UTC", "2024-01-10T00:00:00Z", date(2024, 1, 9)),
            // No midnight on this day: clocks went from 24 to 1 o'clock.
            ("America/Havana", "2024-03-10T05:00:00Z", date(2024, 3, 9)),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            assert_eq!(
                settled_at(moment.parse().unwrap(), &zone),
                expected,
                "{moment}"
            );
        }
    }

    #[test]
    fn the_assumed_difficulty_passes_through_what_is_known() {
        assert_eq!(Network2024::difficulty(date(2024, 7, 5)), 79.50e12);
        let between = Network2024::difficulty(date(2024, 10, 8));
        assert!((96e12..98.5e12).contains(&between), "{between}");
        assert_eq!(Network2024::difficulty(date(2020, 1, 1)), 72.01e12);
    }

    #[test]
    fn daily_tables_are_read_strictly() {
        assert_eq!(
            daily_table("Date,price\n2021/01/02,3.5\n", 1).unwrap()[&date(2021, 1, 2)],
            3.5
        );
        assert_eq!(
            daily_table("Date,price\n2021/13/02,3.5\n", 1)
                .unwrap_err()
                .code(),
            "table"
        );
        assert!(
            daily_table("Date,price\n2021/01/02,NaN\n", 1)
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            daily_table("Date,price\n2021/01/02,lots\n", 1)
                .unwrap_err()
                .code(),
            "table"
        );
    }
}
