//! Simulated devices that speak the real protocols, for tests and for `freehold energy simulate`.
//!
//! Each machine has an address of its own on the loopback network (`127.x.y.z`), since miners are spoken to at fixed
//! ports (80, 4028). Linux gives all of these addresses without being asked; ports below 1024 need a right that `root` has,
//! or `sysctl net.ipv4.ip_unprivileged_port_start=80`.
//!
//! Nothing here is real, and nothing outside this module knows that: drivers find AxeOS, Braiins, SunSpec and MQTT.

mod axeos;
mod braiins;
mod broker;
mod clock;
mod http;
mod machine;
mod market;
mod sunspec;
mod vtn;
mod week;

pub use self::sunspec::{Battery, Image, sunspec};
pub use axeos::axeos;
pub use braiins::braiins;
pub use broker::{Broker, SimulatedPlug};
pub use clock::SimulatedClock;
pub use http::{Reply, Request, Served, serve_http};
pub use machine::{Fault, Machine};
pub use market::price_feed;
pub use vtn::Vtn;
pub use week::{HourPassed, WeekEvent, WeekOptions, WeekSummary, week, workshop};
