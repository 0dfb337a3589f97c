//! Tests of `timestamp::headers` through its public face.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use timestamp::headers as api;

mod file;
mod mine;
mod rules;
mod speed;
mod store;
mod verify;

#[cfg(feature = "net")]
mod sources;
