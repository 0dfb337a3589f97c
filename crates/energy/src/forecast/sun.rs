//! Sun, learned from what the panels gave.

use super::{DAY, Forecaster, View};

/// How many days the best of an hour is looked for in.
const DAYS: usize = 15;
/// What is usual is taken from so many days.
const USUAL_DAYS: usize = 30;
/// How much of the sky's present state is left after an hour.
const FADE: f64 = 0.9;
/// How much an hour counts for the sky's present state beside the one after it.
const RECENT: f64 = 0.7;

/// What an hour could give is the most that it gave within two weeks. How much of that it will give is what the last
/// hours gave of theirs, fading towards what the last month did: cloud comes and goes within days. It needs no place, no
/// tilt and no model of the sky.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sun;

impl Forecaster for Sun {
    fn forecast(&self, view: &View<'_>, hours: usize) -> Vec<f64> {
        let known = view.known;
        // What a feed that stopped would have given is guessed from its end.
        let late = view.now.saturating_sub(known.len());
        let usual = share(known, USUAL_DAYS * DAY, 1.0).unwrap_or(0.7);
        let present = share(known, DAY, RECENT).unwrap_or(usual);
        let guess = |hour: usize| {
            let ahead = late + (hour - view.now) + 1;
            let fading = FADE.powi(i32::try_from(ahead).unwrap_or(i32::MAX));
            best(known, hour) * (usual + (present - usual) * fading)
        };
        (view.now..view.now + hours)
            .map(|hour| known.get(hour).copied().unwrap_or_else(|| guess(hour)))
            .collect()
    }
}

/// The most that was given at the hour of the day, on the last days before an hour.
fn best(known: &[f64], hour: usize) -> f64 {
    let first = (hour + 1).saturating_sub(known.len()).div_ceil(DAY).max(1);
    let days = (first..first + DAYS)
        .filter_map(|day| hour.checked_sub(day * DAY))
        .filter_map(|hour| known.get(hour));
    days.fold(0.0, |best, value| value.max(best))
}

/// What the last hours gave, as a share of what they could have; each counts `weight` times as much as the one after it.
/// None when it was night.
fn share(known: &[f64], hours: usize, weight: f64) -> Option<f64> {
    let (mut given, mut possible, mut counts) = (0.0, 0.0, 1.0);
    for hour in (known.len().saturating_sub(hours)..known.len()).rev() {
        given += counts * known[hour];
        possible += counts * best(known, hour).max(known[hour]);
        counts *= weight;
    }
    (possible > 0.0).then(|| given / possible)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(shares: &[f64]) -> Vec<f64> {
        let noon = |hour: usize| (10.0 - (hour as f64 - 12.0).abs() * 2.0).max(0.0);
        shares
            .iter()
            .flat_map(|share| (0..DAY).map(move |hour| share * noon(hour)))
            .collect()
    }

    #[test]
    fn a_clear_morning_gives_a_clear_noon() {
        let mut known = days(&[1.0, 0.3, 0.3, 0.3, 1.0]);
        known.truncate(4 * DAY + 11);
        let forecast = Sun.forecast(
            &View {
                known: &known,
                now: known.len(),
            },
            40,
        );
        assert!(forecast[1] > 8.0, "noon today: {}", forecast[1]);
        assert!(forecast[25] < 6.0, "noon tomorrow: {}", forecast[25]);
        assert_eq!(forecast[13], 0.0, "midnight");
    }

    #[test]
    fn a_few_dark_days_do_not_make_a_dark_month() {
        let mut shares = [1.0; 23];
        shares[20..].fill(0.2);
        let known = days(&shares);
        let forecast = Sun.forecast(
            &View {
                known: &known,
                now: known.len(),
            },
            48,
        );
        let (tomorrow, after) = (forecast[12], forecast[36]);
        assert!((6.0..9.0).contains(&tomorrow), "{tomorrow}");
        assert!((tomorrow..10.0).contains(&after), "{after}");
    }

    #[test]
    fn a_feed_that_stopped_or_never_began_still_gives_numbers() {
        let known = days(&[1.0; 3]);
        let forecast = Sun.forecast(
            &View {
                known: &known,
                now: 5 * DAY,
            },
            DAY,
        );
        assert!((forecast[12] - 10.0).abs() < 1e-9);
        assert_eq!(Sun.forecast(&View { known: &[], now: 9 }, 3), [0.0; 3]);
    }
}
