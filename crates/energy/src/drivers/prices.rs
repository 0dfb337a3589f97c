//! Prices of energy as others publish them over HTTP. (For CSV tables see [`read_prices`](crate::market::read_prices).)

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::Deserialize;

use super::DriverError;
use super::fetch::{Http, web};
use crate::market::{HOUR_S, Series};
use crate::{Error, Result};

/// The most prices in one answer.
const SPANS_MAX: usize = 20_000;
/// What no kWh costs, in any currency.
const PER_KWH_MAX: f64 = 100.0;
/// The longest time that one price holds, in seconds.
const SPAN_SECONDS_MAX: i64 = 366 * 86_400;

/// How prices are written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PriceShape {
    /// ENTSO-E's day-ahead prices as JSON, as energy-charts.info gives them: `unix_seconds` and `price`, in EUR/MWh.
    EnergyCharts,
    /// aWATTar's: `data` with `start_timestamp`, `end_timestamp` (milliseconds) and `marketprice`, in EUR/MWh.
    Awattar,
    /// Octopus Energy's: `results` with `valid_from`, `valid_to` and `value_inc_vat`, in pence/kWh, newest first.
    Octopus,
    /// ERCOT's public API: `fields` and `data`, settlement point prices in USD/MWh by local hour ending.
    Ercot {
        /// Which settlement point, such as `HB_HUBAVG`.
        settlement_point: String,
    },
}

/// What a kWh costs for some time, in the feed's currency (EUR, GBP or USD).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceSpan {
    /// From when.
    pub start: Timestamp,
    /// Until when.
    pub end: Timestamp,
    /// How much.
    pub per_kwh: f64,
}

/// Fetches prices.
///
/// # Errors
/// When they can't be had, or aren't what they should be.
pub async fn fetch_prices(
    address: &str,
    shape: &PriceShape,
) -> std::result::Result<Vec<PriceSpan>, DriverError> {
    let http = Http::new()?;
    let body = http.text(http.client().get(web(address)?)).await?;
    parse_prices(shape, &body).map_err(|error| DriverError::Nonsense {
        why: super::short(&error.to_string()),
    })
}

/// Reads prices: by rising time, none twice.
///
/// # Errors
/// With the number of the price that can't be, counted from 1.
pub fn parse_prices(shape: &PriceShape, body: &str) -> Result<Vec<PriceSpan>> {
    if body.len() > super::fetch::ANSWER_BYTES_MAX {
        return Err(Error::TooLarge {
            what: "an answer with prices",
            max: super::fetch::ANSWER_BYTES_MAX,
        });
    }
    let mut spans = match shape {
        PriceShape::EnergyCharts => energy_charts(body),
        PriceShape::Awattar => awattar(body),
        PriceShape::Octopus => octopus(body),
        PriceShape::Ercot { settlement_point } => ercot(body, settlement_point),
    }?;
    if spans.len() > SPANS_MAX {
        return Err(Error::TooLarge {
            what: "an answer with prices",
            max: SPANS_MAX,
        });
    }
    spans.sort_by_key(|span| span.start);
    for (i, span) in spans.iter().enumerate() {
        let seconds = span.end.as_second().saturating_sub(span.start.as_second());
        if !(1..=SPAN_SECONDS_MAX).contains(&seconds) {
            return Err(wrong(i, "it holds for no time, or for more than a year"));
        }
        if span.per_kwh.is_nan() || span.per_kwh.abs() > PER_KWH_MAX {
            return Err(wrong(i, "no kWh costs that"));
        }
        if spans.get(i + 1).is_some_and(|next| next.start < span.end) {
            return Err(wrong(i, "the next one begins before it ends"));
        }
    }
    Ok(spans)
}

/// The mean of each hour in dollars, given what one unit of the feed's currency is worth. The series begins with the first
/// full hour.
///
/// # Errors
/// When there is a gap.
pub fn hourly(spans: &[PriceSpan], usd_per_unit: f64) -> Result<Series> {
    let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
        return Err(wrong(0, "there are no prices"));
    };
    let start = first.start.as_second().div_euclid(HOUR_S)
        + i64::from(first.start.as_second().rem_euclid(HOUR_S) > 0);
    let end = last.end.as_second().div_euclid(HOUR_S);
    if end - start > SPANS_MAX as i64 {
        return Err(wrong(0, "they reach too far"));
    }
    let mut values = Vec::new();
    let mut rest = spans;
    for hour in start..end {
        let (from, to) = (hour * HOUR_S, (hour + 1) * HOUR_S);
        while rest
            .first()
            .is_some_and(|span| span.end.as_second() <= from)
        {
            rest = &rest[1..];
        }
        let (mut sum, mut covered) = (0.0, 0);
        for span in rest.iter().take_while(|span| span.start.as_second() < to) {
            let seconds = span.end.as_second().min(to) - span.start.as_second().max(from);
            sum += span.per_kwh * seconds as f64;
            covered += seconds;
        }
        if covered < HOUR_S {
            let needed = Timestamp::from_second(from).unwrap_or(Timestamp::MAX);
            return Err(Error::NoData {
                what: "the feed of prices",
                needed,
            });
        }
        values.push(sum / covered as f64 * usd_per_unit);
    }
    let start = Timestamp::from_second(start * HOUR_S).unwrap_or(first.start);
    Ok(Series::new(start, values))
}

fn wrong(index: usize, why: &str) -> Error {
    Error::Table {
        what: "prices",
        line: index as u64 + 1,
        why: why.into(),
    }
}

fn json<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| Error::Table {
        what: "prices",
        line: error.line() as u64,
        why: super::short(&error.to_string()),
    })
}

