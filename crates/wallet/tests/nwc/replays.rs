//! A request pays at most once, whatever relays and crashes do with it.

use nostr_sdk::Event;
use serde_json::{Value, json};
use wallet::nwc::{
    Begun, Encryption, LoggedRequest, Method, PaymentState, RequestLog, SqliteRequestLog,
};

use crate::purse::{Mood, invoice, preimage};
use crate::someone::Someone;
use crate::world::{LONG, World, connect, now_ms, pair};

fn pay(someone: &Someone, number: u8) -> Event {
    let params = json!({ "invoice": invoice(number, Some(5_000)) });
    someone.request(&json!({ "method": "pay_invoice", "params": params }))
}

async fn open() -> (World, Someone) {
    let world = World::new().await;
    world.client().await.close().await;
    let someone = Someone::new(&world.pair.uri).await;
    (world, someone)
}

/// The service is up again when it answers a question.
async fn is_up(world: &World, someone: &mut Someone) {
    world.client().await.close().await;
    let question =
        someone.request(&json!({ "method": "get_balance", "params": { "at": now_ms() } }));
    someone.ask(&question).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_event_gets_the_same_answer_and_pays_once() {
    let (mut world, mut someone) = open().await;
    let request = pay(&someone, 1);
    let first = someone.ask(&request).await;
    assert_eq!(first["result"]["preimage"], preimage(1));
    for _ in 0..3 {
        assert_eq!(someone.ask(&request).await, first);
    }
    assert_eq!(world.purse.paid().len(), 1);

    // Another process, which has seen nothing of it.
    world.restart().await;
    is_up(&world, &mut someone).await;
    assert_eq!(someone.ask(&request).await, first);
    assert_eq!(world.purse.paid().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_copies_pays_once() {
    let (world, mut someone) = open().await;
    let request = pay(&someone, 1);
    // More than may be worked on at a time: none of the copies may be answered with a refusal.
    for _ in 0..20 {
        someone.send(&request).await;
    }
    assert_eq!(
        someone.ask(&request).await["result"]["preimage"],
        preimage(1)
    );
    assert_eq!(world.purse.paid().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_stays_refused_when_a_relay_delivers_it_again() {
    let (mut world, mut someone) = open().await;
    let all = world.pair.connection.methods.clone();
    world.pair.connection.methods = vec![Method::GetBalance];
    world.restart().await;
    is_up(&world, &mut someone).await;
    let request = pay(&someone, 1);
    let refused = someone.ask(&request).await;
    assert_eq!(refused["error"]["code"], "RESTRICTED");

    // The client pays in another way; then the reason for the refusal goes away.
    world.pair.connection.methods = all;
    world.restart().await;
    is_up(&world, &mut someone).await;
    assert_eq!(someone.ask(&request).await, refused);
    assert!(world.purse.paid().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_event_for_a_paid_invoice_gets_its_preimage_again() {
    let (world, mut someone) = open().await;
    let first = someone.ask(&pay(&someone, 1)).await;
    // A client that lost its patience, and asks with an event of its own.
    let params = json!({ "invoice": invoice(1, Some(5_000)), "again": true });
    let again = someone.request(&json!({ "method": "pay_invoice", "params": params }));
    assert_eq!(someone.ask(&again).await, first);
    assert_eq!(world.purse.paid().len(), 1);

    // Another client learns nothing but that it won't be paid twice.
    let other = pair(world.pair.uri.relays().to_vec());
    let connections = vec![world.pair.connection.clone(), other.connection.clone()];
    world.service.set_connections(connections).await.unwrap();
    connect(&other.uri).await.close().await;
    let mut other = Someone::new(&other.uri).await;
    let answer = other.ask(&pay(&other, 1)).await;
    assert_eq!(answer["error"]["code"], "OTHER");
    assert!(answer["result"].is_null());
    assert_eq!(world.purse.paid().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_payment_may_be_tried_again_by_a_new_event() {
    let (world, mut someone) = open().await;
    world
        .purse
        .set_mood(Mood::Refuses(wallet::nwc::ErrorCode::PaymentFailed));
    let request = pay(&someone, 1);
    let refused = someone.ask(&request).await;
    assert_eq!(refused["error"]["code"], "PAYMENT_FAILED");
    world.purse.set_mood(Mood::Pays);
    assert_eq!(
        someone.ask(&request).await,
        refused,
        "the same event ended already"
    );
    let params = json!({ "invoice": invoice(1, Some(5_000)), "again": true });
    let again = someone.request(&json!({ "method": "pay_invoice", "params": params }));
    assert_eq!(someone.ask(&again).await["result"]["preimage"], preimage(1));
    assert_eq!(world.purse.paid().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pending_payment_is_answered_when_it_arrives_also_by_the_next_process() {
    let (mut world, mut someone) = open().await;
    world.purse.set_mood(Mood::Ponders);
    let request = pay(&someone, 1);
    someone.send(&request).await;
    tokio::time::timeout(LONG, world.purse.asked.notified())
        .await
        .unwrap();
    assert!(
        someone.hears_nothing().await,
        "neither yes nor no is no answer"
    );
    world.restart().await;
    is_up(&world, &mut someone).await;
    someone.send(&request).await;
    world.purse.arrive(1);
    let (_, answer) = someone.hear().await;
    assert_eq!(answer["result"]["preimage"], preimage(1));
    assert_eq!(
        world.purse.paid().len(),
        0,
        "it was never asked to pay again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_between_the_record_and_the_payment_pays_nothing() {
    let (mut world, mut someone) = open().await;
    let request = pay(&someone, 1);
    world.service.stop().await;
    let log = SqliteRequestLog::open(world.db()).await.unwrap();
    let logged = logged(&request, "aa");
    assert_eq!(log.begin(logged).await.unwrap(), Begun::New);
    world.purse.forget_payments();
    world.restart().await;
    world.client().await.close().await;
    let answer = someone.ask(&request).await;
    assert_eq!(answer["error"]["code"], "PAYMENT_FAILED");
    assert!(world.purse.paid().is_empty());
}

fn logged(event: &Event, payment_hash: &str) -> LoggedRequest {
    LoggedRequest {
        id: event.id.to_hex(),
        client: event.pubkey.to_hex(),
        method: Method::PayInvoice,
        encryption: Encryption::Nip44V2,
        payment_hash: Some(payment_hash.into()),
        created_s: event.created_at.as_secs(),
    }
}

#[tokio::test]
async fn the_log_refuses_what_it_may_have_forgotten() {
    let log = SqliteRequestLog::open(wallet::Db::in_memory().unwrap())
        .await
        .unwrap();
    let request = |id: &str, created_s| LoggedRequest {
        id: id.into(),
        client: "c".into(),
        method: Method::PayInvoice,
        encryption: Encryption::Nip04,
        payment_hash: None,
        created_s,
    };
    assert_eq!(log.begin(request("old", 100)).await.unwrap(), Begun::New);
    assert_eq!(log.begin(request("open", 100)).await.unwrap(), Begun::New);
    assert!(log.finish("old", "{}", true).await.unwrap());
    assert!(
        !log.finish("old", "[]", false).await.unwrap(),
        "the first end stands"
    );
    assert_eq!(
        log.begin(request("old", 100)).await.unwrap(),
        Begun::Done("{}".into())
    );
    log.prune(200).await.unwrap();
    log.prune(150).await.unwrap();
    assert_eq!(
        log.begin(request("old", 100)).await.unwrap(),
        Begun::Forgotten
    );
    assert_eq!(
        log.begin(request("other", 199)).await.unwrap(),
        Begun::Forgotten
    );
    assert_eq!(log.begin(request("new", 200)).await.unwrap(), Begun::New);
    let open: Vec<String> = log
        .open()
        .await
        .unwrap()
        .into_iter()
        .map(|r| r.id)
        .collect();
    assert_eq!(
        open,
        ["open", "new"],
        "what isn't finished is never forgotten"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_is_made_once_for_each_event() {
    let (world, mut someone) = open().await;
    let request =
        someone.request(&json!({ "method": "make_invoice", "params": { "amount": 1_000 } }));
    let first: Value = someone.ask(&request).await;
    assert!(first["result"]["invoice"].is_string());
    assert_eq!(someone.ask(&request).await, first);
    assert!(matches!(
        wallet::nwc::WalletBackend::payment(&world.purse, "none")
            .await
            .unwrap(),
        PaymentState::NeverBegan
    ));
}
