//! What comes from anyone.

use nostr_sdk::{EventBuilder, Keys, Kind, Tag};
use serde_json::json;
use wallet::nwc::REQUEST_AGE_MAX_S;

use crate::purse::{invoice, make};
use crate::someone::{Odd, Someone};
use crate::world::{World, now_ms};

fn payment(number: u8) -> serde_json::Value {
    json!({ "method": "pay_invoice", "params": { "invoice": invoice(number, Some(1_000)) } })
}

async fn open() -> (World, Someone) {
    let world = World::new().await;
    world.client().await.close().await;
    let someone = Someone::new(&world.pair.uri).await;
    (world, someone)
}

/// Sends events of which none may be answered, and then a question, which is.
async fn check_ignored(world: &World, someone: &mut Someone, events: &[nostr_sdk::Event]) {
    for event in events {
        someone.send(event).await;
    }
    let question = someone.request(&json!({ "method": "get_balance" }));
    someone.send(&question).await;
    let (answer, _) = someone.hear().await;
    assert!(
        answer.tags.event_ids().any(|id| *id == question.id),
        "something else was answered"
    );
    assert!(someone.hears_nothing().await);
    assert!(world.purse.paid().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_old_the_early_and_the_expired_are_ignored() {
    let (world, mut someone) = open().await;
    let now_s = now_ms() / 1_000;
    let odd = |created_s, expires_s| {
        someone.odd_request(
            &payment(1),
            &Odd {
                created_s,
                expires_s,
                ..Odd::default()
            },
        )
    };
    let events = [
        odd(now_s - REQUEST_AGE_MAX_S - 10, None),
        odd(now_s + 3_600, None),
        odd(now_s, Some(now_s - 10)),
    ];
    check_ignored(&world, &mut someone, &events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_ignored() {
    let (world, mut someone) = open().await;
    let long = someone.event("x".repeat(60_000), &Odd::default());
    let longer = someone.event("x".repeat(200_000), &Odd::default());
    check_ignored(&world, &mut someone, &[long, longer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cant_be_decrypted_is_ignored_and_what_isnt_a_request_is_refused() {
    let (world, mut someone) = open().await;
    let other = Someone::with(
        someone.keys.clone(),
        Keys::generate().public_key(),
        world.pair.uri.relays(),
    )
    .await;
    let misencrypted = other.odd_request(&payment(1), &Odd::default()).content;
    let events = [
        someone.event("AgAA".into(), &Odd::default()),
        someone.event(misencrypted, &Odd::default()),
    ];
    check_ignored(&world, &mut someone, &events).await;
    for nonsense in [json!([]), json!("pay"), json!({ "method": 7 })] {
        let request = someone.request(&nonsense);
        assert_eq!(someone.ask(&request).await["error"]["code"], "OTHER");
    }
    for params in [
        json!({}),
        json!({ "invoice": "lnbc1nonsense" }),
        json!({ "invoice": "x".repeat(10_000) }),
        json!({ "invoice": invoice(1, Some(1_000)), "amount": 2_000 }),
        json!({ "invoice": invoice(1, None) }),
    ] {
        let request = someone.request(&json!({ "method": "pay_invoice", "params": params }));
        assert_eq!(
            someone.ask(&request).await["error"]["code"],
            "OTHER",
            "{params}"
        );
    }
    let expired = make(1, Some(1_000), "late", std::time::Duration::ZERO);
    let request =
        someone.request(&json!({ "method": "pay_invoice", "params": { "invoice": expired } }));
    assert_eq!(
        someone.ask(&request).await["error"]["code"],
        "PAYMENT_FAILED"
    );
    for params in [
        json!({ "amount": 0 }),
        json!({ "amount": u64::MAX }),
        json!({ "amount": 1, "description": "x".repeat(700) }),
        json!({ "amount": 1, "description_hash": "00" }),
        json!({ "amount": 1, "expiry": u64::MAX }),
    ] {
        let request = someone.request(&json!({ "method": "make_invoice", "params": params }));
        assert_eq!(
            someone.ask(&request).await["error"]["code"],
            "OTHER",
            "{params}"
        );
    }
    assert!(world.purse.paid().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_ignored() {
    let (world, mut someone) = open().await;
    let stranger = Someone::with(
        Keys::generate(),
        world.pair.uri.wallet(),
        world.pair.uri.relays(),
    )
    .await;
    let foreign = stranger.request(&payment(1));
    // A client of this wallet that isn't addressed to it.
    let elsewhere = EventBuilder::new(Kind::WalletConnectRequest, foreign.content.clone())
        .tag(Tag::public_key(Keys::generate().public_key()))
        .sign_with_keys(&someone.keys)
        .unwrap();
    check_ignored(&world, &mut someone, &[foreign, elsewhere]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_has_ended_is_unauthorized_and_an_unknown_one_ignored() {
    let (world, mut someone) = open().await;
    let mut ended = world.pair.connection.clone();
    ended.ends_s = Some(now_ms() / 1_000);
    world.service.set_connections(vec![ended]).await.unwrap();
    for (number, json) in (1..).zip([payment(1), json!({ "method": "get_balance", "params": {} })])
    {
        let answer = someone.ask(&someone.request(&json)).await;
        assert_eq!(answer["error"]["code"], "UNAUTHORIZED", "{number}");
    }
    world.service.set_connections(vec![]).await.unwrap();
    someone.send(&someone.request(&payment(2))).await;
    assert!(someone.hears_nothing().await);
    assert!(world.purse.paid().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_fast_is_told_and_then_ignored() {
    let (world, mut someone) = open().await;
    let mut requests = Vec::new();
    for n in 0..120 {
        requests.push(someone.request(&json!({ "method": "get_balance", "params": { "n": n } })));
    }
    for request in &requests {
        someone.send(request).await;
    }
    let mut refused = 0;
    let mut served = 0;
    // Until the wallet has said that it is enough; what it ignores it says nothing about.
    while refused == 0 {
        match someone.hear().await.1["error"]["code"].as_str() {
            Some("RATE_LIMITED") => refused += 1,
            None => served += 1,
            Some(other) => panic!("{other}"),
        }
    }
    assert!(served < requests.len());
    drop(world);
}
