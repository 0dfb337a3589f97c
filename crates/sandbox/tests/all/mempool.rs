//! What the mempool takes, replaces and refuses.

use crate::support::{Coin, Purse, coin_of, pay};
use bitcoin::absolute::LockTime;
use bitcoin::{ScriptBuf, Sequence};
use sandbox::{Reject, Sandbox, bitcoin};

/// A sandbox and a purse with one confirmed coin of a million sat.
fn setup() -> (Sandbox, Purse, Coin) {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(7);
    let coin = purse.funded(&sandbox, 1_000_000);
    sandbox.mine(1).unwrap();
    (sandbox, purse, coin)
}

#[track_caller]
fn check_refused(result: Result<bitcoin::Txid, Reject>, code: &str) {
    let reject = result.unwrap_err();
    assert_eq!(reject.code(), code, "{reject}");
    assert!(!reject.hint().is_empty());
}

#[test]
fn segwit_and_taproot_are_spent() {
    let (sandbox, purse, coin) = setup();
    let script = purse.taproot_address().script_pubkey();
    let tx = purse.spend_to(&[&coin], vec![pay(script.clone(), 999_000)]);
    let txid = sandbox.submit(tx).unwrap();
    let coin = coin_of(&sandbox, &txid, &script);
    let txid = sandbox.submit(purse.spend(&[&coin], 500)).unwrap();
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&txid), Some(1));
}

#[test]
fn a_bad_signature_is_refused() {
    let (sandbox, purse, coin) = setup();
    let script = purse.taproot_address().script_pubkey();
    let mut tx = purse.spend(&[&coin], 500);
    tx.output[0].value -= bitcoin::Amount::from_sat(1);
    check_refused(sandbox.submit(tx), "mandatory-script-verify-flag-failed");
    let other = Purse::new(8).spend(&[&coin], 500);
    check_refused(sandbox.submit(other), "mandatory-script-verify-flag-failed");

    let tx = purse.spend_to(&[&coin], vec![pay(script.clone(), 999_000)]);
    let coin = coin_of(&sandbox, &sandbox.submit(tx).unwrap(), &script);
    let mut tx = purse.spend(&[&coin], 500);
    tx.output[0].value -= bitcoin::Amount::from_sat(1);
    check_refused(sandbox.submit(tx), "mandatory-script-verify-flag-failed");
}

#[test]
fn a_double_spend_is_refused() {
    let (sandbox, purse, coin) = setup();
    let first = purse.spend(&[&coin], 1_000);
    let rival = purse.spend_to(&[&coin], vec![pay(purse.taproot_address().into(), 999_000)]);
    sandbox.submit(first.clone()).unwrap();
    check_refused(sandbox.submit(first.clone()), "txn-already-in-mempool");
    check_refused(sandbox.submit(rival.clone()), "insufficient fee");
    sandbox.mine(1).unwrap();
    check_refused(sandbox.submit(first), "txn-already-known");
    check_refused(sandbox.submit(rival), "bad-txns-inputs-missingorspent");
}

#[test]
fn a_higher_fee_replaces_with_all_descendants() {
    let (sandbox, purse, coin) = setup();
    let first = sandbox.submit(purse.spend(&[&coin], 1_000)).unwrap();
    let child = purse.spend(&[&coin_of(&sandbox, &first, &purse.script())], 2_000);
    let child = sandbox.submit(child).unwrap();
    // About 110 vB: the fees that go are paid, but not all of the newcomer's own way.
    check_refused(
        sandbox.submit(purse.spend(&[&coin], 3_100)),
        "insufficient fee",
    );
    let newcomer = sandbox.submit(purse.spend(&[&coin], 3_120)).unwrap();
    assert_eq!(sandbox.mempool_txids(), [newcomer]);
    assert_eq!(sandbox.transaction(&first), None);
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&newcomer), Some(1));
    assert_eq!(sandbox.confirmations(&child), None);
}

#[test]
fn a_larger_fee_at_a_lower_rate_replaces_nothing() {
    let (sandbox, purse, coin) = setup();
    let many: Vec<_> = (0..20).map(|_| purse.funded(&sandbox, 50_000)).collect();
    sandbox.submit(purse.spend(&[&coin], 1_100)).unwrap();
    let mut coins = vec![&coin];
    coins.extend(&many);
    check_refused(
        sandbox.submit(purse.spend(&coins, 5_000)),
        "insufficient fee",
    );
}

#[test]
fn a_replacement_cannot_spend_what_it_replaces() {
    let (sandbox, purse, coin) = setup();
    let first = sandbox.submit(purse.spend(&[&coin], 1_000)).unwrap();
    let change = coin_of(&sandbox, &first, &purse.script());
    let tx = purse.spend(&[&coin, &change], 9_000);
    check_refused(sandbox.submit(tx), "bad-txns-spends-conflicting-tx");
}

#[test]
fn a_young_reward_is_refused() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(7);
    sandbox.mine_to(purse.address(), 1).unwrap();
    let reward = sandbox.block(102).unwrap().txdata[0].compute_txid();
    let coin = coin_of(&sandbox, &reward, &purse.script());
    sandbox.mine(98).unwrap();
    let tx = purse.spend(&[&coin], 500);
    check_refused(
        sandbox.submit(tx.clone()),
        "bad-txns-premature-spend-of-coinbase",
    );
    sandbox.mine(1).unwrap();
    let txid = sandbox.submit(tx).unwrap();
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&txid), Some(1));
}

