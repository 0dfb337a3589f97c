//! Buyers, sellers, a mint and Lightning in a world where everything goes wrong: messages are lost, late, twice and in any
//! order, computers die at every persist point, clocks jump, buyers spend twice and sellers cheat.
//!
//! What is tried is the node's own code: ledger and purses, rows and rules of `fetch`, the protocols' crate from challenge to
//! credential, the seller's tables, sales and sessions, each node with its own SQLite. What stands around it here (`mint`,
//! `rail`, `network`) is made for this, and so is the glue between two durable steps (`buyer*`, `purse_wallet`, `seller`,
//! `till`, `shop_sessions`), which follows the node's files step by step.
//!
//! One seed is one history. To see one again:
//!
//! ```text
//! FREEHOLD_SIM_SEED=7 FREEHOLD_SIM_DAYS=50 cargo test --release --locked --workspace --lib simulation
//! ```

mod agents;
mod books;
pub(crate) mod budgets;
mod death;
mod deeds;
mod dice;
pub(crate) mod ecash;
pub(crate) mod faults;
pub(crate) mod ground;
mod history;
mod hostile_buyer;
mod hostile_seller;
pub(crate) mod mint;
pub(crate) mod network;
pub(crate) mod rail;
mod rest;
mod rules;
mod session_client;
mod tasks;
mod tests;
mod town;
pub(crate) mod world;

use crate::fetch::simulated as buyer;
use crate::sell::simulated as seller;

pub(crate) use tasks::now_ms;
