//! Made-up market prices, so that everything can be tried with nothing at hand.

use std::f64::consts::TAU;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{HOUR_S, Series, local_hour_and_day};

/// What a MWh costs in the mean, in dollars.
const MEAN_USD_PER_MWH: f64 = 55.0;

/// Makes up hourly prices in dollars a MWh: dear mornings and evenings, a cheap noon that turns negative on sunny days,
/// quiet weekends, slow swings over days, and now and then an hour of scarcity. The same seed gives the same prices.
pub fn prices(seed: u64, start: Timestamp, hours: usize, zone: &TimeZone) -> Series {
    let mut random = ChaCha8Rng::seed_from_u64(seed ^ 0x9121);
    let (mut swing, mut sunny, mut scarcity) = (0.0_f64, 0.5_f64, 0.0_f64);
    let values = (0..hours as i64).map(|i| {
        let moment = start.as_second() + i * HOUR_S;
        let moment = Timestamp::from_second(moment).unwrap_or(start);
        let (hour, day) = local_hour_and_day(moment, zone);
        swing = 0.985 * swing + random.random_range(-3.0..3.0);
        if hour == 0 {
            sunny = random.random_range(0.0..1.0);
        }
        scarcity = if random.random_range(0.0..1.0) < 0.001 {
            random.random_range(200.0..3000.0)
        } else {
            scarcity * 0.4
        };
        let weekend = if matches!(day, Weekday::Saturday | Weekday::Sunday) {
            -10.0
        } else {
            0.0
        };
        let noise = random.random_range(-4.0..4.0);
        MEAN_USD_PER_MWH + shape(f64::from(hour), sunny) + swing + weekend + scarcity + noise
    });
    Series::new(start, values.collect())
}

/// The day's shape around its mean, in dollars a MWh.
fn shape(hour: f64, sunny: f64) -> f64 {
    let bump = |center: f64, width: f64| (-((hour - center) / width).powi(2)).exp();
    22.0 * bump(7.5, 2.0) + 38.0 * bump(19.0, 2.5)
        - 75.0 * sunny * bump(13.0, 2.8)
        - 8.0 * (hour / 24.0 * TAU).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_prices_repeat_and_look_like_prices() {
        let start = "2024-01-01T00:00:00Z".parse().unwrap();
        let year = prices(3, start, 8784, &TimeZone::UTC);
        assert_eq!(year, prices(3, start, 8784, &TimeZone::UTC));
        let values = year.values();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((40.0..75.0).contains(&mean), "{mean}");
        assert!(values.iter().filter(|price| **price < 0.0).count() > 50);
        assert!(values.iter().any(|price| *price > 300.0));
    }
}