#[test]
fn money_cannot_be_made() {
    let (sandbox, purse, coin) = setup();
    let tx = purse.spend_to(&[&coin], vec![pay(purse.script(), 1_000_001)]);
    check_refused(sandbox.submit(tx), "bad-txns-in-belowout");
    let twice = purse.spend(&[&coin, &coin], 500);
    check_refused(sandbox.submit(twice), "bad-txns");
    let mut unknown = coin;
    unknown.outpoint.vout = 99;
    check_refused(
        sandbox.submit(purse.spend(&[&unknown], 500)),
        "bad-txns-inputs-missingorspent",
    );
    let coinbase = sandbox.block(5).unwrap().txdata[0].clone();
    check_refused(sandbox.submit(coinbase), "txn-already-known");
}

#[test]
fn dust_and_low_fees_are_refused_and_data_is_not() {
    let (sandbox, purse, coin) = setup();
    check_refused(
        sandbox.submit(purse.spend(&[&coin], 100)),
        "min relay fee not met",
    );
    let outputs = vec![pay(purse.script(), 293), pay(purse.script(), 990_000)];
    check_refused(sandbox.submit(purse.spend_to(&[&coin], outputs)), "dust");
    let data = ScriptBuf::new_op_return([7; 73]);
    let outputs = vec![pay(data, 0), pay(purse.script(), 999_000)];
    let txid = sandbox.submit(purse.spend_to(&[&coin], outputs)).unwrap();
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&txid), Some(1));
}

#[test]
fn an_absolute_lock_time_is_waited_for() {
    let (sandbox, purse, coin) = setup();
    let mut tx = purse.spend(&[&coin], 500);
    // A lock time is the last block that can't have it, and 103 is the next one.
    tx.lock_time = LockTime::from_height(103).unwrap();
    purse.sign(&mut tx, &[&coin]);
    check_refused(sandbox.submit(tx.clone()), "non-final");
    sandbox.mine(1).unwrap();
    sandbox.submit(tx.clone()).unwrap();
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&tx.compute_txid()), Some(1));
}

#[test]
fn a_relative_lock_time_is_waited_for() {
    let (sandbox, purse, coin) = setup();
    let mut tx = purse.spend(&[&coin], 500);
    tx.input[0].sequence = Sequence::from_height(3);
    purse.sign(&mut tx, &[&coin]);
    check_refused(sandbox.submit(tx.clone()), "non-BIP68-final");
    sandbox.mine(2).unwrap();
    let txid = sandbox.submit(tx.clone()).unwrap();
    // A reorg makes it too young again, and it is dropped.
    sandbox.reorg(3).unwrap();
    assert_eq!(sandbox.confirmations(&coin.outpoint.txid), Some(0));
    assert_eq!(sandbox.confirmations(&txid), None);

    tx.input[0].sequence = Sequence::from_512_second_intervals(1_000);
    purse.sign(&mut tx, &[&coin]);
    check_refused(sandbox.submit(tx), "non-BIP68-final");
}

#[test]
fn what_is_evicted_can_be_sent_again() {
    let (sandbox, purse, coin) = setup();
    let tx = purse.spend(&[&coin], 500);
    let txid = sandbox.submit(tx.clone()).unwrap();
    let child = purse.spend(&[&coin_of(&sandbox, &txid, &purse.script())], 500);
    sandbox.submit(child).unwrap();
    assert!(sandbox.evict(&txid));
    assert!(!sandbox.evict(&txid));
    assert!(sandbox.mempool_txids().is_empty());
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&txid), None);
    sandbox.submit(tx).unwrap();
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.confirmations(&txid), Some(1));
}

#[test]
fn the_best_paying_come_first() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(7);
    let coins: Vec<_> = (0..3).map(|_| purse.funded(&sandbox, 100_000)).collect();
    sandbox.mine(1).unwrap();
    let fees_sat = [400, 4_000, 1_000];
    let sent = coins.iter().zip(fees_sat).map(|(coin, fee_sat)| {
        let tx = purse.spend(&[coin], fee_sat);
        sandbox.submit(tx).unwrap()
    });
    let sent: Vec<_> = sent.collect();
    sandbox.mine(1).unwrap();
    let block = sandbox.block(sandbox.tip().height).unwrap();
    let mined: Vec<_> = block
        .txdata
        .iter()
        .skip(1)
        .map(|tx| tx.compute_txid())
        .collect();
    assert_eq!(mined, [sent[1], sent[2], sent[0]]);
}

#[test]
fn a_block_never_has_too_many_signature_checks() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(7);
    let coins: Vec<_> = (0..6).map(|_| purse.funded(&sandbox, 100_000)).collect();
    sandbox.mine(1).unwrap();
    // Outside of a witness each counts four times.
    let checks = |count: usize| ScriptBuf::from_bytes(vec![0xac; count]);
    let spend = |coin, count| purse.spend_to(&[coin], vec![pay(checks(count), 80_000)]);
    check_refused(
        sandbox.submit(spend(&coins[0], 4_001)),
        "bad-txns-too-many-sigops",
    );
    for coin in &coins {
        sandbox.submit(spend(coin, 3_900)).unwrap();
    }
    sandbox.mine(1).unwrap();
    assert_eq!(sandbox.mempool_txids().len(), 1);
    sandbox.mine(1).unwrap();
    assert!(sandbox.mempool_txids().is_empty());
}
