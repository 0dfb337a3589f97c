//! The node: how it is opened, asked and stopped.

use std::mem;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use bitcoin::secp256k1::PublicKey;
use ldk_node::config::{BackgroundSyncConfig, Config, ElectrumSyncConfig, EsploraSyncConfig};
use ldk_node::lightning::ln::channelmanager::PaymentId as LdkPaymentId;
use ldk_node::lightning::ln::msgs::SocketAddress;
use ldk_node::liquidity::LSPS2ServiceConfig;
use ldk_node::{BuildError, Builder, LightningBalance, Node};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{broadcast, watch};

use super::channels::socket_address;
use super::events::{Event, EventSink, Pump};
use super::kv::Kv;
use super::outgoing::{self, PaymentId, PaymentStatus};
use super::{ChainSource, JitTerms, LightningConfig, LightningError, Store, SyncIntervals, log};

use crate::boxed;

/// The library blocks its threads while it writes, so it gets some of its own.
const THREADS: usize = 3;
/// So many events a slow listener may be behind.
const EVENTS_MAX: usize = 1_024;

/// A Lightning node. Clones are handles to the same one.
#[derive(Clone)]
pub struct Lightning {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) config: LightningConfig,
    pub(super) node: Arc<Node>,
    pub(super) kv: Arc<Kv>,
    pub(super) store: Store,
    /// One offer is handed over at a time.
    pub(super) offers: Mutex<()>,
    listen: Vec<std::net::SocketAddr>,
    told: broadcast::Sender<Event>,
    stop: watch::Sender<bool>,
    handle: Handle,
    runtime: Mutex<Option<Runtime>>,
}

/// How the node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// False after it was stopped.
    pub is_running: bool,
    /// Why nothing can be written at the moment: the node waits until it can.
    pub storage_fault: Option<String>,
    /// The height up to which the channels know the chain.
    pub height: u32,
    /// When the channels were last brought up to the chain, in Unix seconds.
    pub synced_channels_s: Option<u64>,
    /// When the wallet was.
    pub synced_onchain_s: Option<u64>,
    /// How many channels can be used now.
    pub channels_usable: usize,
    /// How many there are.
    pub channels: usize,
}

/// What the node has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Balances {
    /// All of the wallet's coins.
    pub onchain_total_sat: u64,
    /// What can be spent of them: some is kept for closing channels.
    pub onchain_spendable_sat: u64,
    /// Our part of open channels.
    pub channels_sat: u64,
    /// What comes back from closed channels, but hasn't yet.
    pub closing_sat: u64,
    /// What can be sent at most, before fees.
    pub outbound_capacity_msat: u64,
    /// What can be received at most.
    pub inbound_capacity_msat: u64,
}

impl Lightning {
    /// Opens the node's folder, or creates it, and starts the node.
    ///
    /// Whatever a crash left behind is settled first: a payment that was recorded but never sent
    /// becomes [`PaymentStatus::Unsent`].
    ///
    /// # Errors
    /// `Config`, `InUse`, `Storage`, or `ChainUnreachable`: without a chain no node starts.
    #[boxed]
    pub async fn open(
        config: LightningConfig,
        sink: Arc<dyn EventSink>,
    ) -> Result<Self, LightningError> {
        let dir = config.storage_dir.clone();
        let store = tokio::task::spawn_blocking(move || Store::open(&dir)).await;
        let store = store.map_err(|_| LightningError::NotRunning)??;
        Self::open_on(config, sink, store).await
    }

