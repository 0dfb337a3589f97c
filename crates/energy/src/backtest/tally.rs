//! What came of a policy, added up.

use std::time::Duration;

use jiff::Timestamp;

use crate::plan::{Plan, Source};
use crate::plant::{Money, Outcome, Running, Step};
use crate::site::Site;

/// What came of a policy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Tally {
    /// The policy's name.
    pub name: String,
    /// What was earned and spent.
    pub money: Money,
    /// From the grid, in kWh.
    pub import_kwh: f64,
    /// Of that, while the price was zero or less.
    pub unwanted_kwh: f64,
    /// From sun and wind, in kWh.
    pub own_kwh: f64,
    /// Out of the battery, in kWh.
    pub battery_kwh: f64,
    /// Fed in, in kWh.
    pub export_kwh: f64,
    /// Thrown away, in kWh.
    pub curtailed_kwh: f64,
    /// Own power beyond what firm load took, in kWh: without miners, batch AI and battery it would be fed in or lost.
    pub surplus_kwh: f64,
    /// Firm AI that was promised, in kWh.
    pub firm_kwh: f64,
    /// Of that, not served: the plant had no power for it.
    pub shortfall_kwh: f64,
    /// Other firm load not served, in kWh.
    pub base_shortfall_kwh: f64,
    /// Batch AI done in time, in kWh.
    pub batch_kwh: f64,
    /// Batch AI not done in time, in kWh.
    pub missed_kwh: f64,
    /// By miners, in kWh.
    pub miners_kwh: f64,
    /// CO₂ of the energy from the grid, in kg.
    pub carbon_kg: f64,
    /// The highest import of an hour, in kW.
    pub import_kw_max: f64,
    /// Machines stopped before their least time on.
    pub early_stops: u64,
    /// What planning took.
    pub plans: Plans,
    /// Each hour, when asked for.
    pub hours: Vec<Hour>,
}

/// What planning took.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Plans {
    /// How many plans.
    pub count: u64,
    /// Of them, not from the solver.
    pub fallbacks: u64,
    /// All together.
    pub took: Duration,
    /// The slowest.
    pub took_max: Duration,
    /// The largest gap to its bound, as a share.
    pub gap_max: f64,
    /// The notes of the plans, without repetitions, and not more than a few.
    pub notes: Vec<String>,
}

/// An hour as it ran or is to run, for charts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hour {
    /// When it began.
    pub start: Timestamp,
    /// What a kWh cost, in dollars.
    pub import_usd_per_kwh: f64,
    /// Firm AI and other firm load with cooling, in kW.
    pub firm_kw: f64,
    /// Batch AI with cooling, in kW.
    pub batch_kw: f64,
    /// Miners with cooling, in kW.
    pub miners_kw: f64,
    /// From the grid, in kW.
    pub import_kw: f64,
    /// Sun and wind that were used or fed in, in kW.
    pub own_kw: f64,
    /// What was in the battery at its end, in kWh.
    pub battery_kwh: f64,
}

impl Hour {
    /// What ran in a step, whether it was so or is planned.
    pub fn new(step: &Step, run: &Running, battery_kwh: f64) -> Self {
        let now = &step.conditions;
        Self {
            start: step.start,
            import_usd_per_kwh: now.import_usd_per_kwh,
            firm_kw: run.firm_kw * now.pue + run.base_kw,
            batch_kw: run.batch_kw.iter().sum::<f64>() * now.pue,
            miners_kw: run.miners_kw() * now.pue,
            import_kw: run.import_kw,
            own_kw: now.pv_kw + now.wind_kw - run.curtailed_kw,
            battery_kwh,
        }
    }
}

impl Tally {
    /// The share of firm AI that was served, in percent.
    pub fn sla_percent(&self) -> f64 {
        if self.firm_kwh > 0.0 {
            100.0 * (1.0 - self.shortfall_kwh / self.firm_kwh)
        } else {
            100.0
        }
    }

    /// The surplus that was used here, in kWh.
    pub fn surplus_used_kwh(&self) -> f64 {
        (self.surplus_kwh - self.curtailed_kwh - self.export_kwh).max(0.0)
    }

    pub(super) fn add(&mut self, site: &Site, step: &Step, outcome: &Outcome) {
        let (run, now, hours) = (&outcome.running, &step.conditions, step.hours);
        self.money += outcome.money;
        let import_kwh = run.import_kw * hours;
        self.import_kwh += import_kwh;
        if now.import_usd_per_kwh <= 0.0 {
            self.unwanted_kwh += import_kwh;
        }
        let could_kw = now.pv_kw + now.wind_kw;
        self.own_kwh += (could_kw - run.curtailed_kw) * hours;
        self.battery_kwh += run.discharge_kw * hours;
        self.export_kwh += run.export_kw * hours;
        self.curtailed_kwh += run.curtailed_kw * hours;
        self.surplus_kwh += (could_kw - now.firm_kw * now.pue - now.base_kw).max(0.0) * hours;
        self.firm_kwh += now.firm_kw * hours;
        self.shortfall_kwh += outcome.shortfall_kwh;
        self.base_shortfall_kwh += outcome.base_shortfall_kwh;
        self.batch_kwh += run.batch_kw.iter().sum::<f64>() * hours;
        self.missed_kwh += outcome.missed_kwh;
        self.miners_kwh += run.miners_kw() * hours;
        self.carbon_kg += import_kwh * site.grid.carbon_g_per_kwh / 1000.0;
        self.import_kw_max = self.import_kw_max.max(run.import_kw);
        self.early_stops += u64::from(outcome.early_stops);
    }

    pub(super) fn keep_hour(&mut self, step: &Step, outcome: &Outcome, battery_kwh: f64) {
        self.hours
            .push(Hour::new(step, &outcome.running, battery_kwh));
    }
}

impl Plans {
    pub(super) fn add(&mut self, plan: &Plan) {
        const NOTES_MAX: usize = 5;
        self.count += 1;
        self.fallbacks += u64::from(matches!(plan.source, Source::Last | Source::Rules));
        self.took += plan.took;
        self.took_max = self.took_max.max(plan.took);
        self.gap_max = plan.gap().map_or(self.gap_max, |gap| self.gap_max.max(gap));
        for note in &plan.notes {
            if self.notes.len() < NOTES_MAX && !self.notes.contains(note) {
                self.notes.push(note.clone());
            }
        }
    }
}
