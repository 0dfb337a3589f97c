//! A Bitcoin regtest chain in a crate.
//!
//! [`Sandbox::start`] gives, in well under a second and without any other program, a chain whose blocks and scripts
//! are validated by Bitcoin Core's own engine, a miner with money, a mempool with Bitcoin Core's rules, and an
//! Esplora server on the loopback address that wallets and Lightning nodes can be pointed at. Everything is gone
//! when the [`Sandbox`] is dropped, unless it was [opened](Sandbox::open) in a folder: then its blocks stay.
//!
//! ```no_run
//! # fn example(address: bitcoin::Address) -> Result<(), sandbox::Error> {
//! let sandbox = sandbox::Sandbox::start()?;
//! let txid = sandbox.fund(address, 1_000_000)?;
//! sandbox.mine(6)?;
//! assert_eq!(sandbox.confirmations(&txid), Some(6));
//! println!("an Esplora server answers at {}", sandbox.url());
//! # Ok(())
//! # }
//! ```
//!
//! Scripts are checked under all consensus rules. Of the rules that Bitcoin Core has for relaying on top of those, the
//! mempool knows dust, fees, sizes, finality and replacement. What it has not: peers, packages of transactions,
//! standard forms of scripts, and limits on chains of unconfirmed transactions.
//!
//! Reading order: [`Sandbox`], then `world.rs` (everything composed), `chain.rs` (the engine), `index.rs`,
//! `mempool/`, `miner.rs` and `wallet.rs` (pure), `history.rs` (the file of blocks), `server.rs`, `esplora/` and `rpc.rs` (what is served).

mod chain;
mod error;
mod esplora;
mod history;
mod index;
mod mempool;
mod miner;
mod rpc;
mod sandbox;
mod server;
mod wallet;
mod world;

pub use bitcoin;
pub use error::{Error, Reject};
pub use sandbox::{Sandbox, Tip};
