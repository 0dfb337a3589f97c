//! What there is to see of a site that is steered.

use energy::controller::{Health, Mode};
use energy::drivers::Throttle;
use energy::live::{LiveView, UnitView};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::steering::lock;
use super::{DeliveryView, PlanView};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::Node;

/// What there is to see.
#[derive(Default)]
pub(super) struct Seen {
    pub view: Option<watch::Receiver<Option<LiveView>>>,
    pub left_out: Vec<String>,
    pub lines: Vec<Line>,
    pub deliveries: Vec<DeliveryView>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When, in UTC.
    pub at: String,
    /// What.
    pub what: String,
}

/// The site as it is steered now.
#[derive(Debug, Clone, Serialize)]
pub struct SteeringView {
    /// Its name.
    pub site: String,
    /// When this was so, in UTC; nothing while it starts.
    pub at: Option<String>,
    /// `adopting`, `planned`, `holding` or `safe`: what the controller goes by.
    pub mode: Option<&'static str>,
    /// What the meter showed last, in kW; below zero what is fed in.
    pub import_kw: Option<f64>,
    /// The import cap, in kW.
    pub import_kw_max: f64,
    /// The machines.
    pub machines: Vec<MachineView>,
    /// What isn't steered because it has no address.
    pub left_out: Vec<String>,
    /// How many answers may be given to others at once; nothing if that isn't limited.
    pub places: Option<u32>,
    /// Until when the grid's call holds, in UTC.
    pub call_until: Option<String>,
    /// What is wrong beyond the site.
    pub troubles: Vec<String>,
    /// The plan that holds.
    pub plan: Option<PlanView>,
    /// What happened, oldest first.
    pub lines: Vec<Line>,
    /// What was delivered to the grid, oldest first.
    pub deliveries: Vec<DeliveryView>,
}

/// A machine that is steered.
#[derive(Debug, Clone, Serialize)]
pub struct MachineView {
    /// Its name.
    pub name: String,
    /// `unknown`, `good`, `deaf` or `lost`: how much it is believed.
    pub health: &'static str,
    /// What it was told to draw, in W.
    pub told_w: f64,
    /// What it was seen to draw, in W.
    pub draws_w: f64,
}

impl Node {
    /// The site as it is steered now.
    ///
    /// # Errors
    /// `not_found` if no site is named in the configuration.
    #[boxed]
    pub async fn steering(&self) -> Result<SteeringView> {
        let steering = &self.inner.steering;
        let site = steering.site.as_ref().ok_or_else(|| NodeError::NotFound {
            what: "site in the configuration:",
            id: "[energy] site".into(),
        })?;
        let seen = lock(&steering.seen);
        let view = seen.view.as_ref().and_then(|view| view.borrow().clone());
        let places = steering.capacity.slots();
        let plan = view.as_ref().and_then(|view| {
            let plan = view.plan.as_ref()?;
            Some(PlanView::new(&view.site, plan, Vec::new()))
        });
        Ok(SteeringView {
            site: site.name.clone(),
            at: view.as_ref().map(|view| view.at.to_string()),
            mode: view.as_ref().map(|view| mode(view.mode)),
            import_kw: view.as_ref().and_then(|view| view.import_kw),
            import_kw_max: site.grid.import_kw_max,
            machines: view.as_ref().map(machines).unwrap_or_default(),
            left_out: seen.left_out.clone(),
            places: (places != u32::MAX).then_some(places),
            call_until: view
                .as_ref()
                .and_then(|view| Some(view.call.as_ref()?.end?.to_string())),
            troubles: view
                .as_ref()
                .map(|view| view.troubles.clone())
                .unwrap_or_default(),
            plan,
            lines: seen.lines.clone(),
            deliveries: seen.deliveries.clone(),
        })
    }
}

fn machines(view: &LiveView) -> Vec<MachineView> {
    let machine = |unit: &UnitView| MachineView {
        name: unit.name.clone(),
        health: match unit.health {
            Health::Unknown => "unknown",
            Health::Good => "good",
            Health::Deaf => "deaf",
            Health::Lost => "lost",
        },
        told_w: unit.told_w,
        draws_w: unit.draws_w,
    };
    view.units.iter().map(machine).collect()
}

const fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Adopting => "adopting",
        Mode::Planned => "planned",
        Mode::Holding => "holding",
        Mode::Safe => "safe",
    }
}
