//! What binds the variables: power balances, batteries carry over, machines start, work is done in time.

use jiff::Timestamp;
use jiff::civil::Date;

use super::terms::Variables;
use super::{Builder, Input, Places, Variable, fleet};
use crate::plant::{Step, hours_between, month_of, next_due};
use crate::site::{BatchAi, Site};

/// What a kWh of work done faster than evenly costs, in dollars: less than any difference that matters.
const UNEVEN_USD_PER_KWH: f64 = 5e-4;

/// Adds all rows, and gives the places of those whose prices are of use.
pub(super) fn add(to: &mut Builder, input: &Input<'_>, variables: &[Variables]) -> Places {
    for index in 0..input.site.miners.len() {
        fleet::add(to, input, variables, index);
    }
    let mut work_rows = vec![Vec::new(); input.steps.len()];
    for (index, batch) in input.site.ai.batch.iter().enumerate() {
        work(to, input, variables, index, batch, &mut work_rows);
    }
    let battery = battery(to, input, variables);
    peaks(to, input, variables);
    for (step, now) in input.steps.iter().zip(variables) {
        heat_and_reserves(to, input, step, now);
    }
    let balances = input.steps.iter().zip(variables);
    Places {
        balance: balances.map(|(step, now)| balance(to, step, now)).collect(),
        battery,
        work: work_rows,
    }
}

/// Load = grid + sun + wind + battery.
fn balance(to: &mut Builder, step: &Step, now: &Variables) -> usize {
    let conditions = &step.conditions;
    let mut terms: Vec<(Variable, f64)> = Vec::new();
    terms.extend(
        now.groups
            .iter()
            .flat_map(|group| group.power(conditions.pue)),
    );
    terms.extend(now.batch.iter().map(|batch| (*batch, conditions.pue)));
    terms.push((now.shortfall, -1.0));
    terms.push((now.import, -1.0));
    terms.extend(
        now.battery
            .iter()
            .flat_map(|store| [(store.charge, 1.0), (store.discharge, -1.0)]),
    );
    terms.extend(
        now.export
            .iter()
            .chain(&now.curtailed)
            .map(|out| (*out, 1.0)),
    );
    let firm_kw = conditions.firm_kw * conditions.pue + conditions.base_kw;
    to.equal(conditions.pv_kw + conditions.wind_kw - firm_kw, &terms)
}

/// Of each day's work no more can be done than there is. What may still be done after the plan's end is worth what it
/// brings less the mean price of energy, or all would be crowded into the plan.
fn work(
    to: &mut Builder,
    input: &Input<'_>,
    variables: &[Variables],
    index: usize,
    batch: &BatchAi,
    rows: &mut [Vec<Option<usize>>],
) {
    let zone = input.site.zone();
    let Some(end) = input.steps.last().map(Step::end) else {
        return;
    };
    let mut due = input.state.batch[index].due;
    let mut left_kwh = input.state.batch[index].remaining_kwh;
    let mut t = 0;
    while t < input.steps.len() {
        let mut terms: Vec<(Variable, f64)> = Vec::new();
        let first = t;
        while t < input.steps.len() && input.steps[t].start < due {
            terms.push((variables[t].batch[index], input.steps[t].hours));
            t += 1;
        }
        let later_kwh = hours_between(end, due) * batch.power_kw_max;
        if later_kwh > 0.0 && !input.ends {
            let usd = batch.revenue_usd_per_kwh + batch.penalty_usd_per_kwh
                - mean_usd_per_kwh(input.steps);
            terms.push((to.column(usd, later_kwh), 1.0));
        }
        if !input.ends && !input.relaxed {
            let even_kw = left_kwh / hours_between(input.steps[first].start, due).max(1e-9);
            evenly(to, &terms[..t - first], even_kw);
            to.slack_usd += UNEVEN_USD_PER_KWH * left_kwh;
        }
        let row = to.at_most(left_kwh, &terms);
        for (s, rows) in rows.iter_mut().enumerate().take(t).skip(first) {
            // What isn't done in the last step before it is due is lost.
            let is_last = s + 1 == t && input.steps[s].end() >= due;
            rows.push((!is_last).then_some(row));
        }
        to.constant_usd -= batch.penalty_usd_per_kwh * left_kwh;
        left_kwh = batch.energy_kwh_per_day;
        due = next_due(due.max(at(input.steps, t)), batch, &zone);
    }
}

/// Between hours that are worth the same, work is spread evenly rather than by lot: where the sun gives less or more than
/// was forecast, load in the middle of its range loses least.
fn evenly(to: &mut Builder, work: &[(Variable, f64)], even_kw: f64) {
    for (power, hours) in work {
        let above = to.column(-UNEVEN_USD_PER_KWH * hours, f64::INFINITY);
        to.at_most(even_kw, &[(*power, 1.0), (above, -1.0)]);
    }
}

/// The start of a step, or the plan's end.
fn at(steps: &[Step], t: usize) -> Timestamp {
    steps
        .get(t)
        .map(|step| step.start)
        .or(steps.last().map(Step::end))
        .unwrap_or_default()
}

/// The mean price with cooling, in dollars a kWh.
fn mean_usd_per_kwh(steps: &[Step]) -> f64 {
    let hours: f64 = steps.iter().map(|step| step.hours).sum();
    steps
        .iter()
        .map(|s| s.conditions.import_usd_per_kwh * s.conditions.pue * s.hours)
        .sum::<f64>()
        / hours.max(1e-9)
}

