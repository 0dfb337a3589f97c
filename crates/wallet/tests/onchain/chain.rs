//! A chain that changes its mind, or can't be seen.

use wallet::onchain::SpendState;

use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_of_six_blocks_is_survived() {
    let world = World::new();
    let (wallet, spend) = world.spender().await;
    world.chain.mine(5).unwrap();
    world.sync(&wallet).await;
    let before = wallet.tip().await.unwrap();
    assert_eq!(
        wallet.spends(1).await.unwrap()[0].state,
        SpendState::Confirmed
    );

    // The new blocks are empty: both the payment to us and ours wait again.
    world.chain.reorg(6).unwrap();
    world.sync(&wallet).await;
    let after = wallet.tip().await.unwrap();
    assert_eq!(after.height, before.height + 1);
    assert_eq!(wallet.spends(1).await.unwrap()[0].state, SpendState::Sent);
    let balance = wallet.balance().await.unwrap();
    assert_eq!(balance.confirmed_sat, 0);
    assert_eq!(balance.pending_sat, 70_000 - spend.fee_sat);

    world.chain.mine(1).unwrap();
    world.sync(&wallet).await;
    let balance = wallet.balance().await.unwrap();
    assert_eq!(balance.confirmed_sat, 70_000 - spend.fee_sat);
    let txid = spend.txid.parse().unwrap();
    assert_eq!(world.chain.confirmations(&txid), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reorganisation_threw_out_of_the_mempool_too_is_sent_again() {
    let world = World::new();
    let (wallet, spend) = world.spender().await;
    world.chain.mine(2).unwrap();
    world.sync(&wallet).await;
    world.chain.reorg(2).unwrap();
    let txid = spend.txid.parse().unwrap();
    assert!(world.chain.evict(&txid));
    world.sync(&wallet).await;
    assert_eq!(world.chain.mempool_txids(), [txid]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_gone_is_an_error_and_what_is_known_stays() {
    let world = World::new();
    let wallet = world.funded(1, &[100_000]).await;
    world.chain.pause_api(true);
    let refusal = wallet.sync(world.now_ms()).await.unwrap_err();
    assert_eq!(refusal.code(), "chain_unreachable", "{refusal}");
    assert_eq!(wallet.balance().await.unwrap().confirmed_sat, 100_000);
    world.chain.pause_api(false);
    world.sync(&wallet).await;

    let nobody = wallet::onchain::ChainSource::esplora(
        "http://127.0.0.1:1",
        sandbox::bitcoin::Network::Regtest,
        crate::world::TIMEOUT,
    );
    let refusal = nobody.unwrap().tip().await.unwrap_err();
    assert_eq!(refusal.code(), "chain_unreachable", "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_no_use_is_refused_at_once() {
    let network = sandbox::bitcoin::Network::Regtest;
    for url in ["", "127.0.0.1:1", "ftp://127.0.0.1"] {
        let refusal = wallet::onchain::ChainSource::esplora(url, network, crate::world::TIMEOUT);
        assert_eq!(refusal.unwrap_err().code(), "chain_source_invalid");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_tells_its_tip_and_what_a_byte_costs() {
    let world = World::new();
    world.chain.set_fee_estimate_sat_per_vb(7.5);
    let source = world.esplora();
    let (tip, there) = (source.tip().await.unwrap(), world.chain.tip());
    assert_eq!((tip.height, tip.hash), (there.height, there.hash));
    assert_eq!(source.fee_rates().await.unwrap().sat_per_vb(6), 7.5);
}
