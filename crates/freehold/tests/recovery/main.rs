//! Recovery with the real program: a node is wiped, and comes back from its phrase or from a backup.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "../common/mod.rs"]
mod common;

mod house;
mod kept;
mod lightning;
mod mint;
mod phrase;
mod refusals;
mod spent;
