//! From orders to what runs: clip to the machines, keep the cap, serve firm AI first, waste nothing.

use super::{Conditions, GroupOrder, Orders, Running, State, Step, raise};
use crate::shed::{Load, Now, ShedOrder};
use crate::site::{MinerGroup, Site};

/// Less than this is nothing, in kW.
const EPS_KW: f64 = 1e-6;
/// Less than this is no reason to leave the plan, in dollars a kWh.
const EPS_USD: f64 = 1e-4;

pub(super) fn dispatch(site: &Site, state: &State, step: &Step, orders: &Orders) -> Running {
    let mut plant = Plant {
        site,
        state,
        step,
        now: &step.conditions,
        orders,
        run: clipped(site, state, step, orders),
    };
    plant.keep_the_cap();
    plant.use_the_room();
    plant.waste_nothing();
    plant.balance();
    plant.run
}

struct Plant<'a> {
    site: &'a Site,
    state: &'a State,
    step: &'a Step,
    now: &'a Conditions,
    orders: &'a Orders,
    run: Running,
}

/// What the machines make of the orders, each by itself.
fn clipped(site: &Site, state: &State, step: &Step, orders: &Orders) -> Running {
    let groups = site.miners.iter().enumerate().map(|(i, group)| {
        let order = orders.groups.get(i).copied().unwrap_or_default();
        clipped_group(group, order, state.groups[i].locked(step.start))
    });
    let batch = site
        .ai
        .batch
        .iter()
        .zip(&state.batch)
        .enumerate()
        .map(|(i, (batch, at_hand))| {
            let most = batch.power_kw_max.min(at_hand.remaining_kwh / step.hours);
            finite(orders.batch_kw.get(i)).clamp(0.0, most.max(0.0))
        });
    let battery_kw = finite(Some(&orders.battery_kw));
    let could_kw = step.conditions.pv_kw + step.conditions.wind_kw;
    let taken_kw = orders
        .own_kw_max
        .filter(|most| *most >= 0.0)
        .unwrap_or(could_kw);
    Running {
        groups: groups.collect(),
        batch_kw: batch.collect(),
        firm_kw: step.conditions.firm_kw,
        base_kw: step.conditions.base_kw,
        charge_kw: battery_kw.clamp(0.0, charge_kw_max(site, state, step)),
        discharge_kw: (-battery_kw).clamp(0.0, discharge_kw_max(site, state, step)),
        curtailed_kw: (could_kw - taken_kw).max(0.0),
        ..Running::default()
    }
}

fn finite(value: Option<&f64>) -> f64 {
    value
        .copied()
        .filter(|value| value.is_finite())
        .unwrap_or(0.0)
}

/// A group runs as many machines as ordered, but at least those that must run on, each within its curve.
fn clipped_group(group: &MinerGroup, order: GroupOrder, locked: u32) -> GroupOrder {
    let units = order.units.min(group.units).max(locked);
    let each = |power_w: f64| f64::from(units) * power_w / 1000.0;
    let (low, high) = (
        each(group.curve.power_w_min()),
        each(group.curve.power_w_max()),
    );
    GroupOrder {
        units,
        power_kw: finite(Some(&order.power_kw)).clamp(low, high),
    }
}

pub(super) fn charge_kw_max(site: &Site, state: &State, step: &Step) -> f64 {
    site.battery.as_ref().map_or(0.0, |battery| {
        let room_kwh = (battery.energy_kwh - state.battery_kwh).max(0.0);
        battery
            .charge_kw_max
            .min(room_kwh / battery.one_way() / step.hours)
    })
}

fn discharge_kw_max(site: &Site, state: &State, step: &Step) -> f64 {
    site.battery.as_ref().map_or(0.0, |battery| {
        let stored_kwh = (state.battery_kwh - battery.energy_kwh_min).max(0.0);
        battery
            .discharge_kw_max
            .min(stored_kwh * battery.one_way() / step.hours)
    })
}

