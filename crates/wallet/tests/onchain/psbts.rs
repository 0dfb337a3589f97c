//! Partially signed transactions between a wallet that watches and one that signs.

use sandbox::bitcoin::Network;
use wallet::onchain::{FeeLimit, HowMuch, OnchainWallet, SpendRequest, SpendState, WatchKeys};

use crate::world::World;

const LIMIT: FeeLimit = FeeLimit {
    max_fee_sat: None,
    is_forced: false,
};

/// A wallet that watches the account of a seed.
async fn watching(world: &World, seed: u8) -> OnchainWallet {
    let signer = world.wallet(seed).await;
    let descriptor = signer.descriptors().await.unwrap();
    assert!(!descriptor.is_watch_only && descriptor.script == "taproot");
    // With its branches in one, as wallets exchange it.
    let both = descriptor
        .external
        .split('#')
        .next()
        .unwrap()
        .replace("/0/*", "/<0;1>/*");
    drop(signer);
    let keys = WatchKeys::parse(&both, Network::Regtest).unwrap();
    let path = world.path(&format!("watch-{seed}.db"));
    OnchainWallet::watch(&path, keys, world.esplora())
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_watches_another_signs_and_the_first_sends() {
    let world = World::new();
    let watcher = watching(&world, 1).await;
    world.pay(&watcher, 100_000).await;
    world.chain.mine(1).unwrap();
    world.sync(&watcher).await;
    let request = SpendRequest::new(world.elsewhere(), HowMuch::Sat(40_000));
    let refusal = watcher.send("a", &request, 2.0, world.now_ms()).await;
    assert_eq!(refusal.unwrap_err().code(), "wallet_watch_only");
    let made = watcher.psbt_create(&request, 2.0).await.unwrap();
    assert!(!made.is_complete);
    let paid = made.outputs.iter().find(|output| !output.is_ours).unwrap();
    assert_eq!(
        (paid.amount_sat, &paid.address),
        (40_000, &world.elsewhere())
    );
    let early = watcher
        .psbt_broadcast("b", &made.psbt, LIMIT, world.now_ms())
        .await;
    assert_eq!(early.unwrap_err().code(), "psbt_incomplete");
    let refusal = watcher.psbt_sign(&made.psbt, LIMIT).await;
    assert_eq!(refusal.unwrap_err().code(), "wallet_watch_only");

    let signer = world.wallet(1).await;
    world.sync(&signer).await;
    let signed = signer.psbt_sign(&made.psbt, LIMIT).await.unwrap();
    assert!(signed.is_complete);
    assert_eq!(signed.txid, made.txid);
    let combined = watcher
        .psbt_combine(&[made.psbt, signed.psbt.clone()])
        .await
        .unwrap();
    assert!(combined.is_complete);
    let sent = watcher
        .psbt_broadcast("c", &combined.psbt, LIMIT, world.now_ms())
        .await
        .unwrap();
    assert_eq!((&sent.txid, sent.state), (&made.txid, SpendState::Sent));
    assert_eq!(sent.fee_sat, made.fee_sat.unwrap());
    let again = watcher
        .psbt_broadcast("c", &combined.psbt, LIMIT, world.now_ms())
        .await
        .unwrap();
    assert_eq!(again, sent);
    world.chain.mine(1).unwrap();
    world.sync(&watcher).await;
    assert_eq!(
        watcher.balance().await.unwrap().confirmed_sat,
        60_000 - sent.fee_sat
    );
    assert_eq!(world.paid_sat(&sent.txid, &world.elsewhere()), 40_000);
    // The signer never gave out the change address, and finds its money all the same.
    world.sync(&signer).await;
    assert_eq!(
        signer.balance().await.unwrap(),
        watcher.balance().await.unwrap()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_none_of_ours_or_nonsense_is_refused() {
    let world = World::new();
    let watcher = watching(&world, 1).await;
    world.pay(&watcher, 100_000).await;
    world.chain.mine(1).unwrap();
    world.sync(&watcher).await;
    let request = SpendRequest::new(world.elsewhere(), HowMuch::Sat(40_000));
    let made = watcher.psbt_create(&request, 2.0).await.unwrap();
    let stranger = world.wallet(2).await;
    for psbt in [made.psbt.as_str(), "", "cHNidP8B", "%%%"] {
        let refusal = stranger.psbt_sign(psbt, LIMIT).await.unwrap_err();
        assert_eq!(refusal.code(), "psbt_invalid", "{refusal}");
    }
    let other = SpendRequest::new(world.elsewhere(), HowMuch::Sat(41_000));
    let other = watcher.psbt_create(&other, 2.0).await.unwrap();
    let refusal = watcher.psbt_combine(&[made.psbt, other.psbt]).await;
    assert_eq!(refusal.unwrap_err().code(), "psbt_invalid");
    let refusal = watcher.psbt_combine(&[]).await.unwrap_err();
    assert_eq!(refusal.code(), "psbt_invalid");
}
