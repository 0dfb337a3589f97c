//! The service: other programs use a wallet of ours.

mod answer;
mod intake;
mod pay;
mod publish;
mod settle;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use nostr_sdk::{EventId, Filter, Kind, PublicKey, RelayUrl, Timestamp};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use super::admission::Connections;
use super::backend::WalletBackend;
use super::connection::Connection;
use super::error::NwcError;
use super::limits::{CONNECTIONS_MAX, REQUEST_AGE_MAX_S, REQUESTS_AT_ONCE_MAX};
use super::rate::RateLimit;
use super::relays::Relays;
use super::request_log::RequestLog;
use super::transaction::{NotificationKind, Transaction};

use crate::boxed;

/// Tells the time: Unix milliseconds.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

const SUBSCRIPTION: &str = "nwc-requests";

/// Listens for the requests of its connections until it is stopped or dropped. Stopping it in the
/// middle of a request is like a crash: what was begun is finished by the next service with the
/// same log and backend.
pub struct Service {
    inner: Arc<Inner>,
}

struct Inner {
    relays: Relays,
    backend: Arc<dyn WalletBackend>,
    log: Arc<dyn RequestLog>,
    clock: Clock,
    connections: RwLock<Arc<Connections>>,
    clients: Mutex<HashMap<PublicKey, Client>>,
    at_once: Arc<Semaphore>,
    /// Events that tasks of this process are working on.
    in_hand: Mutex<HashSet<EventId>>,
    /// Requests in the log that a task of this process is working on.
    in_flight: Mutex<HashSet<String>>,
    /// Questions that were answered a moment ago: another relay delivers them too.
    recent: Mutex<VecDeque<EventId>>,
    /// Tells the background that there are connections to answer to.
    is_ready: Notify,
    tasks: Mutex<JoinSet<()>>,
}

/// What is remembered of a client from one request to the next.
struct Client {
    rate: RateLimit,
    at_once: Arc<Semaphore>,
}

impl Service {
    /// Starts a service without connections. What an earlier one left half done is settled in the
    /// background, once the connections are set.
    #[must_use]
    pub fn start(backend: Arc<dyn WalletBackend>, log: Arc<dyn RequestLog>, clock: Clock) -> Self {
        let inner = Arc::new(Inner {
            relays: Relays::new(),
            backend,
            log,
            clock,
            connections: RwLock::default(),
            clients: Mutex::default(),
            at_once: Arc::new(Semaphore::new(REQUESTS_AT_ONCE_MAX)),
            in_hand: Mutex::default(),
            in_flight: Mutex::default(),
            recent: Mutex::default(),
            is_ready: Notify::new(),
            tasks: Mutex::default(),
        });
        // Listening begins before there is anything to hear.
        let messages = inner.relays.messages();
        let changes = inner.relays.changes();
        inner.spawn(Arc::clone(&inner).listen(messages));
        inner.spawn(Arc::clone(&inner).greet(changes));
        inner.spawn(Arc::clone(&inner).keep_settling());
        Self { inner }
    }

    /// Makes these the connections; the earlier ones are forgotten. Keep those that have ended for a
    /// while: their clients are told so, where those of unknown ones are ignored.
    ///
    /// # Errors
    /// [`NwcError::TooManyConnections`], or if the relays can't be used.
    #[boxed]
    pub async fn set_connections(&self, connections: Vec<Connection>) -> Result<(), NwcError> {
        if connections.len() > CONNECTIONS_MAX {
            return Err(NwcError::TooManyConnections {
                max: CONNECTIONS_MAX,
            });
        }
        let connections: Connections = connections
            .into_iter()
            .map(|connection| (connection.client, connection))
            .collect();
        let relays: HashSet<RelayUrl> = connections
            .values()
            .flat_map(|connection| connection.relays.iter().cloned())
            .collect();
        let inner = &self.inner;
        lock(&inner.clients).retain(|client, _| connections.contains_key(client));
        *inner
            .connections
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(connections);
        inner.relays.set(&relays).await?;
        for relay in &relays {
            inner.subscribe_at(relay).await;
        }
        inner.introduce_at(relays);
        inner.is_ready.notify_one();
        Ok(())
    }

    /// Has the open connections of a wallet told about a payment, in the background.
    pub fn notify(&self, wallet: &str, kind: NotificationKind, transaction: Transaction) {
        let (inner, wallet) = (Arc::clone(&self.inner), wallet.to_owned());
        self.inner
            .spawn(async move { inner.notify(&wallet, kind, &transaction).await });
    }

    /// Stops listening and closes the connections to the relays.
    #[boxed]
    pub async fn stop(&self) {
        lock(&self.inner.tasks).abort_all();
        self.inner.relays.close().await;
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        lock(&self.inner.tasks).abort_all();
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").finish_non_exhaustive()
    }
}

impl Inner {
    fn now_ms(&self) -> u64 {
        (self.clock)()
    }

    fn now_s(&self) -> u64 {
        self.now_ms() / 1_000
    }

    fn connections(&self) -> Arc<Connections> {
        let connections = self.connections.read();
        Arc::clone(&connections.unwrap_or_else(PoisonError::into_inner))
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = lock(&self.tasks);
        // Forget those that have ended.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }

    /// Asks a relay for the requests of the connections that meet there.
    async fn subscribe_at(&self, relay: &RelayUrl) {
        let connections = self.connections();
        let here = || connections.values().filter(|c| c.relays.contains(relay));
        if here().next().is_none() {
            return;
        }
        let since_s = self.now_s().saturating_sub(REQUEST_AGE_MAX_S);
        let filter = Filter::new()
            .kind(Kind::WalletConnectRequest)
            .authors(here().map(|connection| connection.client))
            .pubkeys(here().map(|connection| connection.key.public()))
            .since(Timestamp::from_secs(since_s));
        self.relays
            .subscribe(vec![relay.clone()], SUBSCRIPTION, filter)
            .await;
    }
}

/// A panic elsewhere leaves nothing half changed behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
