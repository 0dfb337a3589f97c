//! Receiving and paying.

use sandbox::bitcoin::Txid;
use wallet::onchain::{FeeLimit, HowMuch, SpendRequest, SpendState};

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn money_is_received_and_paid_on() {
    let world = World::new();
    let wallet = world.wallet(1).await;
    let txid = world.pay(&wallet, 100_000).await;
    let balance = wallet.balance().await.unwrap();
    assert_eq!((balance.confirmed_sat, balance.pending_sat), (0, 100_000));
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);

    let spend = world
        .send(&wallet, "one", HowMuch::Sat(30_000))
        .await
        .unwrap();
    assert_eq!(spend.state, SpendState::Sent);
    assert_eq!(world.paid_sat(&spend.txid, &world.elsewhere()), 30_000);
    assert_eq!(world.fee_sat(&spend.txid), spend.fee_sat);
    let balance = wallet.balance().await.unwrap();
    assert_eq!(balance.confirmed_sat, 0);
    assert_eq!(balance.pending_sat, 70_000 - spend.fee_sat);

    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    let balance = wallet.balance().await.unwrap();
    assert_eq!(balance.confirmed_sat, 70_000 - spend.fee_sat);
    let spends = wallet.spends(10).await.unwrap();
    assert_eq!(spends[0].state, SpendState::Confirmed);
    let history = wallet.history(10).await.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].txid, spend.txid);
    assert_eq!(
        history[0].net_sat,
        -30_000 - i64::try_from(spend.fee_sat).unwrap()
    );
    assert_eq!(history[1].txid, txid.to_string());
    assert_eq!((history[1].net_sat, history[1].confirmations), (100_000, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_is_sent_less_the_fee() {
    let world = World::new();
    let wallet = world.funded(1, &[40_000, 60_000]).await;
    let spend = world.send(&wallet, "all", HowMuch::All).await.unwrap();
    assert_eq!(spend.amount_sat + spend.fee_sat, 100_000);
    assert_eq!(
        world.paid_sat(&spend.txid, &world.elsewhere()),
        spend.amount_sat
    );
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_pays_once_and_another_request_has_no_right_to_it() {
    let world = World::new();
    let wallet = world.funded(1, &[100_000]).await;
    let first = world
        .send(&wallet, "rent", HowMuch::Sat(10_000))
        .await
        .unwrap();
    let again = world
        .send(&wallet, "rent", HowMuch::Sat(10_000))
        .await
        .unwrap();
    assert_eq!(first, again);
    assert_eq!(world.chain.mempool_txids().len(), 1);
    let other = world
        .send(&wallet, "rent", HowMuch::Sat(10_001))
        .await
        .unwrap_err();
    assert_eq!(other.code(), "idempotency_conflict");
    let none = world
        .send(&wallet, "", HowMuch::Sat(10_000))
        .await
        .unwrap_err();
    assert_eq!(none.code(), "payment_id_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_and_nothing_is_sent() {
    let world = World::new();
    let wallet = world.funded(1, &[100_000]).await;
    let code = async |request: &SpendRequest, rate: f64| {
        let sent = wallet.send("x", request, rate, world.now_ms()).await;
        sent.unwrap_err().code()
    };
    let to = |address: &str, amount_sat| SpendRequest::new(address, HowMuch::Sat(amount_sat));
    let there = world.elsewhere();
    assert_eq!(code(&to(&there, 100), 2.0).await, "amount_dust");
    assert_eq!(
        code(&to(&there, 100_000), 2.0).await,
        "onchain_insufficient"
    );
    assert_eq!(
        code(&to("bcrt1nonsense", 10_000), 2.0).await,
        "address_invalid"
    );
    let main = "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr";
    assert_eq!(code(&to(main, 10_000), 2.0).await, "address_wrong_network");
    assert_eq!(code(&to(&there, 10_000), 0.0).await, "fee_rate_invalid");
    assert_eq!(code(&to(&there, 10_000), 50.0).await, "fee_too_high");
    assert_eq!(
        code(&to(&there, 10_000), 1_000.0).await,
        "onchain_insufficient"
    );
    let limit = FeeLimit {
        max_fee_sat: Some(100),
        is_forced: false,
    };
    let bounded = SpendRequest {
        limit,
        ..to(&there, 10_000)
    };
    assert_eq!(code(&bounded, 2.0).await, "fee_too_high");
    assert!(world.chain.mempool_txids().is_empty());
    assert!(wallet.spends(10).await.unwrap().is_empty());
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);

    let forced = SpendRequest {
        limit: FeeLimit {
            max_fee_sat: None,
            is_forced: true,
        },
        ..to(&there, 10_000)
    };
    wallet
        .send("x", &forced, 50.0, world.now_ms())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_network_refuses_was_not_paid_and_its_coins_are_free() {
    let world = World::new();
    let wallet = world.funded(1, &[100_000]).await;
    // Below what is relayed.
    let request = SpendRequest::new(world.elsewhere(), HowMuch::Sat(10_000));
    let refusal = wallet.send("cheap", &request, 0.2, world.now_ms()).await;
    assert_eq!(refusal.unwrap_err().code(), "transaction_refused");
    let spends = wallet.spends(10).await.unwrap();
    assert_eq!(spends[0].state, SpendState::Refused);
    assert!(
        spends[0].reason.as_ref().unwrap().contains("fee"),
        "{spends:?}"
    );
    let again = wallet.send("cheap", &request, 0.2, world.now_ms()).await;
    assert_eq!(again.unwrap_err().code(), "transaction_refused");
    world.sync(&wallet).await;
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);
    assert!(world.chain.mempool_txids().is_empty());
    world
        .send(&wallet, "dearer", HowMuch::Sat(10_000))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_the_network_lost_is_sent_again() {
    let world = World::new();
    let (wallet, spend) = world.spender().await;
    let txid: Txid = spend.txid.parse().unwrap();
    assert!(world.chain.evict(&txid));
    world.sync(&wallet).await;
    assert_eq!(world.chain.mempool_txids(), [txid]);
    // Its coin was never free.
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 0);
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    assert_eq!(world.chain.confirmations(&txid), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn money_of_others_that_has_no_block_yet_is_not_spent_but_own_change_is() {
    let world = World::new();
    let wallet = world.wallet(1).await;
    world.pay(&wallet, 100_000).await;
    let refusal = world.send(&wallet, "early", HowMuch::Sat(30_000)).await;
    assert_eq!(refusal.unwrap_err().code(), "onchain_insufficient");
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    world
        .send(&wallet, "one", HowMuch::Sat(30_000))
        .await
        .unwrap();
    world
        .send(&wallet, "two", HowMuch::Sat(30_000))
        .await
        .unwrap();
    assert_eq!(world.chain.mempool_txids().len(), 2);
}
