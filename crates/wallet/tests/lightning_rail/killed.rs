//! A payer that is killed at each of its writes in turn. It is a process of its own, which aborts
//! itself, so nothing of it goes on; then it is opened again, and the payment was either never
//! sent, or resolves to one payment.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use wallet::lightning::{Lightning, PayRequest, PaymentId, PaymentStatus, Store, WriteHook};

use crate::support::{World, address, config, connect, invoice, pay, request, succeeded, until};

const AMOUNT_MSAT: u64 = 10_000_000;
/// More than a payment writes.
const WRITES_MAX: u32 = 60;
/// The exit code of a child that wasn't killed.
const PAID: i32 = 17;

const DIR: &str = "LIGHTNING_CHILD_DIR";
const URL: &str = "LIGHTNING_CHILD_URL";
const PEER: &str = "LIGHTNING_CHILD_PEER";
const WHAT: &str = "LIGHTNING_CHILD_WHAT";
const NAME: &str = "LIGHTNING_CHILD_NAME";
const WRITES: &str = "LIGHTNING_CHILD_WRITES";

/// Not a test: what [`kill_after`] starts.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is started by other tests"]
async fn child() {
    let var = |name| std::env::var(name).unwrap();
    let writes: u32 = var(WRITES).parse().unwrap();
    let (is_paying, written) = (Arc::new(AtomicBool::new(false)), AtomicU32::new(0));
    let armed = Arc::clone(&is_paying);
    let hook: WriteHook = Arc::new(move |_| {
        if armed.load(Ordering::SeqCst) && written.fetch_add(1, Ordering::SeqCst) == writes {
            std::process::abort();
        }
        Ok(())
    });
    let dir = var(DIR);
    let config = config(Path::new(&dir), "alice", var(URL));
    let store = Store::open_with(Path::new(&dir), Some(hook)).unwrap();
    let alice = Lightning::open_on(config, Arc::new(()), store)
        .await
        .unwrap();
    let peer = var(PEER);
    let (node_id, address) = peer.split_once('@').unwrap();
    alice
        .connect(node_id.parse().unwrap(), address)
        .await
        .unwrap();
    until("a channel can be used", || async {
        let channels = alice.channels().await.unwrap();
        channels.iter().any(|channel| channel.is_usable)
    })
    .await;
    let asked = PayRequest {
        offer_payment_id: var(NAME).parse().ok(),
        ..request(&var(WHAT))
    };
    is_paying.store(true, Ordering::SeqCst);
    let payment = pay(&alice, asked).await;
    assert!(succeeded(&payment), "{payment:?}");
    // Its last writes, if it isn't killed at one of them.
    alice.stop().await;
    std::process::exit(PAID);
}

