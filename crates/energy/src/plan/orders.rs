//! Candidates: from a solution, from the last plan, from rules to orders; and what the plant makes of them.

use super::Plan;
use super::PlannedStep;
use super::model::{StepColumns, shares_of_month};
use crate::plant::{self, GroupOrder, Orders, Running, State, Step, Worth, hours_between, spread};
use crate::site::{MinerGroup, Site};

/// The orders of a solution. A group's power is kept; machines are whole.
pub(super) fn of_solution(
    site: &Site,
    step: &Step,
    columns: &StepColumns,
    values: &[f64],
    worth: Option<Worth>,
) -> Orders {
    let now = &step.conditions;
    let groups = site.miners.iter().zip(&columns.groups);
    let groups = groups.map(|(group, vars)| whole(group, values[vars.on], vars.power_kw(values)));
    let value = |column: Option<usize>| column.map_or(0.0, |column| values[column]);
    let all = |columns: &[usize]| columns.iter().map(|column| values[*column]).collect();
    let own_kw = now.pv_kw + now.wind_kw - value(columns.curtailed);
    Orders {
        groups: groups.collect(),
        batch_kw: all(&columns.batch),
        battery_kw: value(columns.charge) - value(columns.discharge),
        reserve_kw: all(&columns.reserve),
        own_kw_max: (now.import_usd_per_kwh < 0.0).then_some(own_kw),
        worth,
        ..Orders::default()
    }
}

/// The machines nearest to what the solution has on, and its power as far as they can draw it.
fn whole(group: &MinerGroup, on: f64, power_kw: f64) -> GroupOrder {
    let least_kw = group.curve.power_w_min() / 1000.0;
    let near = on.round().clamp(0.0, f64::from(group.units)) as u32;
    let order = spread(group, power_kw, near);
    // Half a machine or more is one.
    if order.units == 0 && power_kw >= 0.5 * least_kw {
        return GroupOrder {
            units: 1,
            power_kw: least_kw,
        };
    }
    order
}

/// Mines at the best gear while it pays, spreads AI work evenly over the time that is left, and leaves the battery alone.
pub(crate) fn by_rules(site: &Site, state: &State, step: &Step) -> Orders {
    let now = &step.conditions;
    let cost = now.import_usd_per_kwh * now.pue;
    let groups = site.miners.iter().map(|group| {
        let each_w = best_power_w(group, step, cost);
        let units = if each_w > 0.0 { group.units } else { 0 };
        GroupOrder {
            units,
            power_kw: f64::from(units) * each_w / 1000.0,
        }
    });
    let batch = site
        .ai
        .batch
        .iter()
        .zip(&state.batch)
        .map(|(batch, at_hand)| {
            let left_h = hours_between(step.start, at_hand.due).max(step.hours);
            let pays = batch.revenue_usd_per_kwh + batch.penalty_usd_per_kwh > cost;
            if pays {
                at_hand.remaining_kwh / left_h
            } else {
                0.0
            }
        });
    Orders {
        groups: groups.collect(),
        batch_kw: batch.collect(),
        own_kw_max: own_kw_max(step),
        ..Orders::off(site)
    }
}

/// Where energy from the grid is paid for, own power isn't wanted.
pub(crate) fn own_kw_max(step: &Step) -> Option<f64> {
    (step.conditions.import_usd_per_kwh < 0.0).then_some(0.0)
}

/// A candidate run through the plant under the forecast.
pub(super) struct Trial {
    pub steps: Vec<PlannedStep>,
    pub value_usd: f64,
}

/// Runs orders through the plant. What is left in the battery, and of the work, is valued at the end.
pub(super) fn trial(
    site: &Site,
    state: &State,
    steps: &[Step],
    stored_usd_per_kwh: f64,
    mut orders_for: impl FnMut(usize, &State) -> Orders,
) -> Trial {
    let mut state = state.clone();
    let mut value_usd = 0.0;
    let shares = shares_of_month(site, steps);
    let mut planned = Vec::with_capacity(steps.len());
    for (t, step) in steps.iter().enumerate() {
        let before_kw = state.peak_kw;
        let mut orders = orders_for(t, &state);
        if site.tariff.demand_usd_per_kw_month > 0.0 {
            // The forecast holds here, so there is no room that the solution doesn't know of.
            orders.raised_import_kw_max = Some(before_kw);
        }
        let outcome = plant::step(site, &mut state, step, &orders);
        // Of a risen peak the plan bears what falls to its hours.
        value_usd += outcome.money.net_usd() - outcome.money.demand_usd * (1.0 - shares[t]);
        let held = outcome.running;
        planned.push(PlannedStep {
            step: *step,
            // What the plant made of it is what is ordered: the plan is feasible under its forecast.
            orders: Orders {
                groups: held.groups.clone(),
                batch_kw: held.batch_kw.clone(),
                battery_kw: held.charge_kw - held.discharge_kw,
                raised_import_kw_max: raised_import_kw_max(site, before_kw, &held),
                ..orders
            },
            running: held,
            marginal_usd_per_kwh: None,
            battery_kwh: state.battery_kwh,
        });
    }
    value_usd += state.battery_kwh * stored_usd_per_kwh;
    value_usd += work_left_usd(site, &state, steps);
    Trial {
        steps: planned,
        value_usd,
    }
}

/// Where peaks cost money, no more than was planned, or than the month has seen.
fn raised_import_kw_max(site: &Site, peak_kw: f64, held: &Running) -> Option<f64> {
    (site.tariff.demand_usd_per_kw_month > 0.0).then(|| peak_kw.max(held.import_kw))
}

/// The gear of a machine that pays best when a kWh costs so many dollars with cooling, in W.
fn best_power_w(group: &MinerGroup, step: &Step, usd_per_kwh: f64) -> f64 {
    let usd_per_th_h = group.usd_per_th_h(step.conditions.hashprice_usd_per_th_day);
    let to_pay = if usd_per_th_h > 0.0 {
        usd_per_kwh / 1000.0 / usd_per_th_h
    } else {
        f64::INFINITY
    };
    group.curve.best_power_w(to_pay)
}

/// What the work that is left at the end may still bring, by the same measure as in the model; what can't be done any
/// more costs its penalty.
fn work_left_usd(site: &Site, state: &State, steps: &[Step]) -> f64 {
    let Some(end) = steps.last().map(Step::end) else {
        return 0.0;
    };
    let hours: f64 = steps.iter().map(|step| step.hours).sum();
    let cost: f64 = steps
        .iter()
        .map(|s| s.conditions.import_usd_per_kwh * s.conditions.pue * s.hours)
        .sum::<f64>()
        / hours;
    let work = site.ai.batch.iter().zip(&state.batch);
    work.map(|(batch, left)| {
        let can_kwh = (hours_between(end, left.due) * batch.power_kw_max).min(left.remaining_kwh);
        let penalty_usd = batch.penalty_usd_per_kwh;
        can_kwh * (batch.revenue_usd_per_kwh + penalty_usd - cost).max(0.0)
            - left.remaining_kwh * penalty_usd
    })
    .sum()
}

/// The orders of the last plan for a moment, if it reaches so far.
pub(super) fn of_last(last: &Plan, step: &Step) -> Option<Orders> {
    last.at(step.start).map(|planned| planned.orders.clone())
}
