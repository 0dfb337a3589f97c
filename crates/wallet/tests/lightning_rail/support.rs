//! A chain, nodes on it, and channels between them.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wallet::lightning::{
    Event, Invoice, InvoiceRequest, Lightning, LightningConfig, OpenChannel, PayRequest, Payable,
    Payment, PaymentStatus,
};

use crate::regtest::{Regtest, lightning_source};

/// Nothing takes as long; who waits longer waits for ever.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// What every node starts with.
pub const COINS_SAT: u64 = 2_000_000;
/// What every channel has.
pub const CHANNEL_SAT: u64 = 1_000_000;

pub struct World {
    pub chain: Regtest,
    pub dir: tempfile::TempDir,
}

impl World {
    pub fn new() -> Self {
        Self {
            chain: Regtest::start(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub fn config(&self, name: &str) -> LightningConfig {
        config(
            &self.dir.path().join(name),
            name,
            self.chain.lightning_url(),
        )
    }

    pub async fn open(&self, name: &str) -> Lightning {
        open(self.config(name)).await
    }

    /// A node with coins.
    pub async fn node(&self, name: &str) -> Lightning {
        let node = self.open(name).await;
        self.fund(&node).await;
        node
    }

    pub async fn fund(&self, node: &Lightning) {
        let address = node.new_address().await.unwrap();
        self.chain.fund(address, COINS_SAT).unwrap();
        self.chain.mine(1).unwrap();
        node.sync().await.unwrap();
        if self.chain.is_core() {
            // By RPC, a first sync may only join one that began before the block.
            until("its coins are there", || async {
                node.balances().await.unwrap().onchain_total_sat >= COINS_SAT
            })
            .await;
        }
    }

    /// Two nodes with a channel, which the first one opened, and in which both have half.
    pub async fn pair(&self) -> (Lightning, Lightning) {
        let (alice, bob) = (self.node("alice").await, self.node("bob").await);
        self.channel(&alice, &bob).await;
        (alice, bob)
    }

    pub async fn channel(&self, from: &Lightning, to: &Lightning) {
        self.open_channel(from, to).await;
        self.mine(6, &[from, to]).await;
        for (node, peer) in [(from, to), (to, from)] {
            usable(node, peer).await;
        }
    }

    /// A channel whose transaction waits for a block.
    pub async fn open_channel(&self, from: &Lightning, to: &Lightning) {
        let mut events = from.events();
        let open = OpenChannel {
            node_id: to.node_id(),
            address: address(to),
            amount_sat: CHANNEL_SAT,
            push_msat: CHANNEL_SAT / 2 * 1_000,
            is_announced: false,
        };
        from.open_channel(open).await.unwrap();
        let funding = loop {
            if let Event::ChannelPending { funding, .. } = next(&mut events).await {
                break funding.txid;
            }
        };
        let chain = &self.chain;
        until("the funding is sent", || async {
            chain.confirmations(&funding).is_some()
        })
        .await;
    }

    pub async fn mine(&self, blocks: u32, nodes: &[&Lightning]) {
        self.chain.mine(blocks).unwrap();
        for node in nodes {
            node.sync().await.unwrap();
        }
    }
}

pub fn config(dir: &std::path::Path, name: &str, url: String) -> LightningConfig {
    let mut seed = [0x5e; 64];
    seed[..name.len()].copy_from_slice(name.as_bytes());
    let network = bitcoin::Network::Regtest;
    let chain = lightning_source(url);
    let mut config = LightningConfig::new(network, dir.to_path_buf(), seed, chain);
    config.listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
    config.alias = Some(name.to_owned());
    config.sync = None;
    config
}

pub async fn open(config: LightningConfig) -> Lightning {
    Lightning::open(config, Arc::new(())).await.unwrap()
}

pub fn address(node: &Lightning) -> String {
    node.listening()[0].to_string()
}

pub async fn usable(node: &Lightning, peer: &Lightning) {
    until("a channel can be used", || async {
        let channels = node.channels().await.unwrap();
        let with_peer = |one: &wallet::lightning::Channel| one.node_id == peer.node_id();
        channels.iter().any(|one| with_peer(one) && one.is_usable)
    })
    .await;
}

pub async fn connect(from: &Lightning, to: &Lightning) {
    from.connect(to.node_id(), &address(to)).await.unwrap();
    usable(from, to).await;
}

pub async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let start = Instant::now();
    while !is_so().await {
        assert!(start.elapsed() < PATIENCE, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn next(events: &mut tokio::sync::broadcast::Receiver<Event>) -> Event {
    let event = tokio::time::timeout(PATIENCE, events.recv()).await;
    event.expect("waited too long for an event").unwrap()
}

pub fn asking(amount_msat: u64) -> InvoiceRequest {
    InvoiceRequest {
        amount_msat: Some(amount_msat),
        description: "test".into(),
        expiry_s: 3_600,
    }
}

pub async fn invoice(node: &Lightning, amount_msat: u64) -> Invoice {
    node.invoice(asking(amount_msat)).await.unwrap()
}

pub fn request(text: &str) -> PayRequest {
    PayRequest {
        what: Payable::parse(text).unwrap(),
        offer_payment_id: None,
        amount_msat: None,
        fee_max_msat: 10_000,
    }
}

/// Pays, and waits for what becomes of it.
pub async fn pay(node: &Lightning, request: PayRequest) -> Payment {
    let id = node.pay(request).await.unwrap();
    node.wait_payment(id, PATIENCE).await.unwrap()
}

pub fn succeeded(payment: &Payment) -> bool {
    matches!(payment.status, PaymentStatus::Succeeded { .. })
}

/// What is ours in open channels, in satoshi.
pub async fn channels_sat(node: &Lightning) -> u64 {
    node.balances().await.unwrap().channels_sat
}

/// What the payer can send and the payee can receive, when no payment is on its way between them:
/// together they have what they had.
pub async fn at_rest(payer: &Lightning, payee: &Lightning, total_msat: u64) -> u64 {
    let outbound_msat = async |node: &Lightning| {
        let balances = node.balances().await.unwrap();
        balances.outbound_capacity_msat
    };
    until("no payment is on its way", || async {
        outbound_msat(payer).await + outbound_msat(payee).await == total_msat
    })
    .await;
    outbound_msat(payer).await
}

/// What both can send together.
pub async fn total_msat(nodes: [&Lightning; 2]) -> u64 {
    let mut total_msat = 0;
    for node in nodes {
        total_msat += node.balances().await.unwrap().outbound_capacity_msat;
    }
    total_msat
}
