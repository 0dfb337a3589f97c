//! A relay, a service at it, and ways to speak to it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use wallet::Db;
use wallet::nwc::{
    ClientSecret, Clock, Connection, ConnectionUri, Method, NwcWallet, RelayUrl, Service,
    SqliteRequestLog, WalletKey,
};

use crate::purse::Purse;

/// Longer than anything takes; tests wait for what happens, not for time.
pub const LONG: Duration = Duration::from_secs(60);

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    u64::try_from(since.unwrap().as_millis()).unwrap()
}

pub fn clock() -> Clock {
    Arc::new(now_ms)
}

pub fn relay_builder() -> RelayBuilder {
    RelayBuilder::default().rate_limit(RateLimit {
        max_reqs: 500,
        notes_per_minute: 100_000,
    })
}

pub async fn relay() -> LocalRelay {
    let relay = LocalRelay::new(relay_builder());
    relay.run().await.unwrap();
    relay
}

/// A client's and a wallet's end of a connection.
pub struct Pair {
    pub connection: Connection,
    pub uri: ConnectionUri,
}

/// Numbers for keys: each pair of a test run has its own.
static NUMBER: AtomicU64 = AtomicU64::new(1);

fn key() -> [u8; 32] {
    let mut key = [7; 32];
    key[..8].copy_from_slice(&NUMBER.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    key
}

pub fn pair(relays: Vec<RelayUrl>) -> Pair {
    let secret = ClientSecret::new(&key()).unwrap();
    let wallet = WalletKey::from_secret(&key()).unwrap();
    Pair {
        uri: secret.uri(&wallet, relays.clone()).parse().unwrap(),
        connection: Connection {
            id: format!("connection-{}", secret.public().to_hex()),
            wallet: "scout".into(),
            client: secret.public(),
            key: wallet,
            relays,
            methods: Method::ALL.to_vec(),
            ends_s: None,
        },
    }
}

/// A service with one connection.
pub struct World {
    pub relay: LocalRelay,
    pub purse: Purse,
    pub pair: Pair,
    pub service: Service,
    dir: tempfile::TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(Purse::with(1_000_000), clock()).await
    }

    pub async fn with(purse: Purse, clock: Clock) -> Self {
        let relay = relay().await;
        let pair = pair(vec![relay.url().await]);
        let dir = tempfile::tempdir().unwrap();
        let service = serve(dir.path(), &purse, clock).await;
        service
            .set_connections(vec![pair.connection.clone()])
            .await
            .unwrap();
        Self {
            relay,
            purse,
            pair,
            service,
            dir,
        }
    }

    /// Ends the service, and starts another one on the same database.
    pub async fn restart(&mut self) {
        self.service.stop().await;
        self.service = serve(self.dir.path(), &self.purse, clock()).await;
        let connections = vec![self.pair.connection.clone()];
        self.service.set_connections(connections).await.unwrap();
    }

    /// The database, for looking behind the service's back.
    pub fn db(&self) -> Db {
        Db::open(&self.dir.path().join("wallet.db")).unwrap()
    }

    pub async fn client(&self) -> NwcWallet {
        connect(&self.pair.uri).await
    }
}

async fn serve(dir: &Path, purse: &Purse, clock: Clock) -> Service {
    let db = Db::open(&dir.join("wallet.db")).unwrap();
    let log = SqliteRequestLog::open(db).await.unwrap();
    Service::start(Arc::new(purse.clone()), Arc::new(log), clock)
}

/// Connects as soon as the service has introduced itself.
pub async fn connect(uri: &ConnectionUri) -> NwcWallet {
    let connected = async {
        loop {
            match NwcWallet::connect(uri, clock(), LONG).await {
                Ok(wallet) => return wallet,
                Err(error) => assert_eq!(error.code(), "nwc_no_info"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LONG, connected).await.unwrap()
}
