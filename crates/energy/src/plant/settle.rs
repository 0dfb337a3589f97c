//! What a step was worth, and what it leaves behind.

use super::{Lock, Orders, Running, State, Step};
use crate::shed::{Now, ShedOrder};
use crate::site::Site;

/// What happened in a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What ran.
    pub running: Running,
    /// Firm AI that couldn't be served, in kWh. Never because of a plan: only when cap, sun, wind and battery together
    /// were too little.
    pub shortfall_kwh: f64,
    /// Other firm load that couldn't be served, in kWh.
    pub base_shortfall_kwh: f64,
    /// Batch AI not done by its deadline, in kWh; counted in the step after the deadline.
    pub missed_kwh: f64,
    /// Machines that were stopped before their least time on.
    pub early_stops: u32,
    /// What was earned and spent.
    pub money: Money,
}

/// Dollars earned (positive) and spent (negative).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Money {
    /// By mining, after the pool's fee.
    pub mining_usd: f64,
    /// By batch AI done in time.
    pub batch_usd: f64,
    /// By firm AI served.
    pub firm_usd: f64,
    /// By feeding in.
    pub export_usd: f64,
    /// By reserves held ready.
    pub reserve_usd: f64,
    /// By heat that needn't be made otherwise.
    pub heat_usd: f64,
    /// For energy from the grid.
    pub energy_usd: f64,
    /// For the month's highest import.
    pub demand_usd: f64,
    /// For promises that weren't kept.
    pub penalty_usd: f64,
    /// Wear of machines started and of the battery.
    pub wear_usd: f64,
}

impl Money {
    /// All together.
    pub fn net_usd(&self) -> f64 {
        self.mining_usd
            + self.batch_usd
            + self.firm_usd
            + self.export_usd
            + self.reserve_usd
            + self.heat_usd
            + self.energy_usd
            + self.demand_usd
            + self.penalty_usd
            + self.wear_usd
    }
}

impl std::ops::AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.mining_usd += other.mining_usd;
        self.batch_usd += other.batch_usd;
        self.firm_usd += other.firm_usd;
        self.export_usd += other.export_usd;
        self.reserve_usd += other.reserve_usd;
        self.heat_usd += other.heat_usd;
        self.energy_usd += other.energy_usd;
        self.demand_usd += other.demand_usd;
        self.penalty_usd += other.penalty_usd;
        self.wear_usd += other.wear_usd;
    }
}

pub(super) fn settle(
    site: &Site,
    state: &mut State,
    step: &Step,
    orders: &Orders,
    running: Running,
    missed_kwh: &[f64],
) -> Outcome {
    let (now, hours) = (&step.conditions, step.hours);
    let mut money = Money {
        export_usd: running.export_kw * hours * now.export_usd_per_kwh,
        energy_usd: -running.import_kw * hours * now.import_usd_per_kwh,
        heat_usd: heat_usd(site, step, &running),
        reserve_usd: reserve_usd(site, step, orders, &running),
        ..Money::default()
    };
    let early_stops = settle_miners(site, state, step, &running, &mut money);
    settle_batch(site, state, step, &running, missed_kwh, &mut money);
    settle_battery(site, state, step, &running, &mut money);
    let shortfall_kwh = (now.firm_kw - running.firm_kw).max(0.0) * hours;
    settle_firm(site, step, &running, &mut money);
    let above_kw = (running.import_kw - state.peak_kw).max(0.0);
    state.peak_kw += above_kw;
    money.demand_usd = -above_kw * site.tariff.demand_usd_per_kw_month;
    Outcome {
        shortfall_kwh,
        base_shortfall_kwh: (now.base_kw - running.base_kw).max(0.0) * hours,
        missed_kwh: missed_kwh.iter().sum(),
        early_stops,
        running,
        money,
    }
}

