//! Hourly values without holes.

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;

/// An hour, in seconds.
pub const HOUR_S: i64 = 3600;

/// One finite value for each hour from a start on.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    start_hour: i64,
    values: Vec<f64>,
}

impl Series {
    /// Values for the hours from the one that `start` falls into. What isn't finite becomes zero.
    pub fn new(start: Timestamp, values: Vec<f64>) -> Self {
        let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
        Self {
            start_hour: hour_of(start),
            values: values.into_iter().map(finite).collect(),
        }
    }

    /// When it begins.
    pub fn start(&self) -> Timestamp {
        at_hour(self.start_hour)
    }

    /// When it ends: the first moment without a value.
    pub fn end(&self) -> Timestamp {
        at_hour(self.start_hour + self.values.len() as i64)
    }

    /// All values, by the hour.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The value of the hour in which a moment falls.
    pub fn at(&self, moment: Timestamp) -> Option<f64> {
        let index = usize::try_from(hour_of(moment) - self.start_hour).ok()?;
        self.values.get(index).copied()
    }

    /// The values before a moment, oldest first: all that somebody could know who stands there.
    pub fn before(&self, moment: Timestamp) -> &[f64] {
        let hours = usize::try_from(hour_of(moment) - self.start_hour).unwrap_or(0);
        &self.values[..hours.min(self.values.len())]
    }
}

/// The number of the hour since 1970 in which a moment falls.
fn hour_of(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(HOUR_S)
}

fn at_hour(hour: i64) -> Timestamp {
    Timestamp::from_second(hour.saturating_mul(HOUR_S)).unwrap_or(Timestamp::MAX)
}

/// The local hour of the day (0 to 23) and the day of the week.
pub fn local_hour_and_day(moment: Timestamp, zone: &TimeZone) -> (u32, Weekday) {
    let local = zone.to_datetime(moment);
    (local.hour().unsigned_abs().into(), local.weekday())
}
