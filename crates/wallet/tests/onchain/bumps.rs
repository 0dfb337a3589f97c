//! Raising fees.

use wallet::onchain::{FeeLimit, HowMuch, SpendKind, SpendState, Txid};

use crate::world::World;

const LIMIT: FeeLimit = FeeLimit {
    max_fee_sat: None,
    is_forced: false,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_replaced_by_a_dearer_one() {
    let world = World::new();
    let (wallet, first) = world.spender().await;
    let txid: Txid = first.txid.parse().unwrap();
    let bump = async |id: &str, rate: f64| wallet.bump(id, txid, rate, LIMIT, world.now_ms()).await;
    assert_eq!(bump("low", 2.1).await.unwrap_err().code(), "fee_too_low");

    let second = bump("more", 8.0).await.unwrap();
    assert_eq!(
        (second.kind, second.state),
        (SpendKind::Replace, SpendState::Sent)
    );
    assert_eq!(second.replaces.as_ref(), Some(&first.txid));
    assert!(second.fee_sat > first.fee_sat && second.fee_rate_sat_per_vb >= 7.9);
    assert_eq!(world.paid_sat(&second.txid, &world.elsewhere()), 30_000);
    assert_eq!(bump("more", 8.0).await.unwrap(), second, "once");
    let waiting = world.chain.mempool_txids();
    assert_eq!(waiting, [second.txid.parse().unwrap()]);
    // A sync changes nothing: the first isn't sent again.
    world.sync(&wallet).await;
    assert_eq!(world.chain.mempool_txids(), waiting);
    let balance = wallet.balance().await.unwrap();
    assert_eq!(balance.pending_sat, 70_000 - second.fee_sat);
    let states: Vec<_> = wallet.spends(10).await.unwrap();
    let states: Vec<_> = states.iter().map(|spend| spend.state).collect();
    assert_eq!(states, [SpendState::Sent, SpendState::Replaced]);

    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    let late = bump("late", 20.0).await.unwrap_err();
    assert_eq!(late.code(), "transaction_unknown");
    let mined = second.txid.parse().unwrap();
    let late = wallet
        .bump("later", mined, 20.0, LIMIT, world.now_ms())
        .await;
    assert_eq!(late.unwrap_err().code(), "transaction_not_bumpable");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_was_sent_the_fee_is_taken_from_it() {
    let world = World::new();
    let wallet = world.funded(1, &[40_000, 60_000]).await;
    let first = world.send(&wallet, "all", HowMuch::All).await.unwrap();
    let txid = first.txid.parse().unwrap();
    let second = wallet
        .bump("more", txid, 10.0, LIMIT, world.now_ms())
        .await
        .unwrap();
    assert_eq!(second.amount_sat + second.fee_sat, 100_000);
    assert_eq!(
        world.paid_sat(&second.txid, &world.elsewhere()),
        second.amount_sat
    );
    assert!(second.fee_sat > first.fee_sat);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_of_somebody_else_is_paid_for_by_a_child() {
    let world = World::new();
    let wallet = world.wallet(1).await;
    let parent = world.pay(&wallet, 200_000).await;
    let parent_fee_sat = world.fee_sat(&parent.to_string());
    let child = wallet
        .bump("child", parent, 20.0, LIMIT, world.now_ms())
        .await
        .unwrap();
    assert_eq!(
        (child.kind, child.state),
        (SpendKind::PayForParent, SpendState::Sent)
    );
    assert_eq!(child.amount_sat + child.fee_sat, 200_000);
    let vsize_vb = |txid: &str| {
        let tx = world.chain.transaction(&txid.parse().unwrap()).unwrap();
        tx.vsize() as u64
    };
    let both_vb = vsize_vb(&child.txid) + vsize_vb(&parent.to_string());
    let both_sat = child.fee_sat + parent_fee_sat;
    assert!(
        both_sat >= 20 * both_vb - 20,
        "{both_sat} sat for {both_vb} vB"
    );
    // A Bitcoin node without an index doesn't tell what the parent has paid, so the child pays for both.
    let known_sat = if world.chain.is_core() {
        parent_fee_sat
    } else {
        0
    };
    assert!(
        both_sat <= 20 * both_vb + 60 + known_sat,
        "{both_sat} sat for {both_vb} vB"
    );
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    assert_eq!(
        wallet.balance().await.unwrap().confirmed_sat,
        child.amount_sat
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_of_ours_build_on_is_not_replaced_but_paid_for() {
    let world = World::new();
    let (wallet, first) = world.spender().await;
    // It spends the change of the first.
    let second = world
        .send(&wallet, "two", HowMuch::Sat(20_000))
        .await
        .unwrap();
    let txid = first.txid.parse().unwrap();
    // Its change is spent, so there is nothing to pay with: the second is the one to be bumped.
    let refusal = wallet.bump("a", txid, 10.0, LIMIT, world.now_ms()).await;
    assert_eq!(refusal.unwrap_err().code(), "transaction_not_bumpable");
    let last = second.txid.parse().unwrap();
    let third = wallet
        .bump("b", last, 10.0, LIMIT, world.now_ms())
        .await
        .unwrap();
    assert_eq!(third.kind, SpendKind::Replace);
    let waiting = world.chain.mempool_txids();
    assert!(waiting.contains(&txid) && waiting.contains(&third.txid.parse().unwrap()));
    assert_eq!(waiting.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bump_has_bounds_too() {
    let world = World::new();
    let (wallet, first) = world.spender().await;
    let txid = first.txid.parse().unwrap();
    let limit = FeeLimit {
        max_fee_sat: Some(first.fee_sat + 100),
        is_forced: false,
    };
    let refusal = wallet.bump("a", txid, 30.0, limit, world.now_ms()).await;
    assert_eq!(refusal.unwrap_err().code(), "fee_too_high");
    assert_eq!(world.chain.mempool_txids(), [txid]);
    let unknown = "00".repeat(32).parse().unwrap();
    let refusal = wallet.bump("b", unknown, 30.0, LIMIT, world.now_ms()).await;
    assert_eq!(refusal.unwrap_err().code(), "transaction_unknown");
}
