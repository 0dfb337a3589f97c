//! How fast two Lightning nodes in one process pay each other: `key value` lines.
//!
//! `cargo run --release -p wallet --example lightning-speed [payments]`
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sandbox::Sandbox;
use wallet::lightning::{
    ChainSource, Invoice, InvoiceRequest, Lightning, LightningConfig, OpenChannel, PayRequest,
    Payable, PaymentStatus,
};

const IN_FLIGHT: usize = 16;
const AMOUNT_MSAT: u64 = 1_000_000;
const PATIENCE: Duration = Duration::from_secs(120);

#[tokio::main]
async fn main() {
    let argument = std::env::args().nth(1);
    let payments: usize = argument.map_or(200, |text| text.parse().expect("a number"));
    let sandbox = Sandbox::start().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let alice = node(&sandbox, dir.path(), "alice").await;
    let bob = node(&sandbox, dir.path(), "bob").await;
    open_channel(&sandbox, &alice, &bob).await;
    pay_all(&alice, &bob, 5, 1).await;
    for in_flight in [1, IN_FLIGHT] {
        let start = Instant::now();
        let mut latencies = pay_all(&alice, &bob, payments, in_flight).await;
        let seconds = start.elapsed().as_secs_f64();
        latencies.sort_unstable();
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
        let name = format!("lightning_{in_flight}");
        println!("{name}_payments_per_s {:.1}", payments as f64 / seconds);
        println!("{name}_p50_ms {:.1}", at(50).as_secs_f64() * 1e3);
        println!("{name}_p99_ms {:.1}", at(99).as_secs_f64() * 1e3);
    }
    alice.stop().await;
    bob.stop().await;
}

async fn node(sandbox: &Sandbox, dir: &std::path::Path, name: &str) -> Lightning {
    let mut seed = [0; 64];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    let chain = ChainSource::Esplora { url: sandbox.url() };
    let network = bitcoin::Network::Regtest;
    let mut config = LightningConfig::new(network, dir.join(name), seed, chain);
    config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    config.sync = None;
    let node = Lightning::open(config, Arc::new(())).await.unwrap();
    let address = node.new_address().await.unwrap();
    sandbox.fund(address, 20_000_000).unwrap();
    sandbox.mine(1).unwrap();
    node.sync().await.unwrap();
    node
}

async fn open_channel(sandbox: &Sandbox, alice: &Lightning, bob: &Lightning) {
    let open = OpenChannel {
        node_id: bob.node_id(),
        address: bob.listening()[0].to_string(),
        amount_sat: 16_000_000,
        push_msat: 0,
        is_announced: false,
    };
    alice.open_channel(open).await.unwrap();
    let is_usable = async |node: &Lightning| {
        let channels = node.channels().await.unwrap();
        channels.iter().any(|channel| channel.is_usable)
    };
    while !(is_usable(alice).await && is_usable(bob).await) {
        if !sandbox.mempool_txids().is_empty() {
            sandbox.mine(6).unwrap();
            alice.sync().await.unwrap();
            bob.sync().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// How long each payment took, from the call to the durable success.
async fn pay_all(
    alice: &Lightning,
    bob: &Lightning,
    payments: usize,
    in_flight: usize,
) -> Vec<Duration> {
    let mut invoices = Vec::new();
    for _ in 0..payments {
        let request = InvoiceRequest {
            amount_msat: Some(AMOUNT_MSAT),
            description: "speed".into(),
            expiry_s: 3_600,
        };
        invoices.push(bob.invoice(request).await.unwrap());
    }
    let invoices = Arc::new(tokio::sync::Mutex::new(invoices));
    let workers = (0..in_flight).map(|_| {
        let (alice, invoices) = (alice.clone(), Arc::clone(&invoices));
        tokio::spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let invoice = invoices.lock().await.pop();
                match invoice {
                    Some(invoice) => latencies.push(pay(&alice, &invoice).await),
                    None => return latencies,
                }
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.await.unwrap());
    }
    latencies
}

async fn pay(alice: &Lightning, invoice: &Invoice) -> Duration {
    let request = PayRequest {
        what: Payable::parse(&invoice.text).unwrap(),
        offer_payment_id: None,
        amount_msat: None,
        fee_max_msat: 0,
    };
    let start = Instant::now();
    let id = alice.pay(request).await.unwrap();
    let payment = alice.wait_payment(id, PATIENCE).await.unwrap();
    assert!(
        matches!(payment.status, PaymentStatus::Succeeded { .. }),
        "{payment:?}"
    );
    start.elapsed()
}
