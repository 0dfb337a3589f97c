//! Prices: like the days before, and by as many times higher or lower as now.

use super::{DAY, Forecaster, View};

/// What is usual is taken from so many hours.
const WINDOW: usize = 28 * DAY;
/// Power is scarce when it costs so many times the usual.
const SCARCE: f64 = 1.5;
/// No price is expected beyond so many times the furthest one of the window.
const BEYOND: f64 = 2.0;
/// How much of a difference to the days before is left after an hour, in ordinary hours and in scarce ones. Scarcity
/// lasts, and it costs more to be without a full battery in it than to have kept one for nothing.
const FADE: f64 = 0.88;
const FADE_SCARCE: f64 = 0.985;
/// How much the mean of a week counts beside the last day, in ordinary hours. In scarce ones, the week says nothing.
const WEEK_SHARE: f64 = 0.3;

/// Each hour is as it was on the last days that are known, and by as many times higher or lower as the last hour was,
/// fading. Prices can be negative and leap a hundredfold, so all is done on the inverse hyperbolic sine of them, which is
/// linear near zero and logarithmic far from it.
#[derive(Debug, Clone, Copy, Default)]
pub struct PriceDrift;

impl Forecaster for PriceDrift {
    fn forecast(&self, view: &View<'_>, hours: usize) -> Vec<f64> {
        let known = view.known;
        let Some(now) = known.last() else {
            return vec![0.0; hours];
        };
        let recent = &known[known.len().saturating_sub(WINDOW)..];
        let usual = median_size(recent);
        let is_scarce = *now > SCARCE * usual;
        let (fade, week_share) = if is_scarce {
            (FADE_SCARCE, 0.0)
        } else {
            (FADE, WEEK_SHARE)
        };
        let days = Days {
            known,
            scale: (usual / 2.0).max(1e-3),
            week_share,
        };
        let last = known.len() - 1;
        let higher = days.scaled(*now) - days.like(last, last);
        let low = recent.iter().copied().fold(0.0, f64::min) * BEYOND;
        let high = recent.iter().copied().fold(0.0, f64::max) * BEYOND;
        let guess = |hour: usize| {
            let ahead = i32::try_from(hour - last).unwrap_or(i32::MAX);
            let scaled = days.like(hour, known.len()) + higher * fade.powi(ahead);
            (scaled.sinh() * days.scale).clamp(low, high)
        };
        (view.now..view.now + hours)
            .map(|hour| known.get(hour).copied().unwrap_or_else(|| guess(hour)))
            .collect()
    }
}

/// The days before, on the scale on which they are compared.
struct Days<'a> {
    known: &'a [f64],
    scale: f64,
    week_share: f64,
}

impl Days<'_> {
    fn scaled(&self, price: f64) -> f64 {
        (price / self.scale).asinh()
    }

    /// What an hour is like by those days of which it is known and that end before another hour; or like the first price
    /// there is.
    fn like(&self, hour: usize, before: usize) -> f64 {
        let first = (hour + 1).saturating_sub(before).div_ceil(DAY).max(1);
        let known = (first..first + 7)
            .filter_map(|day| hour.checked_sub(day * DAY))
            .filter_map(|hour| self.known.get(hour));
        let days: Vec<f64> = known.map(|price| self.scaled(*price)).collect();
        match days.first() {
            Some(last) => {
                let mean = days.iter().sum::<f64>() / days.len() as f64;
                last + self.week_share * (mean - last)
            }
            None => self.scaled(self.known[0]),
        }
    }
}

/// The middle one of the sizes.
fn median_size(values: &[f64]) -> f64 {
    let mut sizes: Vec<f64> = values.iter().map(|value| value.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    sizes[sizes.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::Persistence;
    use crate::market::synthetic;

    fn mean_error(forecaster: &dyn Forecaster, values: &[f64]) -> f64 {
        let mut sum = 0.0;
        let starts: Vec<usize> = (60 * DAY..300 * DAY).step_by(DAY * 3 + 5).collect();
        for now in &starts {
            let known = &values[..*now];
            let forecast = forecaster.forecast(&View { known, now: *now }, DAY);
            let errors = forecast
                .iter()
                .zip(&values[*now..])
                .map(|(a, b)| (a - b).abs().min(200.0));
            sum += errors.sum::<f64>() / DAY as f64;
        }
        sum / starts.len() as f64
    }

    #[test]
    fn it_errs_less_than_persistence() {
        let start = "2024-01-01T00:00:00Z".parse().unwrap();
        let prices = synthetic::prices(5, start, 8760, &jiff::tz::TimeZone::UTC);
        let drift = mean_error(&PriceDrift, prices.values());
        let persistence = mean_error(&Persistence, prices.values());
        assert!(drift < 0.97 * persistence, "{drift} against {persistence}");
    }

    #[test]
    fn scarcity_is_expected_to_follow_the_shape_of_yesterday() {
        // Twice the price from 16 to 20 o'clock; and five times of all that from 15 o'clock on the last day.
        let usual = |hour: usize| {
            if (16..20).contains(&(hour % DAY)) {
                60.0
            } else {
                30.0
            }
        };
        let now = 10 * DAY + 15;
        let mut known: Vec<f64> = (0..=now).map(usual).collect();
        known[now] = 150.0;
        let forecast = PriceDrift.forecast(&View { known: &known, now }, DAY);
        assert_eq!(forecast[0], 150.0);
        assert!(forecast[3] > 250.0, "{forecast:?}");
        assert!(forecast.iter().all(|price| *price <= 300.0), "{forecast:?}");
    }

    #[test]
    fn it_stays_finite_when_the_feed_is_flat_short_or_broken() {
        for value in [3.0, 0.0, -500.0, 1e12] {
            for (len, now) in [(0, 0), (1, 5), (30, 29), (100, 100), (2000, 2100)] {
                let known = vec![value; len];
                let forecast = PriceDrift.forecast(&View { known: &known, now }, 48);
                assert_eq!(forecast.len(), 48);
                assert!(forecast.iter().all(|value| value.is_finite()));
            }
        }
    }
}
