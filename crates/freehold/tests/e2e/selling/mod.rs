//! The seller's door, from outside: `freehold sell` in front of a server of somebody's own, paid in every way.

mod bad;
mod buyer;
mod calls;
mod clients;
mod crashes;
mod ecash_session;
mod lightning;
mod metered;
mod upstream;
