//! Proofs of OpenTimestamps, through the public API.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod bounds;
mod properties;
mod reference;
mod sample;
mod vectors;
