//! Savings: what the on-chain wallet has above a limit goes, at low fees, to keys that this machine
//! doesn't hold.
//!
//! [`decide()`] decides from numbers alone. [`run`] takes the numbers from the wallet, builds the
//! transaction, checks once more that what stays is untouched, and records it, all in one step of the
//! wallet's file.

mod decide;
mod sweep;

pub use decide::{Decision, Reason, Rule, Situation, decide, keep_sat};
pub use sweep::{Attempt, Savings, off, run, set, show};
