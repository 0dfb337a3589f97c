//! What the planner is told: what is expected, and what the machines are doing.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::task::JoinHandle;

use crate::backtest::{Forecasters, Knowledge, World};
use crate::plan::{Plan, Planner};
use crate::plant::State;
use crate::site::Site;

/// What the machines do, as far as it was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Measured {
    /// How many of each group run.
    pub units_on: Vec<u32>,
    /// What each batch AI has done since this was measured last, in kWh.
    pub done_kwh: Vec<f64>,
    /// What is in the battery, in kWh, if it says so.
    pub battery_kwh: Option<f64>,
}

/// Makes plans from what is known.
pub struct Outlook {
    planner: Arc<Mutex<Planner>>,
    forecasters: Forecasters,
    knowledge: Knowledge,
    state: State,
}

impl Outlook {
    /// Nothing ran before.
    pub fn new(site: &Site, start: Timestamp) -> Self {
        Self {
            planner: Arc::default(),
            forecasters: Forecasters::default(),
            knowledge: Knowledge::day_ahead(site),
            state: State::new(site, start),
        }
    }

    /// What is known of prices ahead.
    pub const fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    /// Takes in what was measured.
    pub fn follow(&mut self, site: &Site, now: Timestamp, measured: &Measured) {
        for (batch, done_kwh) in self.state.batch.iter_mut().zip(&measured.done_kwh) {
            batch.remaining_kwh = (batch.remaining_kwh - done_kwh).max(0.0);
        }
        self.state = self.state.as_of(site, now);
        self.state.battery_kwh = measured.battery_kwh.unwrap_or(self.state.battery_kwh);
        for (state, units) in self.state.groups.iter_mut().zip(&measured.units_on) {
            state.units = *units;
        }
    }

    /// Begins to plan from an hour of the world on, with prices in dollars a MWh from the world's beginning on. The planner
    /// waits for its solver, so it has a thread of its own.
    pub fn plan(
        &self,
        site: &Arc<Site>,
        world: &World,
        hour: usize,
        market_usd_per_mwh: &[f64],
    ) -> JoinHandle<Plan> {
        let zone = site.zone();
        let known = world.known(site, &zone, hour, &self.knowledge);
        let known = known.with_prices(market_usd_per_mwh);
        let steps = known.outlook(&self.forecasters, known.horizon_hours());
        let (planner, state, site) = (self.planner.clone(), self.state.clone(), site.clone());
        tokio::task::spawn_blocking(move || {
            let mut planner = planner.lock().unwrap_or_else(PoisonError::into_inner);
            planner.plan(&site, &state, &steps)
        })
    }
}
