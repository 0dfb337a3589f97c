//! The planner: what to run when, so that the most is earned and every promise is kept.
//!
//! The model ([`model`]) is a linear program over groups of machines, with whole numbers only where a group is so small
//! that they matter. [`Planner`] always publishes a plan in time: what the solver found, else the rounded linear
//! program, else the rest of the last plan, else a plan by simple rules. Each candidate is run through the
//! [plant](crate::plant) under the forecast; the best one is published, so a plan is feasible by construction, and its
//! value is what the plant would earn with it.

mod explain;
mod grid;
mod mend;
pub(crate) mod model;
pub(crate) mod orders;
mod planner;
mod solver;

pub use planner::{Options, Planner};
pub use solver::{Answer, Highs, Solver, Task};

use std::time::Duration;

use jiff::Timestamp;

use crate::plant::{Orders, Running, Step};
use crate::site::Site;

/// Where a plan comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The solver's best solution with whole machines.
    Mixed,
    /// The linear program, rounded to whole machines.
    Rounded,
    /// What was left of the plan before.
    Last,
    /// Simple rules: mine while it pays, spread AI work evenly, leave the battery alone.
    Rules,
}

/// A plan. It is feasible under the forecast that it was made with.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// For when it was made: the start of its first step.
    pub start: Timestamp,
    /// Its steps.
    pub steps: Vec<PlannedStep>,
    /// Where it comes from.
    pub source: Source,
    /// What the plant would earn with it under the forecast, in dollars, with what is left at the end valued.
    pub value_usd: f64,
    /// What no plan could exceed under the forecast, in dollars; unknown when the solver had no time for it.
    pub bound_usd: Option<f64>,
    /// How long it took.
    pub took: Duration,
    /// What went wrong on the way, and what was done instead.
    pub notes: Vec<String>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedStep {
    /// When, and under which forecast.
    pub step: Step,
    /// What is ordered.
    pub orders: Orders,
    /// What will run, if the forecast holds.
    pub running: Running,
    /// What one more kWh would be worth in this step, in dollars, by the linear program.
    pub marginal_usd_per_kwh: Option<f64>,
    /// What will be in the battery at the end, in kWh.
    pub battery_kwh: f64,
}

impl Plan {
    /// How far the plan may be from the best, as a share of the bound; `None` without a bound.
    pub fn gap(&self) -> Option<f64> {
        let bound_usd = self.bound_usd?;
        Some(((bound_usd - self.value_usd) / bound_usd.abs().max(1.0)).max(0.0))
    }

    /// What is ordered first; everything off, if it has no steps.
    pub fn first_orders(&self, site: &Site) -> Orders {
        let first = self.steps.first();
        first.map_or_else(|| Orders::off(site), |planned| planned.orders.clone())
    }

    /// What is ordered for a moment; nothing beyond the plan's end.
    pub fn at(&self, moment: Timestamp) -> Option<&PlannedStep> {
        self.steps
            .iter()
            .find(|planned| planned.step.start <= moment && moment < planned.step.end())
    }
}
