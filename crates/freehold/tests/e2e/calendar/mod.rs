//! A calendar of the real program, and the commands that use it: what is promised, what is
//! refused, what survives, and whether the reference client agrees.
//!
//! Most tests anchor in the stand-in, which takes a second; those about blocks use the sandbox's
//! chain. `FREEHOLD_CALENDAR_KILLS` says how often the crash test kills (8 by default, 50 in
//! `make crash`), and `FREEHOLD_CRASH_SEED` repeats its choices. The tests with the reference
//! client want `scripts/compat-setup` to have run.

mod anchors;
pub mod chain;
mod commands;
mod damaged;
mod disk;
mod kills;
mod liar;
mod liars;
mod promise;
mod protocol;
mod reference;
mod road;
pub mod server;
mod upstream;
mod user;
