//! The Lightning rail against a regtest chain in this process: what two or three nodes do together,
//! and what becomes of it when something goes wrong.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod chain;
mod faults;
mod killed;
mod payments;
#[path = "../regtest/mod.rs"]
mod regtest;
mod restored;
mod support;

#[test]
fn the_same_on_bitcoin_core() {
    regtest::on_bitcoin_core(&[
        // It is an Esplora server's nonsense.
        "faults::a_source_that_answers_nonsense",
        // By RPC, a node starts without its source, and waits for it.
        "chain::payments_need_no_chain_source",
        // Which needs an Esplora server, and says so.
        "restored::a_lost_node",
    ]);
}
