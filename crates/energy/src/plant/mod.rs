//! The plant: what really happens when orders are given.
//!
//! It knows nothing of plans. It clips orders to what the machines can do, serves firm AI first, never draws more than the
//! import cap, and counts the money. What no order says it does by itself, as a site's controller would within seconds:
//! it drops load before the cap is exceeded, and uses surplus that would be thrown away.

mod dispatch;
mod raise;
mod settle;
mod state;

pub(crate) use dispatch::spread;
pub use settle::{Money, Outcome};
pub use state::{BatchState, GroupState, Lock, State};
pub(crate) use state::{hours_between, month_of, next_due};

use jiff::Timestamp;

use crate::site::Site;

/// A stretch of time in which nothing changes but what is ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When it begins.
    pub start: Timestamp,
    /// How long it is, in hours.
    pub hours: f64,
    /// What holds in it.
    pub conditions: Conditions,
}

impl Step {
    /// When it ends.
    pub fn end(&self) -> Timestamp {
        let seconds = (self.hours * 3600.0).round() as i64;
        Timestamp::from_second(self.start.as_second().saturating_add(seconds))
            .unwrap_or(Timestamp::MAX)
    }
}

/// What holds in a step: in the plant as it is, in a plan as it is forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// What a kWh from the grid costs, in dollars.
    pub import_usd_per_kwh: f64,
    /// What a kWh fed in brings, in dollars; not more than `import_usd_per_kwh`.
    pub export_usd_per_kwh: f64,
    /// The most that may be drawn from the grid, in kW. 0 when it is out.
    pub import_kw_max: f64,
    /// What the panels could give, in kW.
    pub pv_kw: f64,
    /// What the turbines could give, in kW.
    pub wind_kw: f64,
    /// Total over IT power.
    pub pue: f64,
    /// Firm AI, in kW, without cooling.
    pub firm_kw: f64,
    /// Other load that must run, in kW.
    pub base_kw: f64,
    /// Heat that somebody wants, in kW.
    pub heat_kw: f64,
    /// What a TH/s brings for a day, in dollars.
    pub hashprice_usd_per_th_day: f64,
}

/// What is ordered for a step.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Orders {
    /// For each of the site's groups.
    pub groups: Vec<GroupOrder>,
    /// For each of the site's batch AI, in kW without cooling.
    pub batch_kw: Vec<f64>,
    /// Charging above zero, discharging below, in kW at the battery's terminals.
    pub battery_kw: f64,
    /// Held ready for each of the site's reserves, in kW.
    pub reserve_kw: Vec<f64>,
    /// The most that is taken from sun and wind, in kW, since energy from the grid is paid for; more is taken when the
    /// import cap calls for it. All of it, unless ordered.
    pub own_kw_max: Option<f64>,
    /// Up to which import load may be raised when there is more power than was forecast, in kW; up to the import cap,
    /// unless ordered.
    pub raised_import_kw_max: Option<f64>,
    /// What things are worth by the plan. With it, what the forecast got wrong goes where it is worth most, or comes from
    /// where it is worth least. Without, load is dropped when it must be, and never raised.
    pub worth: Option<Worth>,
}

/// What a group of miners is to do.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct GroupOrder {
    /// How many machines run.
    pub units: u32,
    /// What they draw together, in kW without cooling.
    pub power_kw: f64,
}

/// What things are worth by a plan, in dollars.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Worth {
    /// A kWh in the battery.
    pub stored_usd_per_kwh: f64,
    /// The right to do a kWh of each batch AI's work later instead of now.
    pub later_usd_per_kwh: Vec<f64>,
}

impl Orders {
    /// Everything off that may be.
    pub fn off(site: &Site) -> Self {
        Self {
            groups: vec![GroupOrder::default(); site.miners.len()],
            batch_kw: vec![0.0; site.ai.batch.len()],
            battery_kw: 0.0,
            reserve_kw: vec![0.0; site.reserves.len()],
            ..Self::default()
        }
    }
}

/// What runs, in kW: IT load without cooling, the rest at its terminals.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Running {
    /// Each group of miners.
    pub groups: Vec<GroupOrder>,
    /// Each batch AI.
    pub batch_kw: Vec<f64>,
    /// Firm AI that is served.
    pub firm_kw: f64,
    /// Other load that is served.
    pub base_kw: f64,
    /// Into the battery.
    pub charge_kw: f64,
    /// Out of the battery.
    pub discharge_kw: f64,
    /// From the grid.
    pub import_kw: f64,
    /// To the grid.
    pub export_kw: f64,
    /// Sun and wind that are thrown away.
    pub curtailed_kw: f64,
}

impl Running {
    /// All miners, in kW.
    pub fn miners_kw(&self) -> f64 {
        self.groups.iter().map(|group| group.power_kw).sum()
    }

    /// All IT load, in kW.
    pub fn it_kw(&self) -> f64 {
        self.firm_kw + self.batch_kw.iter().sum::<f64>() + self.miners_kw()
    }
}

/// Lets a step happen: moves the state to its end, and says what ran and what it was worth.
pub fn step(site: &Site, state: &mut State, step: &Step, orders: &Orders) -> Outcome {
    let missed_kwh = state.begin(site, step);
    let running = dispatch::dispatch(site, state, step, orders);
    settle::settle(site, state, step, orders, running, &missed_kwh)
}
