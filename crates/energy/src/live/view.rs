//! What can be seen of a site that is steered.

use std::sync::Arc;

use jiff::Timestamp;

use crate::controller::{Health, Mode};
use crate::drivers::GridEvent;
use crate::plan::Plan;
use crate::site::Site;

/// Power that isn't worth coming back for, in kW.
const LITTLE_KW: f64 = 1e-3;

/// A site at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveView {
    /// The site, without what isn't steered.
    pub site: Arc<Site>,
    /// When this was so.
    pub at: Timestamp,
    /// What the controller goes by.
    pub mode: Mode,
    /// What the meter showed last, in kW; below zero what is fed in.
    pub import_kw: Option<f64>,
    /// Each machine.
    pub units: Vec<UnitView>,
    /// The plan that holds.
    pub plan: Option<Arc<Plan>>,
    /// The grid's call that is being met.
    pub call: Option<GridEvent>,
    /// What is wrong beyond the site: with the feed of prices, with the grid's server.
    pub troubles: Vec<String>,
}

/// A machine at a moment.
#[derive(Debug, Clone, PartialEq)]
pub struct UnitView {
    /// Its name.
    pub name: String,
    /// How much it is believed.
    pub health: Health,
    /// What it was told to draw, in W.
    pub told_w: f64,
    /// What it was seen to draw, in W.
    pub draws_w: f64,
}

impl LiveView {
    /// When a batch AI gets more power than it has now, as far as the plan and the call under way say.
    pub fn more_at(&self, job: usize) -> Option<Timestamp> {
        let plan = self.plan.as_ref()?;
        let of =
            |running: &crate::plant::Running| running.batch_kw.get(job).copied().unwrap_or(0.0);
        let now_kw = plan.at(self.at).map_or(0.0, |now| of(&now.running));
        let call_ends = self.call.as_ref().and_then(|call| call.end);
        let has_more = |planned_kw: f64| match call_ends {
            // A call may take what the plan gives, so whatever comes after it counts.
            Some(_) => planned_kw > LITTLE_KW,
            None => planned_kw > now_kw + LITTLE_KW,
        };
        let from = call_ends.unwrap_or(self.at).max(self.at);
        let step = plan
            .steps
            .iter()
            .find(|planned| planned.step.end() > from && has_more(of(&planned.running)))?;
        Some(step.step.start.max(from)).filter(|at| *at > self.at)
    }
}
