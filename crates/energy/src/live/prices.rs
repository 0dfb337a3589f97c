//! Prices as they become known, hour by hour.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::market::{HOUR_S, Series};

/// Prices are kept for so many hours: six weeks.
const HOURS_KEPT: i64 = 42 * 24;
const DAY: i64 = 24;

/// All prices that were ever published and aren't too old, in dollars a kWh.
#[derive(Debug, Clone, Default)]
pub(super) struct Published {
    by_hour: BTreeMap<i64, f64>,
}

impl Published {
    /// Takes in what a feed says. What it said before about the same hours is forgotten.
    pub fn take(&mut self, series: &Series) {
        let first = hour_of(series.start());
        let hours = series.values().iter().zip(first..);
        self.by_hour
            .extend(hours.map(|(usd_per_kwh, hour)| (hour, *usd_per_kwh)));
        if let Some((last, _)) = self.by_hour.last_key_value() {
            self.by_hour = self.by_hour.split_off(&(last - HOURS_KEPT));
        }
    }

    /// Whether there is a price for a moment.
    pub fn covers(&self, moment: Timestamp) -> bool {
        self.by_hour.contains_key(&hour_of(moment))
    }

    /// From a moment to the last price that is known, in dollars a MWh. An hour without a price gets that of the nearest day
    /// which has one for its time of day; or the mean.
    pub fn since(&self, start: Timestamp) -> Vec<f64> {
        let Some((last, _)) = self.by_hour.last_key_value() else {
            return Vec::new();
        };
        let mean = self.by_hour.values().sum::<f64>() / self.by_hour.len() as f64;
        let days = HOURS_KEPT / DAY;
        let at = |hour: i64| {
            let near = (0..=days).flat_map(|day| [hour - day * DAY, hour + day * DAY]);
            let known = near.filter_map(|hour| self.by_hour.get(&hour)).next();
            known.copied().unwrap_or(mean) * 1000.0
        };
        (hour_of(start)..=*last).map(at).collect()
    }
}

fn hour_of(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(HOUR_S)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * HOUR_S).unwrap()
    }

    #[test]
    fn hours_without_a_price_are_like_the_nearest_day() {
        let mut published = Published::default();
        assert_eq!(published.since(at(0)), Vec::<f64>::new());
        let day: Vec<f64> = (0..24).map(f64::from).collect();
        published.take(&Series::new(at(240), day.clone()));
        assert!(published.covers(at(240)) && !published.covers(at(239)));
        let since = published.since(at(100));
        assert_eq!(since.len(), 164);
        assert_eq!(since[0], 4000.0, "hour 100 is the fifth of a day");
        // The newest word counts, and a gap is filled from beside it.
        published.take(&Series::new(at(263), vec![9.0]));
        published.take(&Series::new(at(288), vec![7.0]));
        let since = published.since(at(263));
        assert_eq!(since[0], 9000.0);
        assert_eq!(since[1], 0.0, "hour 264 is like hour 240");
        assert_eq!(*since.last().unwrap(), 7000.0);
    }

    #[test]
    fn what_is_old_is_forgotten() {
        let mut published = Published::default();
        for day in 0..100 {
            published.take(&Series::new(at(day * 24), vec![1.0; 24]));
        }
        assert!(published.by_hour.len() as i64 <= HOURS_KEPT + 1);
    }
}
