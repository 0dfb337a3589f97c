//! Purses through their public API: approvals, earned modes, narrowed tokens, and what no order of events may break.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod approvals;
mod delegation;
mod earned;
mod killed;
mod properties;
mod world;
