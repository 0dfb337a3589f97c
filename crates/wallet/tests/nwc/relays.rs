//! Relays go, come back, and disagree.

use nostr_relay_builder::LocalRelay;
use serde_json::json;

use crate::purse::{Purse, invoice, preimage};
use crate::someone::Someone;
use crate::world::{LONG, World, clock, connect, pair, relay, relay_builder};

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_comes_back_is_served_again() {
    let world = World::new().await;
    world.client().await.close().await;
    let port = world
        .relay
        .url()
        .await
        .as_str_without_trailing_slash()
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    world.relay.shutdown();
    // The same address, and nothing remembered: not even what the wallet can do.
    let again = tokio::time::timeout(LONG, async {
        loop {
            let relay = LocalRelay::new(relay_builder().port(port));
            if relay.run().await.is_ok() {
                return relay;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    let wallet = connect(&world.pair.uri).await;
    assert_eq!(wallet.balance_msat().await.unwrap(), 1_000_000);
    drop(again);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_deliver_twice_and_it_is_paid_once() {
    let world = World::new().await;
    let second = relay().await;
    let both = pair(vec![world.relay.url().await, second.url().await]);
    world
        .service
        .set_connections(vec![both.connection.clone()])
        .await
        .unwrap();
    connect(&both.uri).await.close().await;
    let mut someone = Someone::new(&both.uri).await;
    let params = json!({ "invoice": invoice(1, Some(5_000)) });
    let request = someone.request(&json!({ "method": "pay_invoice", "params": params }));
    let answer = someone.ask(&request).await;
    assert_eq!(answer["result"]["preimage"], preimage(1));
    assert_eq!(someone.ask(&request).await, answer);
    assert_eq!(world.purse.paid().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_relay_of_two_is_enough() {
    let world = World::new().await;
    let gone = relay().await;
    let gone_url = gone.url().await;
    gone.shutdown();
    drop(gone);
    let both = pair(vec![gone_url, world.relay.url().await]);
    world
        .service
        .set_connections(vec![both.connection.clone()])
        .await
        .unwrap();
    let wallet = connect(&both.uri).await;
    assert_eq!(wallet.balance_msat().await.unwrap(), 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_added_and_taken_away_while_it_runs() {
    let world = World::with(Purse::with(5), clock()).await;
    let wallet = world.client().await;
    let added = pair(vec![relay_url(&world.relay).await]);
    let connections = vec![world.pair.connection.clone(), added.connection.clone()];
    world.service.set_connections(connections).await.unwrap();
    let new = connect(&added.uri).await;
    assert_eq!(new.balance_msat().await.unwrap(), 5);
    assert_eq!(wallet.balance_msat().await.unwrap(), 5);
}

async fn relay_url(relay: &LocalRelay) -> wallet::nwc::RelayUrl {
    relay.url().await
}
