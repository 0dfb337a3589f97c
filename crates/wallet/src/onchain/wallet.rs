//! The wallet: one file, one process, every change on the disk before it is acknowledged.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bdk_wallet::Wallet;
use bdk_wallet::chain::rusqlite::{Connection, Transaction as Db, TransactionBehavior};
use bitcoin::Network;

use super::chain::{MOVES_MAX, ROUNDS_MAX};
use super::store::{self, Descriptions};
use super::{Ask, ChainError, ChainSource, Keys, OnchainError, Tip, WatchKeys};

use crate::boxed;

/// A wallet on the chain. Clones are handles to the same one.
#[derive(Clone)]
pub struct OnchainWallet {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub network: Network,
    pub chain: ChainSource,
    /// Nobody can sign without them.
    pub keys: Option<Arc<Keys>>,
    state: Mutex<State>,
    /// One look at the chain at a time: an older answer must not come after a newer one.
    syncing: tokio::sync::Mutex<()>,
}

struct State {
    wallet: Wallet,
    db: Connection,
    path: PathBuf,
    /// The wallet in memory has something that isn't on the disk, and is read anew.
    is_stale: bool,
}

impl OnchainWallet {
    /// Opens or makes the wallet of these keys. The file is this process's alone until the last
    /// handle is gone.
    ///
    /// # Errors
    /// `InUse`, `OtherKeys`, or if the file can't be used.
    #[boxed]
    pub async fn open(
        path: &Path,
        keys: Arc<Keys>,
        chain: ChainSource,
    ) -> Result<Self, OnchainError> {
        let own = Arc::clone(&keys);
        Self::start(path, chain, Some(keys), move |db, network| {
            store::load(db, Descriptions::Own(&own), network)
        })
        .await
    }

    /// Makes a wallet that only watches.
    ///
    /// # Errors
    /// Like [`Self::open`].
    #[boxed]
    pub async fn watch(
        path: &Path,
        keys: WatchKeys,
        chain: ChainSource,
    ) -> Result<Self, OnchainError> {
        Self::start(path, chain, None, move |db, network| {
            store::load(db, Descriptions::Watched(&keys), network)
        })
        .await
    }

    /// Opens a wallet that only watches.
    ///
    /// # Errors
    /// Like [`Self::open`].
    #[boxed]
    pub async fn reopen_watched(path: &Path, chain: ChainSource) -> Result<Self, OnchainError> {
        Self::start(path, chain, None, |db, network| {
            store::load(db, Descriptions::Stored, network)
        })
        .await
    }

    async fn start(
        path: &Path,
        chain: ChainSource,
        keys: Option<Arc<Keys>>,
        load: impl FnOnce(&mut Connection, Network) -> Result<Wallet, OnchainError> + Send + 'static,
    ) -> Result<Self, OnchainError> {
        let (path, network) = (path.to_owned(), chain.network());
        let state = blocking(move || {
            let mut db = store::open(&path)?;
            let wallet = load(&mut db, network)?;
            Ok(State {
                wallet,
                db,
                path,
                is_stale: false,
            })
        })
        .await?;
        Ok(Self {
            inner: Arc::new(Inner {
                network,
                chain,
                keys,
                state: Mutex::new(state),
                syncing: tokio::sync::Mutex::default(),
            }),
        })
    }

    /// Whoever shows us the chain.
    #[must_use]
    pub fn chain(&self) -> &ChainSource {
        &self.inner.chain
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> Network {
        self.inner.network
    }

    /// The keys to sign with.
    pub(crate) fn keys(&self) -> Result<&Keys, OnchainError> {
        self.inner.keys.as_deref().ok_or(OnchainError::WatchOnly)
    }

    /// The same, to be taken along.
    pub(crate) fn shared_keys(&self) -> Result<Arc<Keys>, OnchainError> {
        self.inner.keys.clone().ok_or(OnchainError::WatchOnly)
    }

    /// The last block that the wallet knows of.
    ///
    /// # Errors
    /// If the file can't be read.
    #[boxed]
    pub async fn tip(&self) -> Result<Tip, OnchainError> {
        self.read(|wallet, _| Ok(Tip::of(wallet))).await
    }

    /// Brings the wallet up to date, and sends what is recorded and isn't with the network. The first
    /// time, all that ever was at any of its addresses is looked for: so it is restored from its keys.
    ///
    /// # Errors
    /// Any of a chain source; what was taken in so far is kept.
    #[boxed]
    pub async fn sync(&self, now_ms: i64) -> Result<Tip, OnchainError> {
        let _one_at_a_time = self.inner.syncing.lock().await;
        let now_unix_s = unix_s(now_ms);
        let mut moves = 0;
        for _ in 0..ROUNDS_MAX {
            let ask = self.read(move |wallet, db| ask(wallet, db, now_unix_s));
            let seen = self.inner.chain.look(ask.await?).await;
            let taken = match seen {
                Ok(seen) => self.write(move |wallet, _| Ok(seen.apply(wallet)?)).await,
                Err(error) => Err(error.into()),
            };
            match taken {
                Ok(true) => {
                    self.write(|_, db| store::set_fact(db, store::IS_SCANNED, "true"))
                        .await?;
                    self.settle(now_ms).await?;
                    return self.tip().await;
                }
                Ok(false) => {}
                Err(OnchainError::Chain(ChainError::Moved)) if moves < MOVES_MAX => moves += 1,
                Err(error) => return Err(error),
            }
        }
        Err(ChainError::Unreadable("the chain has no end".into()).into())
    }

    /// Looks at the wallet.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Wallet, &Connection) -> Result<T, OnchainError> + Send + 'static,
    ) -> Result<T, OnchainError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.refresh(inner.network)?;
            look(&state.wallet, &state.db)
        })
        .await
    }

    /// Changes the wallet and its file together: when it comes back, the change is on the disk; after
    /// an error or a panic there is none.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Wallet, &Db<'_>) -> Result<T, OnchainError> + Send + 'static,
    ) -> Result<T, OnchainError> {
        let inner = Arc::clone(&self.inner);
        blocking(move || {
            let mut state = inner.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.refresh(inner.network)?;
            state.change(change)
        })
        .await
    }
}

