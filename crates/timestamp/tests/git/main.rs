//! Timestamps of git objects, through the public API.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod memory;
mod properties;
mod reference;
#[path = "../ots/sample.rs"]
#[allow(dead_code, reason = "it is shared")]
mod sample;
mod signed;
mod tree;
