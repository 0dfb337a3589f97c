//! Bytes from outside are answered with a transaction or a reason, and never end the process. That is worth checking,
//! since the engine behind is C++ and asserts.

use bitcoin::consensus::encode::{deserialize, serialize};
use bitcoin::{Amount, Transaction};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sandbox::{Sandbox, bitcoin};

use crate::support::Purse;

/// Runs a property against one sandbox: starting one for each case would test the starting.
fn check(strategy: impl Strategy<Value = Vec<u8>>, sandbox: &Sandbox) {
    let mut runner = TestRunner::deterministic();
    let result = runner.run(&strategy, |raw| {
        let read = deserialize::<Transaction>(&raw).ok();
        if let Some(Err(reject)) = read.map(|tx| sandbox.submit(tx)) {
            prop_assert!(!reject.code().is_empty() && !reject.to_string().is_empty());
        }
        Ok(())
    });
    result.unwrap();
    sandbox.mine(1).unwrap();
}

#[test]
fn a_transaction_with_some_bytes_changed() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(5);
    let coin = purse.funded(&sandbox, 1_000_000);
    sandbox.mine(1).unwrap();
    let raw = serialize(&purse.spend(&[&coin], 1_000));
    let changes = prop::collection::vec((0..raw.len(), any::<u8>()), 1..4);
    let changed = changes.prop_map(move |changes| {
        let mut raw = raw.clone();
        for (at, byte) in changes {
            raw[at] = byte;
        }
        raw
    });
    check(changed, &sandbox);
}

#[test]
fn bytes_without_meaning() {
    let sandbox = Sandbox::start().unwrap();
    check(prop::collection::vec(any::<u8>(), 0..200), &sandbox);
}

#[test]
fn transactions_at_the_limits() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(5);
    let coin = purse.funded(&sandbox, 1_000_000);
    let good = purse.spend(&[&coin], 1_000);
    let with = |change: &dyn Fn(&mut Transaction)| {
        let mut tx = good.clone();
        change(&mut tx);
        sandbox.submit(tx).unwrap_err().code()
    };
    assert_eq!(with(&|tx| tx.output[0].value = Amount::MAX), "bad-txns");
    assert_eq!(with(&|tx| tx.output.clear()), "tx-size");
    assert_eq!(with(&|tx| tx.input.clear()), "tx-size");
    let many = |tx: &mut Transaction| tx.output = vec![tx.output[0].clone(); 4_000];
    assert_eq!(with(&many), "tx-size");
    let none_spent = |tx: &mut Transaction| {
        tx.input.clear();
        tx.output = vec![tx.output[0].clone(); 3];
    };
    assert_eq!(with(&none_spent), "bad-txns");
}
