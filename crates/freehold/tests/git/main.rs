//! `freehold git` with real repositories, a real calendar, real signatures where gpg is installed,
//! and the reference's own wrapper where `scripts/compat-setup` has installed it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests may panic and print"
)]

#[path = "../calendar/chain.rs"]
#[allow(dead_code, reason = "it is shared")]
mod chain;
#[path = "../common/mod.rs"]
mod common;
mod key;
mod notes;
mod reference;
mod refusals;
mod repo;
#[path = "../calendar/server.rs"]
#[allow(dead_code, reason = "it is shared")]
mod server;
mod signed;
