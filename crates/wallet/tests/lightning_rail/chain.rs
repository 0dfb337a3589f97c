//! What the chain does to channels: closes, delays and reorganisations.

use crate::regtest::lightning_source;
use crate::support::{
    CHANNEL_SAT, COINS_SAT, World, channels_sat, invoice, open, pay, request, succeeded, until,
    usable,
};

/// Less than this goes to the miners in any of these tests.
const FEES_SAT_MAX: u64 = 10_000;
const AMOUNT_MSAT: u64 = 20_000_000;

fn nearly(found_sat: u64, wanted_sat: u64) -> bool {
    (wanted_sat.saturating_sub(FEES_SAT_MAX)..=wanted_sat).contains(&found_sat)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_close_gives_the_money_back_after_its_delay() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    assert!(nearly(channels_sat(&alice).await, CHANNEL_SAT / 2));
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    assert!(succeeded(&pay(&alice, request(&text)).await));

    let channel = alice.channels().await.unwrap().remove(0);
    let delay_blocks = u32::from(channel.close_delay_blocks.unwrap());
    bob.stop().await;
    alice.force_close_channel(channel.id).await.unwrap();
    assert!(alice.channels().await.unwrap().is_empty());
    until("the close is sent", || async {
        !world.chain.mempool_txids().is_empty()
    })
    .await;
    world.mine(6, &[&alice]).await;
    let closing = alice.balances().await.unwrap();
    let ours_sat = CHANNEL_SAT / 2 - AMOUNT_MSAT / 1_000;
    assert!(nearly(closing.closing_sat, ours_sat), "{closing:?}");
    let early_sat = closing.onchain_total_sat;
    assert!(early_sat < COINS_SAT - CHANNEL_SAT);

    world.mine(delay_blocks, &[&alice]).await;
    until("the money is on its way", || async {
        world.mine(1, &[&alice]).await;
        alice.balances().await.unwrap().closing_sat == 0
    })
    .await;
    let after = alice.balances().await.unwrap();
    let all_sat = COINS_SAT - CHANNEL_SAT + ours_sat;
    assert!(nearly(after.onchain_total_sat, all_sat), "{after:?}");
    assert_eq!(after.channels_sat, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_together_gives_the_money_back_at_once() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    let channel = bob.channels().await.unwrap().remove(0);
    bob.close_channel(channel.id).await.unwrap();
    until("the close is sent", || async {
        !world.chain.mempool_txids().is_empty()
    })
    .await;
    world.mine(6, &[&alice, &bob]).await;
    let found = [alice.balances().await, bob.balances().await];
    let [alice_has, bob_has] = found.map(Result::unwrap);
    let half_sat = CHANNEL_SAT / 2;
    let wanted_sat = COINS_SAT - half_sat;
    assert!(
        nearly(alice_has.onchain_total_sat, wanted_sat),
        "{alice_has:?}"
    );
    let wanted_sat = COINS_SAT + half_sat;
    assert!(nearly(bob_has.onchain_total_sat, wanted_sat), "{bob_has:?}");
    let unknown = bob.close_channel(channel.id).await.unwrap_err();
    assert_eq!(unknown.code(), "lightning_channel_unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reorganisation_of_six_blocks_is_survived() {
    let world = World::new();
    let (alice, bob) = (world.node("alice").await, world.node("bob").await);
    // While the channel is opened: its transaction waits again, and is mined again.
    world.open_channel(&alice, &bob).await;
    world.mine(3, &[&alice, &bob]).await;
    world.chain.reorg(3).unwrap();
    for node in [&alice, &bob] {
        node.sync().await.unwrap();
    }
    world.mine(7, &[&alice, &bob]).await;
    usable(&alice, &bob).await;
    usable(&bob, &alice).await;
    // When it is open: six blocks on top of it go away.
    world.chain.reorg(6).unwrap();
    for node in [&alice, &bob] {
        node.sync().await.unwrap();
    }
    for (payer, payee) in [(&alice, &bob), (&bob, &alice)] {
        let text = invoice(payee, AMOUNT_MSAT).await.text;
        assert!(succeeded(&pay(payer, request(&text)).await));
    }
}

/// The library closes such a channel, as its transaction might never come back.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_own_block_goes_away_gives_its_money_back() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    assert!(succeeded(&pay(&alice, request(&text)).await));
    world.chain.reorg(6).unwrap();
    for node in [&alice, &bob] {
        node.sync().await.unwrap();
    }
    until("all is back in the wallets", || async {
        world.mine(30, &[&alice, &bob]).await;
        let (alice, bob) = (alice.balances().await, bob.balances().await);
        let pending = |has: wallet::lightning::Balances| has.closing_sat + has.channels_sat;
        pending(alice.unwrap()) + pending(bob.unwrap()) == 0
    })
    .await;
    let moved_sat = CHANNEL_SAT / 2 + AMOUNT_MSAT / 1_000;
    let alice_has = alice.balances().await.unwrap().onchain_total_sat;
    assert!(nearly(alice_has, COINS_SAT - moved_sat), "{alice_has}");
    let bob_has = bob.balances().await.unwrap().onchain_total_sat;
    assert!(nearly(bob_has, COINS_SAT + moved_sat), "{bob_has}");
}

#[tokio::test(flavor = "multi_thread")]
async fn payments_need_no_chain_source_but_starting_does() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    world.chain.pause_api(true);
    let away = alice.sync().await.unwrap_err();
    assert_eq!(away.code(), "lightning_chain_unreachable");
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    assert!(succeeded(&pay(&alice, request(&text)).await));
    alice.stop().await;
    let config = world.config("alice");
    let again = wallet::lightning::Lightning::open(config, std::sync::Arc::new(())).await;
    assert_eq!(again.unwrap_err().code(), "lightning_chain_unreachable");
    world.chain.pause_api(false);
    let alice = world.open("alice").await;
    world.mine(1, &[&alice, &bob]).await;
    assert_eq!(alice.status().await.height, world.chain.tip().height);
    crate::support::connect(&alice, &bob).await;
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    assert!(succeeded(&pay(&alice, request(&text)).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_follows_the_chain_by_a_bitcoin_nodes_rpc() {
    let world = World::new();
    let by_rpc = || {
        let mut config = world.config("alice");
        if !world.chain.is_core() {
            let host = world.chain.url();
            let host = host.trim_start_matches("http://");
            config.chain = lightning_source(format!("http://any:login@{host}"));
        }
        open(config)
    };
    let (alice, bob) = (by_rpc().await, world.node("bob").await);
    world.fund(&alice).await;
    world.channel(&alice, &bob).await;
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    assert!(succeeded(&pay(&alice, request(&text)).await));

    // Six blocks are taken back, and it is started anew.
    world.mine(6, &[&alice, &bob]).await;
    world.chain.reorg(6).unwrap();
    alice.sync().await.unwrap();
    assert_eq!(alice.status().await.height, world.chain.tip().height);
    alice.stop().await;
    let alice = by_rpc().await;
    crate::support::connect(&alice, &bob).await;

    let channel = alice.channels().await.unwrap().remove(0);
    alice.close_channel(channel.id).await.unwrap();
    until("the close is sent", || async {
        !world.chain.mempool_txids().is_empty()
    })
    .await;
    world.mine(6, &[&alice, &bob]).await;
    until("the money is back", || async {
        world.mine(1, &[&alice]).await;
        let has = alice.balances().await.unwrap();
        let all_sat = COINS_SAT - CHANNEL_SAT / 2 - AMOUNT_MSAT / 1_000;
        nearly(has.onchain_total_sat, all_sat)
    })
    .await;
}
