//! Tomorrow is like today.

use super::{Forecaster, View};

/// Each hour is as it was on the last day that is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Persistence;

impl Forecaster for Persistence {
    fn forecast(&self, view: &View<'_>, hours: usize) -> Vec<f64> {
        (view.now..view.now + hours)
            .map(|hour| view.like_yesterday(hour))
            .collect()
    }
}

/// Each hour is as the last one known: for what has no days, such as what a hash brings.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hold;

impl Forecaster for Hold {
    fn forecast(&self, view: &View<'_>, hours: usize) -> Vec<f64> {
        let last = view.known.last().copied().unwrap_or(0.0);
        let at = |hour: usize| view.known.get(hour).copied().unwrap_or(last);
        (view.now..view.now + hours).map(at).collect()
    }
}

/// How much of a difference to the day before is left after an hour.
const FADE: f64 = 0.93;

/// Each hour is as it was on the last day that is known, and by as much higher or lower as the last hour was, fading.
#[derive(Debug, Clone, Copy, Default)]
pub struct Drift;

impl Forecaster for Drift {
    fn forecast(&self, view: &View<'_>, hours: usize) -> Vec<f64> {
        let known = view.known;
        let day_before = known.len().checked_sub(25).and_then(|hour| known.get(hour));
        let higher = known
            .last()
            .zip(day_before)
            .map_or(0.0, |(last, before)| last - before);
        let guess = |hour: usize| {
            let ahead = i32::try_from(hour + 1 - known.len()).unwrap_or(i32::MAX);
            view.like_yesterday(hour) + higher * FADE.powi(ahead)
        };
        let at = |hour: usize| known.get(hour).copied().unwrap_or_else(|| guess(hour));
        (view.now..view.now + hours).map(at).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_kept_and_the_rest_is_like_the_day_before() {
        let known: Vec<f64> = (0..30).map(f64::from).collect();
        let forecast = Persistence.forecast(
            &View {
                known: &known,
                now: 26,
            },
            30,
        );
        assert_eq!(forecast[..4], [26.0, 27.0, 28.0, 29.0]);
        assert_eq!(forecast[4], 6.0);
        assert_eq!(forecast[28], 6.0, "the day after tomorrow too");
    }

    #[test]
    fn what_has_no_days_is_held_and_what_has_drifts() {
        assert_eq!(
            Hold.forecast(
                &View {
                    known: &[1.0, 2.0],
                    now: 2
                },
                2
            ),
            [2.0, 2.0]
        );
        assert_eq!(Hold.forecast(&View { known: &[], now: 2 }, 1), [0.0]);
        let known: Vec<f64> = (0..48)
            .map(|hour| if hour < 24 { 10.0 } else { 15.0 })
            .collect();
        let forecast = Drift.forecast(
            &View {
                known: &known,
                now: 48,
            },
            24,
        );
        assert!(forecast[0] > 19.0 && forecast[23] < 16.5, "{forecast:?}");
        assert_eq!(
            Drift.forecast(
                &View {
                    known: &[3.0],
                    now: 4
                },
                1
            ),
            [3.0]
        );
    }

    #[test]
    fn a_feed_that_stopped_or_never_began_still_gives_numbers() {
        let known: Vec<f64> = (0..30).map(f64::from).collect();
        let forecast = Persistence.forecast(
            &View {
                known: &known,
                now: 100,
            },
            2,
        );
        assert_eq!(forecast, [28.0, 29.0]);
        assert_eq!(
            Persistence.forecast(&View { known: &[], now: 5 }, 2),
            [0.0, 0.0]
        );
        assert_eq!(
            Persistence.forecast(
                &View {
                    known: &[7.0],
                    now: 5
                },
                1
            ),
            [7.0]
        );
    }
}
