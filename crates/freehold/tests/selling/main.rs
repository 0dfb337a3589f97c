//! The seller's door, from outside: `freehold sell` in front of a server of somebody's own, paid in every way.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests may panic and print"
)]

#[path = "../common/mod.rs"]
mod common;

mod bad;
mod buyer;
mod calls;
mod clients;
mod crashes;
mod ecash_session;
mod haggling;
mod lightning;
mod mcp;
mod pair;
mod upstream;