/// True if the child was killed.
async fn kill_after(writes: u32, dir: &Path, url: String, bob: &Lightning, asked: &Asked) -> bool {
    let program = std::env::current_exe().unwrap();
    let mut child = Command::new(program);
    child
        .args(["--exact", "killed::child", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env(URL, url)
        .env(PEER, format!("{}@{}", bob.node_id(), address(bob)))
        .env(WHAT, &asked.text)
        .env(NAME, asked.id.to_string())
        .env(WRITES, writes.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if asked.is_invoice {
        child.env(NAME, "");
    }
    let ended = tokio::task::spawn_blocking(move || child.status().unwrap());
    let status = ended.await.unwrap();
    // Whatever isn't the abort is a fault of the test.
    assert!(
        status.code().is_none() || status.code() == Some(PAID),
        "after {writes} writes: {status}"
    );
    status.code().is_none()
}

struct Asked {
    text: String,
    id: PaymentId,
    is_invoice: bool,
}

/// An invoice or an offer. An offer names a channel of the payee, so each turn has its own: the
/// channel may have been closed in the last one.
async fn ask(bob: &Lightning, is_offer: bool, turn: u32) -> Asked {
    if is_offer {
        let mut id = [0xee; 32];
        id[..4].copy_from_slice(&turn.to_be_bytes());
        let offer = bob.offer(Some(AMOUNT_MSAT), "tea".into(), None);
        return Asked {
            text: offer.await.unwrap(),
            id: PaymentId(id),
            is_invoice: false,
        };
    }
    let invoice = invoice(bob, AMOUNT_MSAT).await;
    Asked {
        text: invoice.text,
        id: invoice.payment_hash,
        is_invoice: true,
    }
}

/// What the payee has been paid so far.
async fn received_msat(bob: &Lightning) -> u64 {
    let payments = bob.payments(1_000).await.unwrap();
    let paid = payments.iter().filter(|payment| succeeded(payment));
    paid.filter_map(|payment| payment.amount_msat).sum()
}

/// Opens the payer again and tells what became of its payment. A channel that the kill cost is
/// closed on the chain, and the payment resolves there.
async fn resolve(world: &World, alice: &Lightning, bob: &Lightning, asked: &Asked) -> bool {
    let Some(payment) = alice.payment(asked.id).await.unwrap() else {
        return false;
    };
    if payment.status.is_final() {
        return succeeded(&payment);
    }
    let _ = alice.connect(bob.node_id(), &address(bob)).await;
    // An offer whose channel is gone fails when the library stops waiting, after two minutes.
    for _ in 0..600 {
        let quick = std::time::Duration::from_millis(300);
        let payment = alice.wait_payment(asked.id, quick).await.unwrap();
        if payment.status.is_final() {
            return succeeded(&payment);
        }
        if world.chain.tip().height < 2_000 {
            // Blocks don't hurt a channel that is open.
            world.mine(3, &[alice, bob]).await;
        }
    }
    panic!("the payment doesn't resolve");
}

async fn every_kill_resolves(is_offer: bool) {
    let world = World::new();
    let (alice, bob) = world.pair().await;
    let dir = world.dir.path().join("alice");
    let mut asked = ask(&bob, is_offer, 0).await;
    alice.stop().await;
    let (mut unsent, mut closes, mut writes) = (0, 0, 0);
    loop {
        let before_msat = received_msat(&bob).await;
        let was_killed = kill_after(writes, &dir, world.chain.lightning_url(), &bob, &asked).await;

        let alice = world.open("alice").await;
        let is_paid = resolve(&world, &alice, &bob, &asked).await;
        let received = received_msat(&bob).await - before_msat;
        assert_eq!(received, u64::from(is_paid) * AMOUNT_MSAT, "{writes}");
        if alice.channels().await.unwrap().is_empty() {
            closes += 1;
            world.fund(&alice).await;
            world.channel(&alice, &bob).await;
            if is_offer {
                // The old one names the channel that is no more.
                asked.text = ask(&bob, is_offer, writes).await.text;
            }
        }
        if !is_paid {
            // It may be paid anew, and is paid once.
            unsent += 1;
            let status = alice.payment(asked.id).await.unwrap();
            let status = status.map(|payment| payment.status);
            assert!(
                matches!(
                    status,
                    None | Some(PaymentStatus::Unsent | PaymentStatus::Failed { .. })
                ),
                "{status:?}"
            );
            connect(&alice, &bob).await;
            let again = PayRequest {
                offer_payment_id: (!asked.is_invoice).then_some(asked.id),
                ..request(&asked.text)
            };
            let payment = pay(&alice, again).await;
            assert!(succeeded(&payment), "after {writes} writes: {payment:?}");
            until("it is received", || async {
                received_msat(&bob).await == before_msat + AMOUNT_MSAT
            })
            .await;
        }
        if !was_killed {
            alice.stop().await;
            break;
        }
        writes += 1;
        assert!(writes < WRITES_MAX);
        // Who has no peer can make no offer.
        connect(&alice, &bob).await;
        asked = ask(&bob, is_offer, writes).await;
        alice.stop().await;
    }
    println!("killed at {writes} writes: {unsent} never sent, {closes} channels closed");
    assert!(writes > 5, "{writes}");
    assert!(unsent > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invoice_that_was_being_paid_is_paid_once_or_not() {
    every_kill_resolves(false).await;
}

/// One or two of its turns wait for the library's own patience, which is a minute.
#[tokio::test(flavor = "multi_thread")]
async fn an_offer_that_was_being_paid_is_paid_once_or_not() {
    every_kill_resolves(true).await;
}
