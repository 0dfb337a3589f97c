//! Tables of market prices, as they are: with holes, repeated hours and nonsense in them.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::{HOUR_S, Series};
use crate::{Error, Result};

/// The longest table, in bytes.
const BYTES_MAX: usize = 64 << 20;
/// The most rows.
const ROWS_MAX: usize = 1 << 20;
/// A price beyond this, either way, is nonsense, in dollars a MWh.
const USD_PER_MWH_MAX: f64 = 100_000.0;
/// The longest hole that is filled, in hours.
const GAP_HOURS_MAX: i64 = 7 * 24;
const WHAT: &str = "the table of prices";

/// What was read, and what had to be mended.
#[derive(Debug, Clone, PartialEq)]
pub struct PriceTable {
    /// In dollars a MWh.
    pub prices: Series,
    /// What was mended.
    pub repairs: Repairs,
}

/// What had to be mended in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Repairs {
    /// Rows whose price isn't a number, or is nonsense.
    pub bad_rows: usize,
    /// Hours without any price, which got that of the day before.
    pub filled_hours: usize,
    /// Hours with several prices, which got their mean: shorter steps, or repeated rows.
    pub averaged_hours: usize,
}

struct Columns {
    time: usize,
    price: usize,
    usd_per_mwh: f64,
}