impl State {
    fn change<T>(
        &mut self,
        change: impl FnOnce(&mut Wallet, &Db<'_>) -> Result<T, OnchainError>,
    ) -> Result<T, OnchainError> {
        // Until it is on the disk, memory is ahead of it.
        self.is_stale = true;
        let db = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = change(&mut self.wallet, &db)?;
        if let Some(staged) = self.wallet.staged() {
            staged.persist_to_sqlite(&db)?;
        }
        db.commit()?;
        self.wallet.take_staged();
        self.is_stale = false;
        Ok(value)
    }

    fn refresh(&mut self, network: Network) -> Result<(), OnchainError> {
        if self.is_stale {
            tracing::debug!(path = %self.path.display(), "reading the on-chain wallet anew");
            self.wallet = store::load(&mut self.db, Descriptions::Stored, network)?;
            self.is_stale = false;
        }
        Ok(())
    }
}

fn ask(wallet: &Wallet, db: &Connection, now_unix_s: u64) -> Result<Ask, OnchainError> {
    Ok(match store::fact(db, store::IS_SCANNED)? {
        Some(_) => Ask::sync(wallet, now_unix_s),
        None => Ask::full_scan(wallet, now_unix_s),
    })
}

/// Runs what blocks on a thread for that.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, OnchainError> + Send + 'static,
) -> Result<T, OnchainError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(OnchainError::Stopping),
        },
    }
}

pub(crate) fn unix_s(now_ms: i64) -> u64 {
    u64::try_from(now_ms / 1_000).unwrap_or(0)
}

impl std::fmt::Debug for OnchainWallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self.inner.keys {
            Some(_) => "own",
            None => "watched",
        };
        write!(f, "OnchainWallet({kind}, {})", self.inner.network)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bitcoin::bip32::Xpriv;
    use sandbox::Sandbox;

    use super::super::spend::{CoinChoice, Prepared, draft};
    use super::super::{HowMuch, SpendKind, SpendRequest};
    use super::*;

    /// A disk without room, as far as SQLite can tell: the file may not grow.
    async fn fill(wallet: &OnchainWallet, is_full: bool) {
        let inner = Arc::clone(&wallet.inner);
        let state = inner.state.lock().unwrap();
        let pages: i64 = match is_full {
            true => 1,
            false => 1_000_000,
        };
        state
            .db
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_can_not_be_written_is_not_sent_and_memory_forgets_it() {
        let sandbox = Sandbox::start().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let network = Network::Regtest;
        let master = Xpriv::new_master(network, &[1; 64]).unwrap();
        let keys = Arc::new(Keys::bip86(&master, network).unwrap());
        let chain = ChainSource::esplora(&sandbox.url(), network, Duration::from_secs(10)).unwrap();
        let path = folder.path().join("w.db");
        let wallet = OnchainWallet::open(&path, keys, chain).await.unwrap();
        let address = wallet.address().await.unwrap().address;
        let address: bitcoin::Address<_> = address.parse().unwrap();
        let address = address.assume_checked();
        sandbox.fund(address.clone(), 100_000).unwrap();
        sandbox.mine(1).unwrap();
        wallet.sync(1_000_000).await.unwrap();
        let before = wallet.balance().await.unwrap();
        assert_eq!(before.confirmed_sat, 100_000);

        fill(&wallet, true).await;
        let words = "x".repeat(4_096);
        let request = SpendRequest::new(address.to_string(), HowMuch::Sat(30_000));
        // Its row alone takes more than a page.
        let refused = wallet
            .pay("one", words, 2_000_000, move |wallet, db| {
                let draft = draft(wallet, db, &request, 2.0, CoinChoice::Usual)?;
                Ok(Prepared {
                    kind: SpendKind::Send,
                    address: None,
                    amount_sat: draft.amount_sat,
                    takes_all: false,
                    replaces: None,
                    tx: draft.psbt,
                })
            })
            .await
            .unwrap_err();
        assert_eq!(refused.code(), "onchain_database", "{refused}");
        assert!(sandbox.mempool_txids().is_empty());
        fill(&wallet, false).await;
        assert_eq!(wallet.balance().await.unwrap(), before);
        assert!(wallet.spends(5).await.unwrap().is_empty());
    }
}
