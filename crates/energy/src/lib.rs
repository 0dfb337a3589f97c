//! Plans miners, AI load, battery and sun together.
//!
//! AI needs power without a break; miners can go at once and come back at will. Whoever plans both together
//! takes the energy that others throw away and keeps every promise to the AI's users.
//!
//! Reading order: [`site`] (what stands there, from a TOML file), [`market`] (prices, hashprice, calendars),
//! [`weather`], [`forecast`] (what may be known ahead), [`plan`] (the optimiser), [`plant`] (the physics, which
//! believes no plan), [`shed`] (what to drop first, without a solver), [`controller`] (commands and readings, pure),
//! [`drivers`] (devices, prices and the grid's calls), [`evidence`] (what was delivered), [`live`] (all of it on
//! real devices), [`simulated`] (devices that aren't
//! there), [`backtest`] (history replayed without foresight) and [`chart`].
//!
//! The planner and the plant don't share a model: a plan that is wrong earns less in the plant, and never
//! takes power from firm AI or exceeds the import cap there.
//!
//! Signs and units: names end in their unit, powers are in kW and positive in the direction that the name says, money is
//! in US dollars, times are UTC. Nothing here reads a clock except [`plan::Planner`], to keep its
//! own deadline, and [`drivers`], to wait no longer than they should.

pub mod backtest;
pub mod chart;
pub mod controller;
pub mod drivers;
mod error;
pub mod evidence;
pub mod forecast;
pub mod live;
pub mod market;
pub mod plan;
pub mod plant;
pub mod shed;
pub mod simulated;
pub mod site;
pub mod weather;

pub use error::{Error, Result};
pub use jiff::Timestamp;
pub use jiff::tz::TimeZone;
