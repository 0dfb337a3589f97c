//! From the plan's groups to single machines.

use super::unit::{Health, Role, Unit};
use crate::plant::Orders;
use crate::site::Site;

/// Writes into each machine what the plan wants of it. Those that run go on rather than others being started; one that
/// doesn't follow counts as what it draws, and another takes its part.
pub(super) fn by_plan(site: &Site, units: &mut [Unit], orders: &Orders) {
    for group in 0..site.miners.len() {
        let order = orders.groups.get(group).copied().unwrap_or_default();
        miners(site, units, group, order.units, order.power_kw * 1000.0);
    }
    for job in 0..site.ai.batch.len() {
        let power_w = orders.batch_kw.get(job).copied().unwrap_or(0.0) * 1000.0;
        workers(units, job, power_w);
    }
    battery(units, orders.battery_kw * 1000.0);
}

/// Without a plan AI goes on as it is, and everything else rests.
pub(super) fn safe(units: &mut [Unit]) {
    for unit in units {
        unit.wanted_w = match unit.spec.role {
            Role::Batch { .. } => held_w(unit),
            Role::Miner { .. } | Role::Battery => 0.0,
        };
    }
}

/// What runs goes on.
pub(super) fn hold(units: &mut [Unit]) {
    for unit in units {
        unit.wanted_w = held_w(unit);
    }
}

/// What it was told; of one that wasn't told anything yet, what it draws, and nothing if that isn't known either.
fn held_w(unit: &Unit) -> f64 {
    if unit.was_seen() || unit.was_ordered() {
        unit.ordered_w()
    } else {
        0.0
    }
}

fn miners(site: &Site, units: &mut [Unit], group: usize, count: u32, power_w: f64) {
    let mut members: Vec<usize> = (0..units.len())
        .filter(|index| units[*index].spec.role == Role::Miner { group })
        .collect();
    members.sort_by_key(|index| rank(&units[*index]));
    let mut left_w = power_w;
    let mut left = count as usize;
    // What is on and can't be helped is part of it.
    for index in &members {
        let unit = &mut units[*index];
        let draws = unit.was_seen() && unit.seen_w() > unit.tolerance_w();
        if unit.health != Health::Good && draws && left > 0 {
            left -= 1;
            left_w -= unit.seen_w();
        }
    }
    for index in members {
        let unit = &mut units[index];
        let is_good = unit.health == Health::Good;
        if !is_good || left == 0 {
            unit.wanted_w = 0.0;
            continue;
        }
        let each_w = left_w / left as f64;
        unit.wanted_w = fitting_w(site, unit, group, each_w);
        left -= 1;
        left_w -= unit.wanted_w;
    }
}

/// Which machine of a group runs first: those that run.
fn rank(unit: &Unit) -> u8 {
    match (unit.health, unit.is_on()) {
        (Health::Good, true) => 0,
        (Health::Good, false) => 1,
        _ => 2,
    }
}

/// The power nearest to what is asked for that the machine can run at.
fn fitting_w(site: &Site, unit: &Unit, group: usize, each_w: f64) -> f64 {
    let curve = &site.miners[group].curve;
    let (least_w, most_w) = (
        unit.spec.power_w_min.max(curve.power_w_min()),
        unit.spec.power_w_max,
    );
    if each_w < 0.5 * least_w {
        return 0.0;
    }
    if unit.spec.is_tunable {
        each_w.clamp(least_w.min(most_w), most_w)
    } else {
        most_w
    }
}

/// The work goes to as few workers as can do it.
fn workers(units: &mut [Unit], job: usize, power_w: f64) {
    let mut left_w = power_w;
    for unit in units
        .iter_mut()
        .filter(|unit| unit.spec.role == Role::Batch { job })
    {
        if unit.health != Health::Good {
            unit.wanted_w = 0.0;
            if unit.was_seen() {
                left_w -= unit.seen_w();
            }
            continue;
        }
        let part_w = left_w.min(unit.spec.power_w_max);
        unit.wanted_w = if part_w >= unit.spec.power_w_min.max(1.0) {
            part_w
        } else {
            0.0
        };
        left_w -= unit.wanted_w;
    }
}

fn battery(units: &mut [Unit], power_w: f64) {
    let mut left_w = power_w;
    for unit in units
        .iter_mut()
        .filter(|unit| unit.spec.role == Role::Battery)
    {
        unit.wanted_w = left_w.clamp(unit.spec.power_w_min, unit.spec.power_w_max);
        left_w -= unit.wanted_w;
    }
}