/// A machine that was started draws power at once, and hashes after half its ramp in the mean.
fn settle_miners(
    site: &Site,
    state: &mut State,
    step: &Step,
    running: &Running,
    money: &mut Money,
) -> u32 {
    let mut early_stops = 0;
    let parts = site
        .miners
        .iter()
        .zip(&mut state.groups)
        .zip(&running.groups);
    for ((group, before), run) in parts {
        let started = run.units.saturating_sub(before.units);
        early_stops += before.locked(step.start).saturating_sub(run.units);
        if run.units > 0 {
            let each_ths = group
                .curve
                .hashrate_ths(run.power_kw * 1000.0 / f64::from(run.units));
            let lost_h = f64::from(started) * (group.ramp_up_minutes / 120.0).min(step.hours);
            let th_h = each_ths * (f64::from(run.units) * step.hours - lost_h);
            money.mining_usd += th_h * group.usd_per_th_h(step.conditions.hashprice_usd_per_th_day);
        }
        money.wear_usd -= f64::from(started) * group.start_wear_usd;
        before.units = run.units;
        let least_s = (group.on_time_minutes_min * 60.0).round() as i64;
        if started > 0 && least_s > 0 {
            let until = step.start.as_second().saturating_add(least_s);
            let until = jiff::Timestamp::from_second(until).unwrap_or(jiff::Timestamp::MAX);
            before.locks.push(Lock {
                units: started,
                until,
            });
        }
    }
    early_stops
}

fn settle_batch(
    site: &Site,
    state: &mut State,
    step: &Step,
    running: &Running,
    missed_kwh: &[f64],
    money: &mut Money,
) {
    for (i, (batch, at_hand)) in site.ai.batch.iter().zip(&mut state.batch).enumerate() {
        let done_kwh = (running.batch_kw[i] * step.hours).min(at_hand.remaining_kwh);
        at_hand.remaining_kwh = (at_hand.remaining_kwh - done_kwh).max(0.0);
        money.batch_usd += done_kwh * batch.revenue_usd_per_kwh;
        money.penalty_usd -= missed_kwh[i] * batch.penalty_usd_per_kwh;
    }
}

fn settle_battery(
    site: &Site,
    state: &mut State,
    step: &Step,
    running: &Running,
    money: &mut Money,
) {
    let Some(battery) = &site.battery else { return };
    let moved_kwh =
        running.charge_kw * battery.one_way() - running.discharge_kw / battery.one_way();
    let least = battery.energy_kwh_min.min(state.battery_kwh);
    state.battery_kwh =
        (state.battery_kwh + moved_kwh * step.hours).clamp(least, battery.energy_kwh);
    money.wear_usd -= running.discharge_kw * step.hours * battery.wear_usd_per_kwh;
}

/// What is missing is taken from all firm AI alike.
fn settle_firm(site: &Site, step: &Step, running: &Running, money: &mut Money) {
    let wanted_kw = step.conditions.firm_kw;
    if wanted_kw <= 0.0 {
        return;
    }
    let (served, missing) = (
        running.firm_kw / wanted_kw,
        (1.0 - running.firm_kw / wanted_kw).max(0.0),
    );
    let hour = usize::from(site.zone().to_datetime(step.start).hour().unsigned_abs());
    for firm in &site.ai.firm {
        let kwh = firm.power_kw.at(hour) * step.hours;
        money.firm_usd += kwh * served * firm.revenue_usd_per_kwh;
        money.penalty_usd -= kwh * missing * firm.penalty_usd_per_kwh;
    }
}

fn heat_usd(site: &Site, step: &Step, running: &Running) -> f64 {
    site.heat.as_ref().map_or(0.0, |heat| {
        let useful_kw = (running.miners_kw() * heat.recovered_share).min(step.conditions.heat_kw);
        useful_kw * step.hours * heat.value_usd_per_kwh
    })
}

/// Pays for what was ordered to be held, as far as it really could be dropped. No kW is promised twice.
fn reserve_usd(site: &Site, step: &Step, orders: &Orders, running: &Running) -> f64 {
    if site.reserves.is_empty() {
        return 0.0;
    }
    let now = &step.conditions;
    let values = Now {
        hashprice_usd_per_th_day: now.hashprice_usd_per_th_day,
        pue: now.pue,
        discharge_kw_more: 0.0,
        worth: None,
    };
    let order = ShedOrder::new(site, running, &values);
    let mut promised_kw = 0.0;
    let mut usd = 0.0;
    for (reserve, ordered_kw) in site.reserves.iter().zip(&orders.reserve_kw) {
        let free_kw = (order.power_kw_within(reserve.respond_seconds_max) - promised_kw).max(0.0);
        let held_kw = ordered_kw.min(reserve.power_kw_max).clamp(0.0, free_kw);
        promised_kw += held_kw;
        usd += held_kw / 1000.0 * step.hours * reserve.price_usd_per_mw_h;
    }
    usd
}