fn second(second: i64, index: usize) -> Result<Timestamp> {
    Timestamp::from_second(second).map_err(|_| wrong(index, "its time can't be"))
}

fn energy_charts(body: &str) -> Result<Vec<PriceSpan>> {
    #[derive(Deserialize)]
    struct Answer {
        unix_seconds: Vec<i64>,
        price: Vec<Option<f64>>,
    }
    let answer: Answer = json(body)?;
    let times = &answer.unix_seconds;
    if times.len() != answer.price.len() || times.len() > SPANS_MAX {
        return Err(wrong(0, "there are not as many prices as times"));
    }
    let mut spans = Vec::new();
    for (i, price) in answer.price.iter().enumerate() {
        let Some(price) = price else { continue };
        // A price holds until the next; the last one as long as the one before.
        let seconds = match (times.get(i + 1), i.checked_sub(1)) {
            (Some(next), _) => next.saturating_sub(times[i]),
            (None, Some(before)) => times[i].saturating_sub(times[before]),
            (None, None) => HOUR_S,
        };
        // Where there are holes between, it holds for an hour and no more.
        let end = times[i].saturating_add(seconds.min(HOUR_S));
        spans.push(PriceSpan {
            start: second(times[i], i)?,
            end: second(end, i)?,
            per_kwh: price / 1000.0,
        });
    }
    Ok(spans)
}

fn awattar(body: &str) -> Result<Vec<PriceSpan>> {
    #[derive(Deserialize)]
    struct Answer {
        data: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        start_timestamp: i64,
        end_timestamp: i64,
        marketprice: f64,
    }
    let answer: Answer = json(body)?;
    let items = answer.data.into_iter().enumerate();
    items
        .map(|(i, item)| {
            Ok(PriceSpan {
                start: second(item.start_timestamp.div_euclid(1000), i)?,
                end: second(item.end_timestamp.div_euclid(1000), i)?,
                per_kwh: item.marketprice / 1000.0,
            })
        })
        .collect()
}

fn octopus(body: &str) -> Result<Vec<PriceSpan>> {
    #[derive(Deserialize)]
    struct Answer {
        results: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        value_inc_vat: f64,
        valid_from: String,
        /// Nothing for a price that holds until further notice.
        valid_to: Option<String>,
    }
    let answer: Answer = json(body)?;
    let time = |text: &str, i: usize| {
        text.parse::<Timestamp>()
            .map_err(|_| wrong(i, "its time can't be"))
    };
    let items = answer.results.into_iter().enumerate();
    items
        .map(|(i, item)| {
            let start = time(&item.valid_from, i)?;
            let end = item.valid_to.map_or_else(
                || second(start.as_second().saturating_add(86_400), i),
                |end| time(&end, i),
            )?;
            Ok(PriceSpan {
                start,
                end,
                per_kwh: item.value_inc_vat / 100.0,
            })
        })
        .collect()
}

fn ercot(body: &str, settlement_point: &str) -> Result<Vec<PriceSpan>> {
    #[derive(Deserialize)]
    struct Answer {
        fields: Vec<Field>,
        data: Vec<Vec<serde_json::Value>>,
    }
    #[derive(Deserialize)]
    struct Field {
        name: String,
    }
    let answer: Answer = json(body)?;
    let column = |name: &str| {
        let found = answer
            .fields
            .iter()
            .position(|field| field.name.eq_ignore_ascii_case(name));
        found.ok_or_else(|| wrong(0, "a field is missing: deliveryDate, hourEnding, settlementPoint, settlementPointPrice"))
    };
    let (date, hour, point, price) = (
        column("deliveryDate")?,
        column("hourEnding")?,
        column("settlementPoint")?,
        column("settlementPointPrice")?,
    );
    let repeated = column("DSTFlag").ok();
    let zone =
        TimeZone::get("America/Chicago").map_err(|_| wrong(0, "the time zone isn't known"))?;
    let mut spans = Vec::new();
    for (i, row) in answer.data.iter().enumerate() {
        let text = |column: usize| row.get(column).and_then(|value| value.as_str());
        if text(point) != Some(settlement_point) {
            continue;
        }
        let is_repeated = repeated
            .and_then(|column| row.get(column)?.as_bool())
            .unwrap_or(false);
        let start = text(date)
            .zip(text(hour))
            .and_then(|(date, hour)| hour_ending(date, hour, is_repeated, &zone))
            .ok_or_else(|| wrong(i, "its day or hour can't be"))?;
        let price = row.get(price).and_then(serde_json::Value::as_f64);
        spans.push(PriceSpan {
            start,
            end: second(start.as_second() + HOUR_S, i)?,
            per_kwh: price.ok_or_else(|| wrong(i, "its price isn't a number"))? / 1000.0,
        });
    }
    Ok(spans)
}

/// When an hour begins that ends at a local time, `01:00` to `24:00`. `is_repeated` marks the second of the two hours when
/// clocks are set back.
fn hour_ending(date: &str, hour: &str, is_repeated: bool, zone: &TimeZone) -> Option<Timestamp> {
    let date: Date = date.parse().ok()?;
    let ending: i8 = hour.strip_suffix(":00")?.parse().ok()?;
    if !(1..=24).contains(&ending) {
        return None;
    }
    let local = date
        .at(0, 0, 0, 0)
        .checked_add(i64::from(ending - 1).hours())
        .ok()?;
    let ambiguous = zone.to_ambiguous_zoned(local);
    let zoned = if is_repeated {
        ambiguous.later()
    } else {
        ambiguous.earlier()
    };
    Some(zoned.ok()?.timestamp())
}