/// Reads a table of prices in CSV with a header.
///
/// The time is in the first column whose name has `utc`, else `time` or `date`; the price in the first whose name has
/// `price`. A price is in dollars a MWh, unless its column's name has `/kWh`. Times without an offset are local to the
/// zone; when the clocks are set back, the second of two equal times is the later hour.
///
/// # Errors
/// When a column is missing, a time can't be read, or a hole is longer than a week.
pub fn read_prices(text: &str, zone: &TimeZone) -> Result<PriceTable> {
    if text.len() > BYTES_MAX {
        return Err(Error::TooLarge {
            what: "the table of prices, in bytes,",
            max: BYTES_MAX,
        });
    }
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .map_err(|error| wrong(1, error.to_string()))?
        .clone();
    let columns = find_columns(&headers)?;
    let mut repairs = Repairs::default();
    let mut hours: BTreeMap<i64, (f64, u32)> = BTreeMap::new();
    let mut clock = LocalClock::default();
    for (i, record) in reader.records().enumerate() {
        if i >= ROWS_MAX {
            return Err(Error::TooLarge {
                what: "the table of prices, in rows,",
                max: ROWS_MAX,
            });
        }
        let record = record.map_err(|error| wrong(i as u64 + 2, error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let time = record.get(columns.time).unwrap_or_default();
        let moment = clock
            .read(time, zone)
            .ok_or_else(|| wrong(line, format!("{time:?} isn't a time")))?;
        match price(record.get(columns.price), columns.usd_per_mwh) {
            Some(price) => {
                let (sum, count) = hours
                    .entry(moment.as_second().div_euclid(HOUR_S))
                    .or_default();
                *sum += price;
                *count += 1;
            }
            None => repairs.bad_rows += 1,
        }
    }
    whole(&hours, repairs)
}

fn find_columns(headers: &csv::StringRecord) -> Result<Columns> {
    let find = |part: &str| {
        headers
            .iter()
            .position(|name| name.to_lowercase().contains(part))
    };
    let time = find("utc")
        .or_else(|| find("time"))
        .or_else(|| find("date"));
    let time = time.ok_or_else(|| wrong(1, "no column has `time` or `date` in its name".into()))?;
    let price =
        find("price").ok_or_else(|| wrong(1, "no column has `price` in its name".into()))?;
    let per_kwh = headers
        .get(price)
        .is_some_and(|name| name.to_lowercase().contains("/kwh"));
    Ok(Columns {
        time,
        price,
        usd_per_mwh: if per_kwh { 1000.0 } else { 1.0 },
    })
}

fn price(text: Option<&str>, usd_per_mwh: f64) -> Option<f64> {
    let price = text?.parse::<f64>().ok()? * usd_per_mwh;
    (price.abs() <= USD_PER_MWH_MAX).then_some(price)
}

/// Reads times, and remembers the last local one, since only the order tells the two hours of a clock set back apart.
#[derive(Default)]
struct LocalClock {
    last: Option<(DateTime, Timestamp)>,
}

impl LocalClock {
    fn read(&mut self, text: &str, zone: &TimeZone) -> Option<Timestamp> {
        if let Ok(moment) = text.parse::<Timestamp>() {
            return Some(moment);
        }
        let local = text.replacen(' ', "T", 1).parse::<DateTime>().ok()?;
        let ambiguous = zone.to_ambiguous_timestamp(local);
        let (first, second) = (ambiguous.earlier().ok()?, ambiguous.later().ok()?);
        let is_second = self
            .last
            .is_some_and(|(before, at)| before >= local && at >= first);
        let moment = if is_second && second > first && !ambiguous_is_gap(zone, local) {
            second
        } else {
            first
        };
        self.last = Some((local, moment));
        Some(moment)
    }
}

/// Whether a local time was skipped when the clocks were set forward.
fn ambiguous_is_gap(zone: &TimeZone, local: DateTime) -> bool {
    zone.to_ambiguous_timestamp(local)
        .earlier()
        .is_ok_and(|moment| zone.to_datetime(moment) != local)
}

fn whole(hours: &BTreeMap<i64, (f64, u32)>, mut repairs: Repairs) -> Result<PriceTable> {
    let (Some((&first, _)), Some((&last, _))) = (hours.first_key_value(), hours.last_key_value())
    else {
        return Err(wrong(0, "there is no price in it".into()));
    };
    let mut values: Vec<f64> = Vec::new();
    let mut before = first;
    for (&hour, &(sum, count)) in hours {
        if hour - before > GAP_HOURS_MAX {
            let at = moment(before + 1);
            return Err(wrong(
                0,
                format!("more than {GAP_HOURS_MAX} hours are missing from {at} on"),
            ));
        }
        for _ in before + 1..hour {
            values.push(like_yesterday(&values));
            repairs.filled_hours += 1;
        }
        repairs.averaged_hours += usize::from(count > 1);
        values.push(sum / f64::from(count));
        before = hour;
    }
    debug_assert_eq!(values.len() as i64, last - first + 1);
    Ok(PriceTable {
        prices: Series::new(moment(first), values),
        repairs,
    })
}

fn like_yesterday(values: &[f64]) -> f64 {
    let yesterday = values.len().checked_sub(24).and_then(|i| values.get(i));
    yesterday.or(values.last()).copied().unwrap_or(0.0)
}

fn moment(hour: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH
        .checked_add(hour.hours())
        .unwrap_or(Timestamp::MAX)
}

const fn wrong(line: u64, why: String) -> Error {
    Error::Table {
        what: WHAT,
        line,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<PriceTable> {
        read_prices(text, &TimeZone::get("Europe/Berlin").unwrap())
    }

    #[test]
    fn holes_and_nonsense_are_mended_and_counted() {
        let table = read(
            "Datetime (UTC),Price (USD/MWh)\n2024-01-01 00:00:00+00:00,10\n2024-01-01 01:00:00+00:00,NaN\n\
             2024-01-01 02:00:00+00:00,\n2024-01-01 03:00:00+00:00,1e300\n2024-01-01 04:00:00+00:00,-50\n",
        )
        .unwrap();
        assert_eq!(table.prices.values(), [10.0, 10.0, 10.0, 10.0, -50.0]);
        assert_eq!(
            table.repairs,
            Repairs {
                bad_rows: 3,
                filled_hours: 3,
                averaged_hours: 0
            }
        );
    }

    #[test]
    fn local_times_follow_the_clock_when_it_is_set_back() {
        let table = read(
            "time,price\n2024-10-27 01:00,1\n2024-10-27 02:00,2\n2024-10-27 02:00,3\n2024-10-27 03:00,4\n",
        )
        .unwrap();
        assert_eq!(table.prices.values(), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(table.prices.start().to_string(), "2024-10-26T23:00:00Z");
    }

    #[test]
    fn local_times_follow_the_clock_when_it_is_set_forward() {
        let table = read("time,price\n2024-03-31 01:00,1\n2024-03-31 03:00,2\n").unwrap();
        assert_eq!(table.prices.values(), [1.0, 2.0]);
    }

    #[test]
    fn quarter_hours_are_averaged() {
        let table =
            read("time,price USD/kWh\n2024-01-01 00:00,0.1\n2024-01-01 00:15,0.3\n").unwrap();
        assert!((table.prices.values()[0] - 200.0).abs() < 1e-9);
        assert_eq!(table.repairs.averaged_hours, 1);
    }

    #[test]
    fn what_cannot_be_a_table_is_refused() {
        for text in [
            "",
            "a,b\n1,2\n",
            "time,price\nyesterday,3\n",
            "time,price\n",
            "time,price\n2024-01-01 00:00,x\n",
        ] {
            assert_eq!(read(text).unwrap_err().code(), "table", "{text:?}");
        }
        let hole = "time,price\n2024-01-01 00:00,1\n2024-02-01 00:00,1\n";
        assert!(read(hole).unwrap_err().to_string().contains("missing"));
    }
}
