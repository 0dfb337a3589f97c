//! Money that an agent cannot overspend.
//!
//! The parts; `savings` builds on `onchain`, `cashier` on `lightning` and the ledger; the others stand alone:
//!
//! - [`ledger`]: a double-entry, two-phase ledger in SQLite. Every movement is a
//!   transfer between two accounts; what is reserved counts as spent.
//! - [`purse`]: agents' purses. A [`purse::Policy`] decides purely, and is enforced
//!   in the same SQLite transaction as the reservation.
//! - [`ecash`]: Cashu rails on `cdk`: an embedded mint for play money, and wallets
//!   whose every operation can be settled after a crash.
//! - [`lightning`]: the Lightning rail on `ldk-node`: each payment is recorded before it is sent, and
//!   sent once.
//! - [`vault`]: coins and ecash that people and agents share by one policy.
//! - [`cashier`]: pays and is paid over Lightning, and books it.
//! - [`onchain`]: bitcoin on the chain, on `bdk_wallet`: coins, payments, PSBTs, watching.
//! - [`savings`]: sweeps what is too much for this machine to keys that it doesn't hold.
//! - [`nwc`]: Nostr Wallet Connect: other programs use a wallet of ours, or we use theirs.
//!
//! Amounts in the ledger are millisatoshi (`_msat`), amounts of ecash are whole
//! satoshi (`_sat`). Times are Unix milliseconds passed in by the caller, and so
//! is randomness.

pub mod cashier;
pub mod db;
pub mod ecash;
mod error;
pub mod ledger;
pub mod lightning;
pub mod nwc;
pub mod onchain;
pub mod purse;
pub mod savings;
pub mod vault;

/// An asynchronous function that is compiled here, once. Otherwise each crate that awaits it compiles it anew, with all that
/// it awaits in turn, which was most of what a build took.
use async_recursion::async_recursion as boxed;

pub use db::Db;
pub use error::WalletError;
pub use ledger::Account;

/// Millisatoshi in one satoshi.
pub const MSAT_PER_SAT: u64 = 1_000;

/// Satoshi as millisatoshi; saturates, so that a hostile amount can never wrap
/// into a small one.
#[must_use]
pub const fn sat_to_msat(amount_sat: u64) -> u64 {
    amount_sat.saturating_mul(MSAT_PER_SAT)
}

/// Millisatoshi as satoshi, rounded up: what a payer must bring to cover them.
#[must_use]
pub const fn msat_to_sat_ceil(amount_msat: u64) -> u64 {
    amount_msat.div_ceil(MSAT_PER_SAT)
}

/// An amount for people: in satoshi if it is a whole number of them.
fn display_msat(amount_msat: u64) -> String {
    if amount_msat.is_multiple_of(MSAT_PER_SAT) {
        format!("{} sat", amount_msat / MSAT_PER_SAT)
    } else {
        format!("{amount_msat} msat")
    }
}
