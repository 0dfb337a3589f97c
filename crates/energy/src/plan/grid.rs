//! Long steps for what is far away, so that a plan of two days in steps of five minutes is solved in time.

use crate::plant::{Conditions, Step};

/// How many steps times groups are solved as they are.
const CELLS_MAX: usize = 700;
/// From so many hours on, steps are so many hours long.
const LENGTHS: [(f64, f64); 3] = [(0.0, 5.0 / 60.0), (1.0, 0.25), (3.0, 1.0)];

/// The steps as the model sees them, and for each of the given steps which of those it is in.
pub(super) fn coarse(steps: &[Step], groups: usize) -> (Vec<Step>, Vec<usize>) {
    if steps.len() * groups.max(1) <= CELLS_MAX {
        return (steps.to_vec(), (0..steps.len()).collect());
    }
    merged(steps, |ahead_h| {
        LENGTHS
            .iter()
            .rev()
            .find(|(from, _)| *from <= ahead_h)
            .map_or(1.0, |(_, length)| *length)
    })
}

/// Steps of an hour.
pub(super) fn hourly(steps: &[Step]) -> Vec<Step> {
    merged(steps, |_| 1.0).0
}

/// Joins steps as long as they lie in the same stretch of the clock of the length that is wanted there.
fn merged(steps: &[Step], length_h: impl Fn(f64) -> f64) -> (Vec<Step>, Vec<usize>) {
    let Some(first) = steps.first() else {
        return (Vec::new(), Vec::new());
    };
    let mut joined: Vec<Vec<Step>> = Vec::new();
    let mut places = Vec::with_capacity(steps.len());
    let mut stretch = None;
    for step in steps {
        let ahead_h = (step.start.as_second() - first.start.as_second()) as f64 / 3600.0;
        let length_s = (length_h(ahead_h) * 3600.0).round().max(1.0) as i64;
        let this = Some((length_s, step.start.as_second().div_euclid(length_s)));
        match joined.last_mut().filter(|_| this == stretch) {
            Some(last) => last.push(*step),
            None => joined.push(vec![*step]),
        }
        stretch = this;
        places.push(joined.len() - 1);
    }
    (joined.iter().map(|steps| join(steps)).collect(), places)
}

/// One step for several, with their means; caps are the least of theirs.
fn join(steps: &[Step]) -> Step {
    let hours: f64 = steps.iter().map(|step| step.hours).sum();
    let mean = |of: fn(&Conditions) -> f64| {
        steps
            .iter()
            .map(|step| of(&step.conditions) * step.hours)
            .sum::<f64>()
            / hours
    };
    Step {
        start: steps[0].start,
        hours,
        conditions: Conditions {
            import_usd_per_kwh: mean(|c| c.import_usd_per_kwh),
            export_usd_per_kwh: mean(|c| c.export_usd_per_kwh),
            import_kw_max: steps
                .iter()
                .map(|step| step.conditions.import_kw_max)
                .fold(f64::INFINITY, f64::min),
            pv_kw: mean(|c| c.pv_kw),
            wind_kw: mean(|c| c.wind_kw),
            pue: mean(|c| c.pue),
            firm_kw: mean(|c| c.firm_kw),
            base_kw: mean(|c| c.base_kw),
            heat_kw: mean(|c| c.heat_kw),
            hashprice_usd_per_th_day: mean(|c| c.hashprice_usd_per_th_day),
        },
    }
}

/// The same steps with the kindest conditions of each hour, for a bound: what can't be exceeded whatever happens within
/// the hour.
pub(super) fn kindest(steps: &[Step]) -> Vec<Step> {
    let mut kind = steps.to_vec();
    let hour = |step: &Step| step.start.as_second().div_euclid(3600);
    for group in kind.chunk_by_mut(|a, b| hour(a) == hour(b)) {
        let of = |of: fn(&Conditions) -> f64| group.iter().map(move |step| of(&step.conditions));
        let least = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::INFINITY, f64::min);
        let import = least(&mut of(|c| c.import_usd_per_kwh));
        let pue = least(&mut of(|c| c.pue));
        let import_kw_max = of(|c| c.import_kw_max).fold(0.0, f64::max);
        let export = of(|c| c.export_usd_per_kwh)
            .fold(f64::NEG_INFINITY, f64::max)
            .min(import);
        let hashprice = of(|c| c.hashprice_usd_per_th_day).fold(0.0, f64::max);
        for step in group {
            step.conditions.import_usd_per_kwh = import;
            step.conditions.export_usd_per_kwh = export;
            step.conditions.hashprice_usd_per_th_day = hashprice;
            step.conditions.import_kw_max = import_kw_max;
            step.conditions.pue = pue;
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::mend::tests::steady;

    #[test]
    fn two_days_of_five_minutes_become_few_steps_and_none_crosses_an_hour() {
        let steps = steady("2024-05-01T10:20:00Z", 576, 5.0 / 60.0);
        let (coarse, places) = coarse(&steps, 20);
        assert!(coarse.len() < 80, "{}", coarse.len());
        assert_eq!(places.len(), 576);
        let hours: f64 = coarse.iter().map(|step| step.hours).sum();
        assert!((hours - 48.0).abs() < 1e-9);
        for step in &coarse {
            let last = step.end().as_second() - 1;
            assert_eq!(
                step.start.as_second().div_euclid(3600),
                last.div_euclid(3600)
            );
        }
        assert_eq!(coarse[0].hours, steps[0].hours);
        assert_eq!(hourly(&steps).len(), 49);
    }

    #[test]
    fn small_plans_are_left_alone() {
        let steps = steady("2024-05-01T10:00:00Z", 48, 1.0);
        assert_eq!(coarse(&steps, 3).0, steps);
    }
}
