//! What a VTN says: events, as OpenADR 3.1 writes them.

use jiff::{SignedDuration, Span, Timestamp};
use serde::Deserialize;

use crate::drivers::short;
use crate::{Error, Result};

/// The most events, and intervals of one event, that are read.
const EVENTS_MAX: usize = 500;
/// What the grid asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Signal {
    /// `SIMPLE`: 0 is normal, 3 is most urgent.
    Simple {
        /// The level.
        level: u8,
    },
    /// `IMPORT_CAPACITY_LIMIT`: import no more than that.
    ImportLimit {
        /// In kW.
        power_kw: f64,
    },
    /// `DISPATCH_SETPOINT`: import exactly that.
    Setpoint {
        /// In kW.
        power_kw: f64,
    },
    /// `PRICE`: what a kWh costs.
    Price {
        /// In the program's currency.
        per_kwh: f64,
    },
}

/// What is asked for in one interval of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct GridEvent {
    /// The event's id.
    pub id: String,
    /// The program's.
    pub program_id: String,
    /// From when.
    pub start: Timestamp,
    /// Until when; `None` until further notice.
    pub end: Option<Timestamp>,
    /// What.
    pub signal: Signal,
    /// 0 is the most urgent.
    pub priority: Option<u32>,
}

/// Reads the answer to `GET /events`. Payloads that are not of a kind in [`Signal`] are passed over. An interval without a
/// start of its own follows the one before.
///
/// # Errors
/// When it isn't such an answer, or a time or a value can't be.
pub fn parse_events(body: &str, now: Timestamp) -> Result<Vec<GridEvent>> {
    let wrong = |line: usize, why: &str| Error::Table {
        what: "OpenADR events",
        line: line as u64,
        why: short(why),
    };
    let events: Vec<EventObject> =
        serde_json::from_str(body).map_err(|error| wrong(error.line(), &error.to_string()))?;
    let is_long = |event: &EventObject| event.intervals.len() > EVENTS_MAX;
    if events.len() > EVENTS_MAX || events.iter().any(is_long) {
        return Err(Error::TooLarge {
            what: "a list of OpenADR events",
            max: EVENTS_MAX,
        });
    }
    let mut found = Vec::new();
    for (i, event) in events.iter().enumerate() {
        event
            .read(now, &mut found)
            .map_err(|why| wrong(i + 1, why))?;
    }
    Ok(found)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventObject {
    id: String,
    #[serde(rename = "programID")]
    program_id: String,
    priority: Option<u32>,
    interval_period: Option<Period>,
    #[serde(default)]
    intervals: Vec<Interval>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interval {
    interval_period: Option<Period>,
    payloads: Vec<Payload>,
}

#[derive(Deserialize)]
struct Period {
    start: String,
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Payload {
    r#type: String,
    values: Vec<serde_json::Value>,
}

impl EventObject {
    fn read(
        &self,
        now: Timestamp,
        found: &mut Vec<GridEvent>,
    ) -> std::result::Result<(), &'static str> {
        let whole = self.interval_period.as_ref();
        let mut next = whole.map_or(Ok(now), |period| period.start(now))?;
        for interval in &self.intervals {
            let own = interval.interval_period.as_ref();
            let start = own.map_or(Ok(next), |period| period.start(now))?;
            let end = own.or(whole).map_or(Ok(None), |period| period.end(start))?;
            next = end.unwrap_or(start);
            for payload in &interval.payloads {
                if let Some(signal) = payload.signal()? {
                    found.push(GridEvent {
                        id: self.id.clone(),
                        program_id: self.program_id.clone(),
                        start,
                        end,
                        signal,
                        priority: self.priority,
                    });
                }
            }
        }
        Ok(())
    }
}

impl Period {
    /// The standard writes the year 0 (or 1) for "now".
    fn start(&self, now: Timestamp) -> std::result::Result<Timestamp, &'static str> {
        if self.start.starts_with("0000-") || self.start.starts_with("0001-") {
            return Ok(now);
        }
        self.start.parse().map_err(|_| "its start isn't a time")
    }

    /// Nothing for no duration, and for the standard's endless one (`P9999Y`).
    fn end(&self, start: Timestamp) -> std::result::Result<Option<Timestamp>, &'static str> {
        let Some(duration) = self
            .duration
            .as_deref()
            .filter(|text| !text.starts_with("P9999"))
        else {
            return Ok(None);
        };
        let span: Span = duration.parse().map_err(|_| "its duration isn't one")?;
        let day = jiff::SpanRelativeTo::days_are_24_hours();
        let length: SignedDuration = span
            .to_duration(day)
            .map_err(|_| "its duration isn't one")?;
        if length.is_negative() {
            return Err("its duration is negative");
        }
        start
            .checked_add(length)
            .map(Some)
            .map_err(|_| "it never ends")
    }
}

impl Payload {
    fn signal(&self) -> std::result::Result<Option<Signal>, &'static str> {
        let number = || {
            let value = self.values.first().and_then(serde_json::Value::as_f64);
            value
                .filter(|value| value.abs() < 1e9)
                .ok_or("its value isn't a number")
        };
        Ok(Some(match self.r#type.as_str() {
            "SIMPLE" => Signal::Simple {
                level: number()?.clamp(0.0, 3.0) as u8,
            },
            "IMPORT_CAPACITY_LIMIT" => Signal::ImportLimit {
                power_kw: number()?,
            },
            "DISPATCH_SETPOINT" => Signal::Setpoint {
                power_kw: number()?,
            },
            "PRICE" => Signal::Price { per_kwh: number()? },
            _ => return Ok(None),
        }))
    }
}
