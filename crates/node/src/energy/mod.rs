//! Energy at a site: what to run now and why, what that would have earned in the past, a week of it with faults; and the
//! site that the node steers while it runs.
//!
//! But for the last none of this needs a running node: a site's file is enough, and what else is missing is made up from a
//! seed and said to be.

mod backtest;
mod capacity;
mod deliveries;
mod error;
mod income;
mod plan;
mod seen;
mod simulate;
mod sources;
mod steering;

pub use backtest::{Backtest, PolicyView, backtest};
pub(crate) use capacity::Place;
pub use deliveries::DeliveryView;
pub use error::EnergyError;
pub(crate) use income::SCHEMA as INCOME_SCHEMA;
pub use plan::{PlanView, PlannedHour, plan};
pub use seen::{Line, MachineView, SteeringView};
pub use simulate::{Moment, SimulateOptions, SimulatedSite, Simulation};
pub use sources::{BitcoinTables, Sources};
pub(crate) use steering::Steering;

pub use energy::Timestamp;
pub use energy::simulated::{HourPassed, WeekSummary};
