//! The on-chain wallet and the savings, on a regtest chain whose rules are Bitcoin Core's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may panic"
)]

mod bitcoind;
mod bumps;
mod chain;
mod coins;
mod crash;
mod liar;
mod psbts;
#[path = "../regtest/mod.rs"]
mod regtest;
mod savings;
mod spends;
mod watching;
mod world;

#[test]
fn the_same_on_bitcoin_core() {
    regtest::on_bitcoin_core(&[
        // Those lies are told by an Esplora server.
        "liar::",
        // Without an index of addresses, nobody knows which ones another wallet has used.
        "savings::addresses_that_the_other_wallet_has_used",
    ]);
}
