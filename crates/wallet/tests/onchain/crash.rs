//! Restarts at the worst moments, other seeds, other processes, full disks.

use std::os::unix::fs::PermissionsExt as _;

use wallet::onchain::{HowMuch, SpendState};

use crate::world::{World, keys};

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_was_recorded_and_not_sent_is_sent_once_after_a_restart() {
    let world = World::new();
    let wallet = world.funded(1, &[60_000, 40_000]).await;
    world.chain.pause_api(true);
    let spend = world
        .send(&wallet, "one", HowMuch::Sat(30_000))
        .await
        .unwrap();
    assert_eq!(spend.state, SpendState::Recorded);
    assert!(world.chain.mempool_txids().is_empty());
    drop(wallet);

    let wallet = world.wallet(1).await;
    // Its coin is taken already: only the other one is free.
    assert_eq!(
        wallet
            .coins()
            .await
            .unwrap()
            .iter()
            .filter(|coin| !coin.is_change)
            .count(),
        1
    );
    world.chain.pause_api(false);
    // The same payment, asked for again, is the same transaction.
    let again = world
        .send(&wallet, "one", HowMuch::Sat(30_000))
        .await
        .unwrap();
    assert_eq!(
        (again.txid, again.state),
        (spend.txid.clone(), SpendState::Sent)
    );
    world.sync(&wallet).await;
    assert_eq!(world.chain.mempool_txids(), [spend.txid.parse().unwrap()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_sends_what_is_recorded_without_being_asked() {
    let world = World::new();
    let wallet = world.funded(1, &[60_000]).await;
    world.chain.pause_api(true);
    let spend = world
        .send(&wallet, "one", HowMuch::Sat(30_000))
        .await
        .unwrap();
    drop(wallet);
    world.chain.pause_api(false);
    let wallet = world.wallet(1).await;
    world.sync(&wallet).await;
    assert_eq!(world.chain.mempool_txids(), [spend.txid.parse().unwrap()]);
    assert_eq!(wallet.spends(1).await.unwrap()[0].state, SpendState::Sent);
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    let balance = wallet.balance().await.unwrap();
    assert_eq!(balance.confirmed_sat, 30_000 - spend.fee_sat);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_restored_from_the_seed_alone() {
    let world = World::new();
    let wallet = world.funded(1, &[10_000, 20_000, 70_000]).await;
    world
        .send(&wallet, "one", HowMuch::Sat(75_000))
        .await
        .unwrap();
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    let (balance, address) = (
        wallet.balance().await.unwrap(),
        wallet.address().await.unwrap(),
    );
    let restored = world.wallet_at("new.db", 1, world.esplora()).await.unwrap();
    world.sync(&restored).await;
    assert_eq!(restored.balance().await.unwrap(), balance);
    assert_eq!(
        restored.address().await.unwrap(),
        address,
        "none is given out twice"
    );
    assert_eq!(restored.history(10).await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_belongs_to_one_process_and_one_seed() {
    let world = World::new();
    let wallet = world.funded(1, &[10_000]).await;
    let second = world
        .wallet_at("1.db", 1, world.esplora())
        .await
        .unwrap_err();
    assert_eq!(second.code(), "onchain_wallet_in_use");
    drop(wallet);
    let other = world
        .wallet_at("1.db", 2, world.esplora())
        .await
        .unwrap_err();
    assert_eq!(other.code(), "onchain_other_keys");
    let wallet = world.wallet(1).await;
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 10_000);
    for name in ["1.db", "1.db-wal"] {
        let mode = std::fs::metadata(world.path(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(!format!("{:?} {wallet:?}", keys(1)).contains("prv"));
}