    /// Like [`Self::open`], on a store that is open already.
    ///
    /// # Errors
    /// As there.
    #[boxed]
    pub async fn open_on(
        config: LightningConfig,
        sink: Arc<dyn EventSink>,
        store: Store,
    ) -> Result<Self, LightningError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("lightning")
            .enable_all()
            .build()
            .map_err(|error| LightningError::Config(error.to_string()))?;
        let handle = runtime.handle().clone();
        let (mine, on) = (store.clone(), handle.clone());
        let started = handle
            .spawn_blocking(move || start(config, &mine, on))
            .await
            .unwrap_or(Err(LightningError::NotRunning));
        let (config, node, kv, listen) = match started {
            Ok(started) => started,
            Err(error) => {
                runtime.shutdown_background();
                let _ = tokio::task::spawn_blocking(move || store.close()).await;
                return Err(error);
            }
        };
        let (told, _) = broadcast::channel(EVENTS_MAX);
        let (stop, stopped) = watch::channel(false);
        let pump = Pump {
            node: Arc::clone(&node),
            store: store.clone(),
            sink,
            told: told.clone(),
            stop: stopped,
        };
        let inner = Inner {
            config,
            node,
            kv,
            store,
            offers: Mutex::default(),
            listen,
            told,
            stop,
            handle: handle.clone(),
            runtime: Mutex::new(Some(runtime)),
        };
        let opened = Self {
            inner: Arc::new(inner),
        };
        if let Err(error) = pump.catch_up().await {
            opened.stop().await;
            return Err(error);
        }
        handle.spawn(pump.run());
        Ok(opened)
    }

    /// Stops the node and gives its folder free. Payments go on when it is opened again.
    #[boxed]
    pub async fn stop(&self) {
        if let Some(stop) = self.inner.stopper() {
            let _ = tokio::task::spawn_blocking(stop).await;
        }
    }

    /// The node's public name.
    #[must_use]
    pub fn node_id(&self) -> PublicKey {
        self.inner.node.node_id()
    }

    /// Where it listens.
    #[must_use]
    pub fn listening(&self) -> &[std::net::SocketAddr] {
        &self.inner.listen
    }

    /// What happens from now on, after it was booked.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.told.subscribe()
    }

    /// How the node is.
    #[boxed]
    pub async fn status(&self) -> Status {
        let ask = self.call(|node| {
            let status = node.status();
            let channels = node.list_channels();
            Ok(Status {
                is_running: status.is_running,
                storage_fault: None,
                height: status.current_best_block.height,
                synced_channels_s: status.latest_lightning_wallet_sync_timestamp,
                synced_onchain_s: status.latest_onchain_wallet_sync_timestamp,
                channels_usable: channels.iter().filter(|one| one.is_usable).count(),
                channels: channels.len(),
            })
        });
        ask.await.unwrap_or_else(|_| Status {
            is_running: !*self.inner.stop.borrow(),
            storage_fault: self.inner.store.fault(),
            height: 0,
            synced_channels_s: None,
            synced_onchain_s: None,
            channels_usable: 0,
            channels: 0,
        })
    }

    /// What the node has.
    ///
    /// # Errors
    /// `NotRunning` or `Storage`.
    #[boxed]
    pub async fn balances(&self) -> Result<Balances, LightningError> {
        self.call(|node| Ok(balances(node))).await
    }

    /// Looks at the chain now: coins, channels and fee rates.
    ///
    /// # Errors
    /// `ChainUnreachable`; whatever was known stays known.
    #[boxed]
    pub async fn sync(&self) -> Result<(), LightningError> {
        self.call(|node| Ok(node.sync_wallets()?)).await
    }

    /// Asks the library on a thread that may block. A node whose disk is full is not asked.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Node) -> Result<T, LightningError> + Send + 'static,
    ) -> Result<T, LightningError> {
        self.call_inner(move |inner| work(&inner.node)).await
    }

    pub(super) async fn call_inner<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, LightningError> + Send + 'static,
    ) -> Result<T, LightningError> {
        if *self.inner.stop.borrow() {
            return Err(LightningError::NotRunning);
        }
        if let Some(fault) = self.inner.store.fault() {
            return Err(LightningError::Storage(fault));
        }
        let inner = Arc::clone(&self.inner);
        let task = self.inner.handle.spawn_blocking(move || work(&inner));
        // The library panics where it can't go on safely.
        task.await.unwrap_or(Err(LightningError::NotRunning))
    }
}

impl std::fmt::Debug for Lightning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lightning({})", self.node_id())
    }
}

