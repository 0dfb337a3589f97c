//! The real program from outside: nodes, other people's clients, kills. One program for all of it, because each would
//! compile the same helpers anew, and because most tests wait most of the time.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests may panic and print"
)]

mod bad_input;
mod buying;
mod calendar;
mod chat;
mod common;
mod compat;
mod crash;
mod energy;
mod git;
mod lightning_node;
mod nwc;
mod onchain;
mod paid;
mod purses;
mod receipts;
mod recovery;
mod selling;
mod story;
mod vaults;
