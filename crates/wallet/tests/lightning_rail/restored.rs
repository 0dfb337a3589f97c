//! A node whose folder is lost gets its part of the channels back from the backup.

use wallet::lightning::{ChannelBackup, restore};

use crate::support::{
    CHANNEL_SAT, COINS_SAT, World, invoice, open, pay, request, succeeded, until,
};

const FEES_SAT_MAX: u64 = 10_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_gets_its_part_of_the_channels_back() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    let backup = alice.channel_backup().await.unwrap().to_text();
    // What the backup doesn't know of.
    for amount_msat in [30_000_000, 5_000_000, 7_000_000] {
        let text = invoice(&bob, amount_msat).await.text;
        assert!(succeeded(&pay(&alice, request(&text)).await));
    }
    let text = invoice(&alice, 2_000_000).await.text;
    assert!(succeeded(&pay(&bob, request(&text)).await));
    let node_id = alice.node_id();
    alice.stop().await;
    std::fs::remove_dir_all(world.dir.path().join("alice")).unwrap();

    let backup = ChannelBackup::parse(&backup).unwrap();
    assert_eq!((backup.node_id, backup.channels.len()), (node_id, 1));
    let config = world.config("alice");
    restore(&config.storage_dir, &backup).unwrap();
    let alice = open(config).await;
    assert_eq!(alice.node_id(), node_id);
    let first = alice.sweep(None).await.unwrap();
    assert_eq!((first.is_done(), first.done), (false, 0), "{first:?}");
    let funding = backup.channels[0].funding;
    until("the peer closes the channel", || async {
        !world.chain.mempool_txids().is_empty()
    })
    .await;
    // What is sent is the newest state, by the peer: our part is what it was in the end.
    let ours_sat = CHANNEL_SAT / 2 - 30_000 - 5_000 - 7_000 + 2_000;
    let closing = world.chain.mempool_txids().into_iter().find_map(|txid| {
        let tx = world.chain.transaction(&txid)?;
        let spends = tx
            .input
            .iter()
            .any(|input| input.previous_output == funding);
        spends.then_some(tx)
    });
    let pays_us = |output: &bitcoin::TxOut| {
        let paid_sat = output.value.to_sat();
        (ours_sat - FEES_SAT_MAX..=ours_sat).contains(&paid_sat)
    };
    assert!(closing.unwrap().output.iter().any(pays_us));

    until("our part is swept", || async {
        world.mine(1, &[&alice, &bob]).await;
        alice.sweep(None).await.unwrap().is_done()
    })
    .await;
    alice.sync().await.unwrap();
    let has = alice.balances().await.unwrap();
    let wanted_sat = COINS_SAT - CHANNEL_SAT + ours_sat;
    assert!(
        (wanted_sat - FEES_SAT_MAX..=wanted_sat).contains(&has.onchain_total_sat),
        "{has:?}, {wanted_sat}"
    );
    // A node that lives is not restored into.
    alice.stop().await;
    let refused = restore(&world.config("alice").storage_dir, &backup);
    assert_eq!(refused.unwrap_err().code(), "lightning_backup");
}