impl Inner {
    /// What stops the node, once; it blocks, also for seconds.
    fn stopper(&self) -> Option<impl FnOnce() + Send + use<>> {
        if self.stop.send_replace(true) {
            return None;
        }
        let (node, store) = (Arc::clone(&self.node), self.store.clone());
        let runtime = self
            .runtime
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Some(move || {
            if store.fault().is_some() {
                // Threads of the library wait for the disk: they must be let go first.
                store.close();
            }
            if let Some(runtime) = runtime {
                let (sender, stopped) = mpsc::sync_channel::<()>(1);
                // The end of the sender is the end of the task, even if the library panics.
                runtime.spawn_blocking(move || {
                    let _ended = sender;
                    let stop = AssertUnwindSafe(|| node.stop());
                    if catch_unwind(stop).is_err() {
                        // It would panic again when it is dropped.
                        mem::forget(Arc::clone(&node));
                    }
                });
                let _ = stopped.recv();
                store.close();
                runtime.shutdown_background();
            }
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(stop) = self.stopper() {
            // Nothing may block here: this may be a thread of somebody's runtime.
            let thread = std::thread::Builder::new().name("lightning-stop".into());
            let _ = thread.spawn(stop);
        }
    }
}

type Started = (
    LightningConfig,
    Arc<Node>,
    Arc<Kv>,
    Vec<std::net::SocketAddr>,
);

/// Builds and starts the library's node. Blocks.
fn start(config: LightningConfig, store: &Store, on: Handle) -> Result<Started, LightningError> {
    let never_sent = settle_unsent(store)?;
    let kv = Arc::new(Kv::new(store.clone()));
    let (builder, listen) = builder(&config, on)?;
    let node = builder
        .build_with_store(Arc::clone(&kv) as _)
        .map_err(of_build)?;
    for id in never_sent {
        // The library would take its own record for a payment on its way.
        node.remove_payment(&LdkPaymentId(id.0))?;
    }
    node.start()?;
    Ok((config, Arc::new(node), kv, listen))
}

/// Finds the payments that a crash cut off before they were sent, notes that, and tells what the
/// library may call them.
fn settle_unsent(store: &Store) -> Result<Vec<PaymentId>, LightningError> {
    store.write("outgoing/audit", |db| {
        let mut never_sent = Vec::new();
        for payment in outgoing::open(db)? {
            let is_unsent = match payment.ldk_id {
                Some(ldk_id) => !outgoing::is_known_to_library(db, ldk_id)?,
                None => payment.is_only_intended,
            };
            if is_unsent {
                outgoing::settle(db, payment.id, &PaymentStatus::Unsent)?;
                never_sent.extend(payment.ldk_id);
            }
        }
        Ok(never_sent)
    })
}

fn builder(
    config: &LightningConfig,
    on: Handle,
) -> Result<(Builder, Vec<std::net::SocketAddr>), LightningError> {
    let settings = Config {
        storage_dir_path: config.storage_dir.display().to_string(),
        network: config.network,
        trusted_peers_0conf: config.trusted_peers.clone(),
        ..Config::default()
    };
    let mut builder = Builder::from_config(settings);
    builder.set_runtime(on);
    builder.set_entropy_seed_bytes(config.seed);
    builder.set_custom_logger(Arc::new(log::Traces));
    set_chain(&mut builder, &config.chain, config.sync);
    let listen = config.listen.iter().map(|address| bound(*address));
    let listen: Vec<_> = listen.collect::<Result<_, _>>()?;
    if !listen.is_empty() {
        let addresses = listen.iter().copied().map(SocketAddress::from).collect();
        builder
            .set_listening_addresses(addresses)
            .map_err(of_build)?;
        if let Some(alias) = &config.alias {
            builder.set_node_alias(alias.clone()).map_err(of_build)?;
        }
    }
    if let Some(lsp) = &config.lsp {
        let address = socket_address(&lsp.address)?;
        builder.set_liquidity_source_lsps2(lsp.node_id, address, lsp.token.clone());
    }
    if let Some(terms) = &config.jit_service {
        builder.set_liquidity_provider_lsps2(service(terms));
    }
    Ok((builder, listen))
}

fn set_chain(builder: &mut Builder, chain: &ChainSource, sync: Option<SyncIntervals>) {
    let background_sync_config = sync.map(|intervals| BackgroundSyncConfig {
        onchain_wallet_sync_interval_secs: intervals.onchain_s,
        lightning_wallet_sync_interval_secs: intervals.channels_s,
        fee_rate_cache_update_interval_secs: intervals.fee_rates_s,
    });
    match chain.clone() {
        ChainSource::Esplora { url } => {
            let url = url.trim_end_matches('/').to_owned();
            let settings = EsploraSyncConfig {
                background_sync_config,
            };
            builder.set_chain_source_esplora(url, Some(settings))
        }
        ChainSource::Electrum { url } => {
            let settings = ElectrumSyncConfig {
                background_sync_config,
            };
            builder.set_chain_source_electrum(url, Some(settings))
        }
        ChainSource::BitcoindRpc {
            host,
            port,
            user,
            password,
        } => builder.set_chain_source_bitcoind_rpc(host, port, user, password),
    };
}

/// The address with a real port: the library doesn't tell which one it got.
fn bound(address: std::net::SocketAddr) -> Result<std::net::SocketAddr, LightningError> {
    if address.port() != 0 {
        return Ok(address);
    }
    let found = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    found.map_err(|error| LightningError::Config(error.to_string()))
}

fn service(terms: &JitTerms) -> LSPS2ServiceConfig {
    LSPS2ServiceConfig {
        require_token: None,
        advertise_service: false,
        channel_opening_fee_ppm: terms.fee_ppm,
        channel_over_provisioning_ppm: terms.spare_ppm,
        min_channel_opening_fee_msat: terms.fee_min_msat,
        min_channel_lifetime: terms.lifetime_blocks,
        max_client_to_self_delay: 2_016,
        min_payment_size_msat: terms.payment_min_msat,
        max_payment_size_msat: terms.payment_max_msat,
        client_trusts_lsp: true,
    }
}

fn of_build(error: BuildError) -> LightningError {
    match error {
        BuildError::ReadFailed | BuildError::WriteFailed => {
            LightningError::Storage(error.to_string())
        }
        other => LightningError::Config(other.to_string()),
    }
}

fn balances(node: &Node) -> Balances {
    let all = node.list_balances();
    let mut balances = Balances {
        onchain_total_sat: all.total_onchain_balance_sats,
        onchain_spendable_sat: all.spendable_onchain_balance_sats,
        ..Balances::default()
    };
    for balance in &all.lightning_balances {
        match balance {
            LightningBalance::ClaimableOnChannelClose {
                amount_satoshis, ..
            } => balances.channels_sat += amount_satoshis,
            LightningBalance::ClaimableAwaitingConfirmations {
                amount_satoshis, ..
            }
            | LightningBalance::ContentiousClaimable {
                amount_satoshis, ..
            }
            | LightningBalance::MaybeTimeoutClaimableHTLC {
                amount_satoshis, ..
            }
            | LightningBalance::CounterpartyRevokedOutputClaimable {
                amount_satoshis, ..
            } => balances.closing_sat += amount_satoshis,
            // Ours only if we learn its preimage.
            LightningBalance::MaybePreimageClaimableHTLC { .. } => {}
        }
    }
    for pending in &all.pending_balances_from_channel_closures {
        balances.closing_sat += pending_sat(pending);
    }
    for channel in node.list_channels() {
        balances.outbound_capacity_msat += channel.outbound_capacity_msat;
        balances.inbound_capacity_msat += channel.inbound_capacity_msat;
    }
    balances
}

fn pending_sat(pending: &ldk_node::PendingSweepBalance) -> u64 {
    use ldk_node::PendingSweepBalance as Pending;
    match pending {
        Pending::PendingBroadcast {
            amount_satoshis, ..
        }
        | Pending::BroadcastAwaitingConfirmation {
            amount_satoshis, ..
        } => *amount_satoshis,
        // It is among the wallet's coins already.
        Pending::AwaitingThresholdConfirmations { .. } => 0,
    }
}
