//! The same wallet by a Bitcoin node's RPC.

use wallet::onchain::{HowMuch, SpendState, TxState};

use crate::world::{World, read};

#[tokio::test(flavor = "multi_thread")]
async fn a_bitcoin_node_shows_the_same_as_an_esplora_server() {
    let world = World::new();
    let wallet = world.wallet_at("1.db", 1, world.bitcoind()).await.unwrap();
    world.sync(&wallet).await;
    world.pay(&wallet, 100_000).await;
    assert_eq!(wallet.balance().await.unwrap().pending_sat, 100_000);
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);

    let spend = world
        .send(&wallet, "one", HowMuch::Sat(30_000))
        .await
        .unwrap();
    assert_eq!(spend.state, SpendState::Sent);
    // It was lost, and is sent again.
    let txid = spend.txid.parse().unwrap();
    assert!(world.chain.evict(&txid));
    world.sync(&wallet).await;
    assert_eq!(world.chain.mempool_txids(), [txid]);
    world.chain.mine(3).unwrap();
    world.sync(&wallet).await;

    let server = world.wallet_at("2.db", 1, world.esplora()).await.unwrap();
    world.sync(&server).await;
    assert_eq!(
        wallet.balance().await.unwrap(),
        server.balance().await.unwrap()
    );
    assert_eq!(wallet.tip().await.unwrap(), server.tip().await.unwrap());
    let tx = world.chain.transaction(&txid).unwrap();
    let (node, esplora) = (world.bitcoind(), world.esplora());
    let by_node = node.tx_state(&tx, None).await.unwrap();
    assert_eq!(by_node, esplora.tx_state(&tx, None).await.unwrap());
    assert!(matches!(
        by_node,
        TxState::Confirmed {
            confirmations: 3,
            ..
        }
    ));
    assert_eq!(node.fee_rates().await.unwrap().sat_per_vb(6), 2.0);
    assert_eq!(node.tip().await.unwrap(), esplora.tip().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bitcoin_node_reorganises_six_blocks_and_is_gone_for_a_while() {
    let world = World::new();
    let wallet = world.wallet_at("1.db", 1, world.bitcoind()).await.unwrap();
    world.pay(&wallet, 100_000).await;
    world.chain.mine(6).unwrap();
    world.sync(&wallet).await;
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);
    world.chain.reorg(6).unwrap();
    world.sync(&wallet).await;
    let balance = wallet.balance().await.unwrap();
    assert_eq!((balance.confirmed_sat, balance.pending_sat), (0, 100_000));
    world.chain.pause_api(true);
    let refusal = wallet.sync(world.now_ms()).await.unwrap_err();
    assert_eq!(refusal.code(), "chain_unreachable", "{refusal}");
    world.chain.pause_api(false);
    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_is_restored_by_reading_all_blocks() {
    let world = World::new();
    let first = world.funded(1, &[10_000, 20_000]).await;
    let address = first.address().await.unwrap().address;
    world.chain.fund(read(&address), 5_000).unwrap();
    world.chain.mine(60).unwrap();
    let restored = world
        .wallet_at("new.db", 1, world.bitcoind())
        .await
        .unwrap();
    world.sync(&restored).await;
    assert_eq!(restored.balance().await.unwrap().confirmed_sat, 35_000);
}
