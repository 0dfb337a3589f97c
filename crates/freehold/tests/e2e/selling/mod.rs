//! The seller's door, from outside: `freehold sell` in front of a server of somebody's own, paid in every way.

mod bad;
pub mod buyer;
mod calls;
mod clients;
mod crashes;
mod ecash_session;
mod haggling;
mod hang_ups;
mod lightning;
mod mcp;
mod metered;
mod pair;
mod upstream;
