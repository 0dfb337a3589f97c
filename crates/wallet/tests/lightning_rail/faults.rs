//! A peer that goes away, a handler that fails, a full disk, a source that lies.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use wallet::lightning::{
    ChainSource, Event, EventSink, Lightning, PaymentId, PaymentStatus, Preimage, SinkError, Store,
    WriteHook,
};

use crate::support::{
    PATIENCE, World, asking, connect, invoice, next, pay, request, succeeded, until,
};

const AMOUNT_MSAT: u64 = 20_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_goes_silent_leaves_the_payment_pending_until_it_is_back() {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    let preimage = Preimage([1; 32]);
    let hash = PaymentId(Sha256::digest(preimage.0).into());
    let mut events = bob.events();
    let held = bob.hold_invoice(hash, asking(AMOUNT_MSAT)).await.unwrap();
    let id = alice.pay(request(&held.text)).await.unwrap();
    let Event::PaymentClaimable { amount_msat, .. } = next(&mut events).await else {
        panic!("the payment didn't come")
    };
    bob.stop().await;
    let waiting = alice.wait_payment(id, Duration::from_millis(300)).await;
    assert_eq!(waiting.unwrap().status, PaymentStatus::Pending);
    // The payer is restarted too, and still knows; asking again doesn't pay again.
    alice.stop().await;
    let (alice, bob) = (world.open("alice").await, world.open("bob").await);
    assert_eq!(alice.pay(request(&held.text)).await.unwrap(), id);
    let waiting = alice.payment(id).await.unwrap().unwrap();
    assert_eq!(waiting.status, PaymentStatus::Pending);
    connect(&alice, &bob).await;
    bob.claim_hold(preimage, amount_msat).await.unwrap();
    let settled = alice.wait_payment(id, PATIENCE).await.unwrap();
    assert!(succeeded(&settled), "{settled:?}");
    // The same after another restart.
    alice.stop().await;
    let alice = world.open("alice").await;
    assert_eq!(alice.pay(request(&held.text)).await.unwrap(), id);
    assert!(succeeded(&alice.payment(id).await.unwrap().unwrap()));
}

/// Fails a few times, and counts what it was told.
#[derive(Default)]
struct Forgetful {
    failures_left: AtomicU32,
    told: AtomicU32,
    booked: AtomicU32,
}

#[async_trait]
impl EventSink for Forgetful {
    async fn book(&self, event: &Event) -> Result<(), SinkError> {
        if !matches!(event, Event::PaymentReceived { .. }) {
            return Ok(());
        }
        self.told.fetch_add(1, Ordering::SeqCst);
        let left = |left: u32| left.checked_sub(1);
        let (order, fetch) = (Ordering::SeqCst, &self.failures_left);
        if fetch.fetch_update(order, order, left).is_ok() {
            return Err("the database is busy".into());
        }
        self.booked.fetch_add(1, order);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_told_until_it_is_booked_also_after_a_restart() {
    let world = World::new();
    let alice = world.node("alice").await;
    let sink = Arc::new(Forgetful::default());
    let told = Arc::clone(&sink);
    let bob = Lightning::open(world.config("bob"), told).await.unwrap();
    world.fund(&bob).await;
    world.channel(&alice, &bob).await;
    sink.failures_left.store(2, Ordering::SeqCst);
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    assert!(succeeded(&pay(&alice, request(&text)).await));
    until("it is booked", || async {
        sink.booked.load(Ordering::SeqCst) == 1
    })
    .await;
    assert_eq!(sink.told.load(Ordering::SeqCst), 3);
    // Never booked, so it comes again.
    sink.failures_left.store(u32::MAX, Ordering::SeqCst);
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    assert!(succeeded(&pay(&alice, request(&text)).await));
    until("it is told", || async {
        sink.told.load(Ordering::SeqCst) > 3
    })
    .await;
    bob.stop().await;
    let sink = Arc::new(Forgetful::default());
    let told = Arc::clone(&sink);
    let bob = Lightning::open(world.config("bob"), told).await.unwrap();
    until("it is booked", || async {
        sink.booked.load(Ordering::SeqCst) > 0
    })
    .await;
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_halts_the_node_and_loses_nothing() {
    let world = World::new();
    let is_full = Arc::new(AtomicBool::new(false));
    let full = Arc::clone(&is_full);
    let hook: WriteHook = Arc::new(move |_| match full.load(Ordering::SeqCst) {
        true => Err(ErrorKind::StorageFull.into()),
        false => Ok(()),
    });
    let config = world.config("alice");
    let store = Store::open_with(&config.storage_dir, Some(hook)).unwrap();
    let alice = Lightning::open_on(config, Arc::new(()), store)
        .await
        .unwrap();
    world.fund(&alice).await;
    let bob = world.node("bob").await;
    world.channel(&alice, &bob).await;
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    is_full.store(true, Ordering::SeqCst);
    let (payer, asked) = (alice.clone(), request(&text));
    let paying = tokio::spawn(async move { payer.pay(asked).await });
    until("the node stands still", || async {
        alice.status().await.storage_fault.is_some()
    })
    .await;
    let refused = alice.pay(request(&text)).await.unwrap_err();
    assert_eq!(refused.code(), "lightning_storage");
    is_full.store(false, Ordering::SeqCst);
    let id = paying.await.unwrap().unwrap();
    let payment = alice.wait_payment(id, PATIENCE).await.unwrap();
    assert!(succeeded(&payment), "{payment:?}");
    assert_eq!(alice.status().await.storage_fault, None);
    // A node whose disk stays full can be stopped, and goes on from what was written.
    let text = invoice(&bob, AMOUNT_MSAT).await.text;
    is_full.store(true, Ordering::SeqCst);
    let (payer, asked) = (alice.clone(), request(&text));
    let paying = tokio::spawn(async move { payer.pay(asked).await });
    until("the node stands still", || async {
        alice.status().await.storage_fault.is_some()
    })
    .await;
    alice.stop().await;
    assert!(paying.await.unwrap().unwrap_err().is_unknown());
    let alice = world.open("alice").await;
    connect(&alice, &bob).await;
    let payment = pay(&alice, request(&text)).await;
    assert!(succeeded(&payment), "{payment:?}");
}

/// Answers everything with the same nonsense.
async fn liar(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut asked = [0; 4_096];
            let _ = stream.read(&mut asked).await;
            let length = answer.len();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}");
            let _ = stream
                .write_all(format!("{head}\r\n\r\n{answer}").as_bytes())
                .await;
        }
    });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_answers_nonsense_is_an_error_and_changes_nothing() {
    let world = World::new();
    let alice = world.node("alice").await;
    let coins = alice.balances().await.unwrap();
    alice.stop().await;
    for answer in ["", "{}", "[1,2", "7"] {
        let mut config = world.config("alice");
        let url = liar(answer).await;
        config.chain = ChainSource::Esplora { url };
        match Lightning::open(config, Arc::new(())).await {
            Err(error) => assert_eq!(error.code(), "lightning_chain_unreachable", "{answer}"),
            Ok(misled) => {
                let error = misled.sync().await.unwrap_err();
                assert_eq!(error.code(), "lightning_chain_unreachable", "{answer}");
                assert_eq!(misled.balances().await.unwrap(), coins);
                misled.stop().await;
            }
        }
    }
    let alice = world.open("alice").await;
    alice.sync().await.unwrap();
    assert_eq!(alice.balances().await.unwrap(), coins);
}