/// What is in the battery is what was, plus what went in, less what came out.
fn battery(to: &mut Builder, input: &Input<'_>, variables: &[Variables]) -> Vec<usize> {
    let Some(battery) = &input.site.battery else {
        return Vec::new();
    };
    let one_way = battery.one_way();
    let mut rows = Vec::with_capacity(variables.len());
    let mut before: Option<Variable> = None;
    for (step, now) in input.steps.iter().zip(variables) {
        let Some(store) = &now.battery else { continue };
        let mut terms = vec![
            (store.content, 1.0),
            (store.charge, -one_way * step.hours),
            (store.discharge, step.hours / one_way),
        ];
        terms.extend(before.map(|before| (before, -1.0)));
        let stored_kwh = if before.is_none() {
            input.state.battery_kwh
        } else {
            0.0
        };
        rows.push(to.equal(stored_kwh, &terms));
        before = Some(store.content);
        if step.conditions.import_usd_per_kwh < 0.0 {
            // Losing energy would pay, but no battery charges and discharges at once.
            let share = |kw: f64| 1.0 / kw.max(1e-9);
            let (charge, discharge) = (
                share(battery.charge_kw_max),
                share(battery.discharge_kw_max),
            );
            to.at_most(1.0, &[(store.charge, charge), (store.discharge, discharge)]);
        }
    }
    // What is left is worth what it will save, once it comes out.
    let usd = input.stored_usd_per_kwh;
    if let Some(last) = before.filter(|_| usd > 0.0) {
        let left = to.column(usd, battery.energy_kwh);
        to.at_most(0.0, &[(left, 1.0), (last, -1.0)]);
    }
    rows
}

/// What a kWh left in the battery at the plan's end is taken to be worth, in dollars: the middle one of what kWh
/// are worth, less the loss.
pub(in super::super) fn stored_usd_per_kwh(worth: impl Iterator<Item = f64>, one_way: f64) -> f64 {
    let mut worth: Vec<f64> = worth.collect();
    worth.sort_by(f64::total_cmp);
    worth.get(worth.len() / 2).copied().unwrap_or(0.0).max(0.0) * one_way
}

/// A kW above the month's peak costs its price for the whole month; the plan bears the part that falls to its hours.
fn peaks(to: &mut Builder, input: &Input<'_>, variables: &[Variables]) {
    let usd = input.site.tariff.demand_usd_per_kw_month;
    if usd <= 0.0 {
        return;
    }
    let zone = input.site.zone();
    let shares = shares_of_month(input.site, input.steps);
    let mut month = None;
    let mut rise: Option<Variable> = None;
    for (t, now) in variables.iter().enumerate() {
        let this = month_of(input.steps[t].start, &zone);
        if month != Some(this) {
            month = Some(this);
            rise = Some(to.column(-usd * shares[t], input.site.grid.import_kw_max));
        }
        let before_kw = if month == input.state.month {
            input.state.peak_kw
        } else {
            0.0
        };
        if let Some(rise) = rise {
            to.at_most(before_kw, &[(now.import, 1.0), (rise, -1.0)]);
        }
    }
}

/// For each step, the share of what is left of its month that the steps cover, from the first one in that month on.
pub(in super::super) fn shares_of_month(site: &Site, steps: &[Step]) -> Vec<f64> {
    let zone = site.zone();
    let months: Vec<Date> = steps
        .iter()
        .map(|step| month_of(step.start, &zone))
        .collect();
    let mut shares = Vec::with_capacity(steps.len());
    for t in 0..steps.len() {
        if t > 0 && months[t] == months[t - 1] {
            shares.push(shares[t - 1]);
            continue;
        }
        let next = months[t]
            .last_of_month()
            .tomorrow()
            .and_then(|date| date.to_zoned(zone.clone()));
        let end = next.map_or(Timestamp::MAX, |next| next.timestamp());
        let within = steps[t..]
            .iter()
            .zip(&months[t..])
            .filter(|(_, month)| **month == months[t]);
        let covered: f64 = within.map(|(step, _)| step.hours).sum();
        shares.push((covered / hours_between(steps[t].start, end).max(1e-9)).min(1.0));
    }
    shares
}

/// Heat comes from miners. A reserve is what can be dropped in time, and no kW is promised twice.
fn heat_and_reserves(to: &mut Builder, input: &Input<'_>, step: &Step, now: &Variables) {
    if let (Some(wanted), Some(heat)) = (now.heat, &input.site.heat) {
        let mut terms = vec![(wanted, 1.0)];
        terms.extend(
            now.groups
                .iter()
                .flat_map(|group| group.power(-heat.recovered_share)),
        );
        to.at_most(0.0, &terms);
    }
    let pue = step.conditions.pue;
    for reserve in &input.site.reserves {
        // All reserves that must be as quick as this one share what is as quick.
        let alike = input.site.reserves.iter().zip(&now.reserve);
        let mut terms: Vec<(Variable, f64)> = alike
            .filter(|(other, _)| other.respond_seconds_max <= reserve.respond_seconds_max)
            .map(|(_, held)| (*held, 1.0))
            .collect();
        let quick = input.site.miners.iter().zip(&now.groups);
        let quick = quick.filter(|(group, _)| group.stop_seconds <= reserve.respond_seconds_max);
        terms.extend(quick.flat_map(|(_, group)| group.power(-pue)));
        to.at_most(0.0, &terms);
    }
}
