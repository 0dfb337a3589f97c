//! What the node keeps in memory for its connections, and the task that serves them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::{Mutex, Notify, mpsc};
use wallet::nwc::{
    Clock, NotificationKind, NwcWallet, Service, SqliteRequestLog, Transaction, WalletKey,
};
use wallet::purse::PurseName;
use zeroize::Zeroizing;

use super::backend::PurseBackend;
use crate::error::Result;
use crate::keys::Seed;
use crate::node::{Node, now_ms};

/// News that wait to be told; more are dropped, since clients can ask.
const NEWS_MAX: usize = 64;
/// Between two looks at payments of backed purses whose end isn't known.
const RESUME_PAUSE: Duration = Duration::from_secs(20);

/// A payment that the purse's connections are to hear of.
struct News {
    purse: PurseName,
    kind: NotificationKind,
    transaction: Transaction,
}

/// See the module.
pub(crate) struct Hub {
    secret: Zeroizing<[u8; 64]>,
    /// Connections were made or revoked.
    pub(super) changed: Notify,
    news: mpsc::Sender<News>,
    inbox: Mutex<mpsc::Receiver<News>>,
    /// Other people's wallets that are connected, by the purse that they back.
    pub(super) wallets: Mutex<HashMap<PurseName, Arc<NwcWallet>>>,
}

impl Hub {
    pub fn new(seed: &Seed) -> Self {
        let (news, inbox) = mpsc::channel(NEWS_MAX);
        Self {
            secret: Zeroizing::new(seed.derive("nwc")),
            changed: Notify::new(),
            news,
            inbox: Mutex::new(inbox),
            wallets: Mutex::default(),
        }
    }

    /// The wallet's end of the connection of this client.
    pub(super) fn wallet_key(&self, client: &str) -> Result<WalletKey> {
        self.key(&["connection", client])
    }

    /// What the URIs of other people's wallets are sealed with.
    pub(super) fn sealing_key(&self) -> Result<WalletKey> {
        self.key(&["backings", ""])
    }

    fn key(&self, labels: &[&str; 2]) -> Result<WalletKey> {
        let mut hash = Sha256::new();
        hash.update(b"freehold-nwc/v1\0");
        for label in labels {
            hash.update(label.as_bytes());
            hash.update(b"\0");
        }
        hash.update(*self.secret);
        let secret = Zeroizing::new(<[u8; 32]>::from(hash.finalize()));
        Ok(WalletKey::from_secret(&secret)?)
    }
}

/// The node's clock, for the room.
pub(super) fn clock() -> Clock {
    Arc::new(|| now_ms().max(0).unsigned_abs())
}

impl Node {
    /// Has a purse's connections told of a payment that none of them asked for: one that came in, or
    /// one that went out by another door.
    pub fn nwc_tell(&self, purse: PurseName, kind: NotificationKind, transaction: Transaction) {
        let news = News {
            purse,
            kind,
            transaction,
        };
        // If the inbox is full they find out when they ask.
        let _ = self.inner.nwc.news.try_send(news);
    }

    /// Serves the connections for as long as the node runs.
    pub(crate) async fn keep_serving_nwc(&self) {
        let hub = &self.inner.nwc;
        let mut inbox = hub.inbox.lock().await;
        let mut service = None;
        loop {
            if let Err(error) = self.refresh_nwc(&mut service).await {
                tracing::error!(code = error.code(), "Nostr Wallet Connect: {error}");
            }
            loop {
                tokio::select! {
                    () = hub.changed.notified() => break,
                    Some(news) = inbox.recv() => {
                        if let Some(service) = &service {
                            service.notify(news.purse.as_str(), news.kind, news.transaction);
                        }
                    }
                }
            }
        }
    }

    /// Brings the service up to date; it is started with the first connection.
    async fn refresh_nwc(&self, service: &mut Option<Service>) -> Result<()> {
        let connections = self.nwc_connections().await?;
        if service.is_none() && !connections.is_empty() {
            let log = SqliteRequestLog::open(self.inner.db.clone()).await?;
            let backend = PurseBackend::new(self.clone());
            *service = Some(Service::start(Arc::new(backend), Arc::new(log), clock()));
        }
        if let Some(service) = service {
            service.set_connections(connections).await?;
        }
        Ok(())
    }

    /// Asks other people's wallets how payments ended whose end isn't known.
    pub(crate) async fn keep_settling_backed(&self) {
        loop {
            if let Err(error) = self.settle_backed().await {
                tracing::error!(code = error.code(), "payments of backed purses: {error}");
            }
            tokio::time::sleep(RESUME_PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_has_a_wallet_key_of_its_own_and_the_seed_gives_it_again() {
        let hub = |seed: &str| Hub::new(&Seed::from_hex(&seed.repeat(32)).unwrap());
        let public = |hub: &Hub, client: &str| hub.wallet_key(client).unwrap().public();
        assert_eq!(public(&hub("07"), "a"), public(&hub("07"), "a"));
        assert_ne!(public(&hub("07"), "a"), public(&hub("07"), "b"));
        assert_ne!(public(&hub("07"), "a"), public(&hub("08"), "a"));
        assert_ne!(
            public(&hub("07"), ""),
            hub("07").sealing_key().unwrap().public()
        );
    }
}