impl Plant<'_> {
    /// What must come from the grid, in kW; less than zero is surplus.
    fn net_kw(&self) -> f64 {
        let run = &self.run;
        let load = run.it_kw() * self.now.pue + run.base_kw + run.charge_kw;
        load - run.discharge_kw - (self.now.pv_kw + self.now.wind_kw - run.curtailed_kw)
    }

    /// Drops what may be dropped, then empties the battery, and only then touches firm load, until the cap is kept.
    fn keep_the_cap(&mut self) {
        let excess_kw = (self.net_kw() - self.now.import_kw_max).max(0.0);
        self.run.curtailed_kw -= excess_kw.min(self.run.curtailed_kw);
        let excess_kw = self.net_kw() - self.now.import_kw_max;
        if excess_kw <= EPS_KW {
            return;
        }
        let order = ShedOrder::new(self.site, &self.run, &self.values());
        for shed in order.take(excess_kw, f64::INFINITY) {
            self.drop_load(shed.load, shed.power_kw);
        }
        let excess_kw = (self.net_kw() - self.now.import_kw_max).max(0.0);
        // A battery that still charges stops before it gives.
        let charge_kw = excess_kw.min(self.run.charge_kw);
        self.run.charge_kw -= charge_kw;
        self.run.discharge_kw += (excess_kw - charge_kw).min(self.discharge_kw_more());
        let excess_kw = self.net_kw() - self.now.import_kw_max;
        if excess_kw <= EPS_KW {
            return;
        }
        // The house goes before the AI that was promised.
        let base_kw = excess_kw.min(self.run.base_kw);
        self.run.base_kw -= base_kw;
        self.run.firm_kw = (self.run.firm_kw - (excess_kw - base_kw) / self.now.pue).max(0.0);
    }

    /// Lowers one load by so many kW at the meter; machines that can't be lowered are switched off.
    fn drop_load(&mut self, load: Load, power_kw: f64) {
        match load {
            Load::Charging => self.run.charge_kw = (self.run.charge_kw - power_kw).max(0.0),
            // A battery that charges can't give: that has gone before, since it is worth less.
            Load::Discharging if self.run.charge_kw > EPS_KW => {}
            Load::Discharging => self.run.discharge_kw += power_kw.min(self.discharge_kw_more()),
            Load::Batch { job } => {
                let power_kw = power_kw / self.now.pue;
                self.run.batch_kw[job] = (self.run.batch_kw[job] - power_kw).max(0.0);
            }
            Load::Miners { group, .. } => self.lower(group, power_kw / self.now.pue),
        }
    }

    fn lower(&mut self, group: usize, power_kw: f64) {
        let curve = &self.site.miners[group].curve;
        let run = &mut self.run.groups[group];
        let target_kw = (run.power_kw - power_kw).max(0.0);
        let units = (target_kw * 1000.0 / curve.power_w_min() + 1e-9).floor();
        run.units = units.min(f64::from(run.units)) as u32;
        // What is too little for one machine more is too much for those that are left, if they have one power only.
        run.power_kw = target_kw.min(f64::from(run.units) * curve.power_w_max() / 1000.0);
    }

    /// What things are worth now.
    fn values(&self) -> Now<'_> {
        Now {
            hashprice_usd_per_th_day: self.now.hashprice_usd_per_th_day,
            pue: self.now.pue,
            discharge_kw_more: self.discharge_kw_more(),
            worth: self.orders.worth.as_ref(),
        }
    }

    fn discharge_kw_more(&self) -> f64 {
        let most_kw = discharge_kw_max(self.site, self.state, self.step);
        (most_kw - self.run.discharge_kw).max(0.0)
    }

    /// Gives room on the line that the plan didn't know of to what it is worth most for, as long as that is more than the
    /// grid's price. No machine is started for it.
    fn use_the_room(&mut self) {
        let ordered_kw = self.orders.raised_import_kw_max.unwrap_or(f64::INFINITY);
        let mut room_kw = self.now.import_kw_max.min(ordered_kw) - self.net_kw();
        for raise in raise::by_value(self.site, self.state, self.step, &self.run, &self.values()) {
            if room_kw <= EPS_KW || raise.value_usd_per_kwh < self.now.import_usd_per_kwh + EPS_USD
            {
                break;
            }
            let more_kw = raise.power_kw.min(room_kw);
            room_kw -= more_kw;
            self.raise(raise.load, more_kw);
        }
    }

    fn raise(&mut self, load: Load, power_kw: f64) {
        match load {
            Load::Charging if self.run.discharge_kw > EPS_KW => {}
            Load::Charging => self.run.charge_kw += power_kw,
            Load::Discharging => self.run.discharge_kw -= power_kw,
            Load::Batch { job } => self.run.batch_kw[job] += power_kw / self.now.pue,
            Load::Miners { group, .. } => {
                self.run.groups[group].power_kw += power_kw / self.now.pue
            }
        }
    }

    /// Stores surplus that would be thrown away, or computes and hashes with it.
    fn waste_nothing(&mut self) {
        // Where feeding in costs money, throwing away is better.
        let room_kw = if self.now.export_usd_per_kwh < 0.0 {
            0.0
        } else {
            self.site.grid.export_kw_max
        };
        let mut surplus_kw = -self.net_kw() - room_kw;
        if surplus_kw <= EPS_KW {
            return;
        }
        if self.run.discharge_kw > 0.0 {
            let less_kw = self.run.discharge_kw.min(surplus_kw);
            self.run.discharge_kw -= less_kw;
            surplus_kw -= less_kw;
        }
        if self.run.discharge_kw <= EPS_KW {
            let more_kw = charge_kw_max(self.site, self.state, self.step) - self.run.charge_kw;
            let more_kw = more_kw.clamp(0.0, surplus_kw.max(0.0));
            self.run.charge_kw += more_kw;
            surplus_kw -= more_kw;
        }
        let batches = self.site.ai.batch.iter().zip(&self.state.batch);
        for ((batch, at_hand), running_kw) in batches.zip(&mut self.run.batch_kw) {
            let most_kw = batch
                .power_kw_max
                .min(at_hand.remaining_kwh / self.step.hours);
            let more_kw = (most_kw - *running_kw).clamp(0.0, (surplus_kw / self.now.pue).max(0.0));
            *running_kw += more_kw;
            surplus_kw -= more_kw * self.now.pue;
        }
        for (group, run) in self.site.miners.iter().zip(&mut self.run.groups) {
            let target_kw = run.power_kw + (surplus_kw / self.now.pue).max(0.0);
            let raised = spread(group, target_kw, run.units);
            surplus_kw -= (raised.power_kw - run.power_kw).max(0.0) * self.now.pue;
            if raised.power_kw > run.power_kw {
                *run = raised;
            }
        }
    }

    fn balance(&mut self) {
        let net_kw = self.net_kw();
        self.run.import_kw = net_kw.max(0.0);
        let surplus_kw = (-net_kw).max(0.0);
        let fed_in_kw = if self.now.export_usd_per_kwh < 0.0 {
            0.0
        } else {
            surplus_kw
        };
        self.run.export_kw = fed_in_kw.min(self.site.grid.export_kw_max);
        let left_kw = surplus_kw - self.run.export_kw;
        let own_kw = self.now.pv_kw + self.now.wind_kw - self.run.curtailed_kw;
        self.run.curtailed_kw += left_kw.min(own_kw);
        // More surplus than sun and wind could only come out of the battery, which then gives less.
        self.run.discharge_kw = (self.run.discharge_kw - (left_kw - own_kw).max(0.0)).max(0.0);
    }
}

/// The machines that draw a power together: as few more than run already as are needed, and none below its least.
pub(crate) fn spread(group: &MinerGroup, power_kw: f64, running: u32) -> GroupOrder {
    let (least, most) = (
        group.curve.power_w_min() / 1000.0,
        group.curve.power_w_max() / 1000.0,
    );
    let whole = |units: f64| units.clamp(0.0, f64::from(group.units)) as u32;
    let units = running
        .max(whole((power_kw / most - 1e-9).ceil()))
        .min(whole((power_kw / least + 1e-9).floor()));
    let count = f64::from(units);
    GroupOrder {
        units,
        power_kw: if units == 0 {
            0.0
        } else {
            power_kw.clamp(count * least, count * most)
        },
    }
}
