//! What to switch off first, machine by machine, worked out ahead.

use super::unit::{Role, Unit};
use crate::plant::{GroupOrder, Running};
use crate::shed::{Load, Now, ShedOrder};
use crate::site::Site;

/// A machine goes down to a power, and so much is saved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cut {
    pub unit: usize,
    pub to_w: f64,
    /// At the meter, in kW.
    pub saves_kw: f64,
    pub seconds: f64,
}

/// The list for what runs now, by what is lost with it: the site's [`ShedOrder`], spread over its machines.
pub(super) fn cuts(site: &Site, units: &[Unit], now: &Now<'_>) -> Vec<Cut> {
    let running = running(site, units);
    let order = ShedOrder::new(site, &running, now);
    // What each machine is at after the cuts before.
    let mut at_w: Vec<f64> = units.iter().map(drawn_w).collect();
    let mut cuts = Vec::new();
    let mut cut = |unit: usize, to_w: f64, pue: f64| {
        let saved_w = at_w[unit] - to_w;
        if saved_w > 1.0 || saved_w > 0.2 * units[unit].tolerance_w() {
            cuts.push(Cut {
                unit,
                to_w,
                saves_kw: saved_w / 1000.0 * pue,
                seconds: units[unit].spec.lower_seconds,
            });
            at_w[unit] = to_w;
        }
    };
    for shed in order.all() {
        for (index, unit) in units.iter().enumerate() {
            match (shed.load, unit.spec.role) {
                (Load::Charging, Role::Battery) => cut(index, 0.0, 1.0),
                (Load::Discharging, Role::Battery) => cut(index, unit.spec.power_w_min, 1.0),
                (Load::Batch { job }, Role::Batch { job: own }) if job == own => {
                    cut(index, 0.0, now.pue);
                }
                (Load::Miners { group, stretch }, Role::Miner { group: own }) if group == own => {
                    cut(index, floor_w(site, unit, stretch), now.pue);
                }
                _ => {}
            }
        }
    }
    cuts
}

/// What is saved by it at most: what it draws, or what it was told to draw and may be about to.
fn drawn_w(unit: &Unit) -> f64 {
    unit.seen_w().max(unit.ordered_w())
}

/// Where a stretch of the group's curve begins, in W; a machine with one power can only be off.
fn floor_w(site: &Site, unit: &Unit, stretch: usize) -> f64 {
    let Role::Miner { group } = unit.spec.role else {
        return 0.0;
    };
    if stretch == 0 || !unit.spec.is_tunable {
        return 0.0;
    }
    let curve = &site.miners[group].curve;
    let below: f64 = curve
        .segments()
        .iter()
        .take(stretch - 1)
        .map(|segment| segment.power_w)
        .sum();
    curve.power_w_min() + below
}

/// What runs, in the planner's terms.
pub(super) fn running(site: &Site, units: &[Unit]) -> Running {
    let mut running = Running {
        groups: vec![GroupOrder::default(); site.miners.len()],
        batch_kw: vec![0.0; site.ai.batch.len()],
        ..Running::default()
    };
    for unit in units.iter().filter(|unit| unit.is_on()) {
        let power_kw = drawn_w(unit) / 1000.0;
        match unit.spec.role {
            Role::Miner { group } => {
                running.groups[group].units += 1;
                running.groups[group].power_kw += power_kw;
            }
            Role::Batch { job } => running.batch_kw[job] += power_kw,
            Role::Battery => {
                running.charge_kw += power_kw.max(0.0);
                running.discharge_kw += (-power_kw).max(0.0);
            }
        }
    }
    running
}
