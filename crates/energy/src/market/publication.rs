//! When the prices of a day become known.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A day-ahead market's calendar: the prices of a local day are published on the day before.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    zone: TimeZone,
    at: Time,
}

impl Publication {
    /// Prices of tomorrow are published at a local time of day (ERCOT: 13:30 in America/Chicago, EPEX for Germany: 12:45 in
    /// Europe/Berlin).
    pub const fn new(zone: TimeZone, at: Time) -> Self {
        Self { zone, at }
    }

    /// Up to when prices are known at a moment: to the end of today, or of tomorrow once they are published. Days have
    /// 23 or 25 hours when the clocks change.
    pub fn known_until(&self, now: Timestamp) -> Timestamp {
        let local = now.to_zoned(self.zone.clone());
        let days = if local.time() < self.at { 1 } else { 2 };
        let end = local
            .date()
            .checked_add(days.days())
            .and_then(|date| date.to_zoned(self.zone.clone()));
        end.map_or(now, |end| end.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(zone: &str, at: &str, now: &str, expected: &str) {
        let publication = Publication::new(TimeZone::get(zone).unwrap(), at.parse().unwrap());
        let known = publication.known_until(now.parse().unwrap());
        assert_eq!(known, expected.parse::<Timestamp>().unwrap(), "{now}");
    }

    #[test]
    fn tomorrow_is_known_from_its_publication_on() {
        check(
            "America/Chicago",
            "13:30",
            "2021-02-10T19:29:59Z",
            "2021-02-11T06:00:00Z",
        );
        check(
            "America/Chicago",
            "13:30",
            "2021-02-10T19:30:00Z",
            "2021-02-12T06:00:00Z",
        );
        check(
            "Europe/Berlin",
            "12:45",
            "2024-01-01T11:44:00Z",
            "2024-01-01T23:00:00Z",
        );
        check(
            "Europe/Berlin",
            "12:45",
            "2024-01-01T11:45:00Z",
            "2024-01-02T23:00:00Z",
        );
    }

    #[test]
    fn days_with_23_and_25_hours_end_at_midnight_too() {
        check(
            "Europe/Berlin",
            "12:45",
            "2024-03-30T12:00:00Z",
            "2024-03-31T22:00:00Z",
        );
        check(
            "Europe/Berlin",
            "12:45",
            "2024-10-26T12:00:00Z",
            "2024-10-27T23:00:00Z",
        );
        check(
            "America/Chicago",
            "13:30",
            "2024-03-10T06:30:00Z",
            "2024-03-11T05:00:00Z",
        );
    }
}
