//! The room through its public door.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests may panic, and say what they skip"
)]

mod backtest;
mod common;
mod controller;
mod devices;
mod history;
mod hostile;
mod live;
mod planner;
mod plant;
mod shed;
mod week;
