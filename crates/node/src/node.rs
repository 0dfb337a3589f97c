//! The node: everything the doors can ask for hangs on [`Node`].

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::boxed;
use crate::tasks::Tasks;
use tokio::sync::{Mutex, Notify};
use wallet::Db;
use wallet::cashier::{Backing, Cashier};
use wallet::ecash::{EcashError, EcashWallet, EmbeddedMint, MintAccess};
use wallet::purse::{self, Agent};

use crate::backup::{self, BackupKeys, Keeper, Return};
use crate::config::{Config, Network};
use crate::energy::Steering;
use crate::engine::{Engines, Worker};
use crate::error::{NodeError, Result};
use crate::fetch::Patience;
use crate::files;
use crate::keys::{self, Seed};
use crate::locks::KeyedLocks;
use crate::mint_address::{self, MintAddress};
use crate::neighbourhood::Neighbourhood;
use crate::nwc::{self, Hub};
use crate::onchain::Onchain;
use crate::purses::TokenKeys;
use crate::receipts::{self, Receipts};
use crate::sealing::SealingKey;
use crate::sell::{self, Selling};
use crate::vaults::Vaults;
use crate::{energy, fetch, lightning, purses, serve};

/// Who is asking, as far as the bearer token tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The owner: served for nothing.
    Owner,
    /// An agent: pays from its purse, as far as its token allows.
    Purse(Agent),
    /// Anybody: pays with ecash.
    Visitor,
}

/// A running node. Clones are handles to the same one.
#[derive(Clone)]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub config: Config,
    pub owner_token: String,
    pub db: Db,
    /// The chain and the counterparty of the network `sandbox`.
    pub neighbourhood: Option<Neighbourhood>,
    /// Pays and is paid over Lightning, on all networks but `play`.
    pub cashier: Option<Cashier>,
    pub mint: Option<EmbeddedMint>,
    /// What customers pay into.
    pub till: EcashWallet,
    /// What the owner and the purses pay from.
    pub purses: EcashWallet,
    /// Mints and checks the tokens of purses.
    pub purse_tokens: TokenKeys,
    /// Bitcoin on the chain, if the chain can be seen.
    pub onchain: Option<Onchain>,
    pub vaults: Vaults,
    pub engines: Engines,
    /// What is sold beside the model's answers, and how it is paid for.
    pub selling: Selling,
    /// The site whose power is planned, and what that leaves for others.
    pub steering: Steering,
    pub receipts: Mutex<Receipts>,
    /// Tells the background that there is something new to anchor.
    pub log_grew: Notify,
    pub sales: KeyedLocks,
    pub payments: KeyedLocks,
    /// With sellers that were paid and don't answer.
    pub patience: Patience,
    pub http: reqwest::Client,
    /// Encrypts what proves payments to sellers.
    pub proofs_key: SealingKey,
    pub nwc: Hub,
    pub tasks: Tasks,
    /// Keeps the backup current.
    pub keeper: Keeper,
    /// What is still on its way back after a restore.
    pub returning: Return,
    /// True while an ecash wallet waits for its mint's word on something half done.
    pub is_unsettled: AtomicBool,
    pub started: Instant,
    /// Held until the last handle is gone, so that one process at a time has the money.
    _lock: File,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node")
            .field("config", &self.inner.config)
            .finish_non_exhaustive()
    }
}

impl Node {
    /// Opens the data directory, and settles what a crash left half done, as far as the
    /// mint answers. No model is started and nothing listens yet.
    ///
    /// # Errors
    /// `already_running` if another process has the directory; or a file or database error.
    #[boxed]
    pub async fn open(mut config: Config, worker: Worker) -> Result<Self> {
        let dir = config.network_dir();
        files::private_dir(&dir)?;
        let lock = files::lock(&dir)?;
        backup::require_finished(&config)?;
        backup::require_confirmed(&config)?;
        let seed = backup::seed(&config)?;
        let owner_token = files::secret(&dir.join("owner.token"), || {
            format!("fho_{}", keys::random_hex())
        })?;

        let db = open_books(&dir).await?;
        let returning = {
            let seed = seed.clone();
            db.write(move |tx| Return::load(tx, &seed)).await?
        };

        let neighbourhood = open_neighbourhood(&config, &seed).await?;
        if let Some(neighbourhood) = &neighbourhood {
            config.chain.esplora = Some(neighbourhood.url());
        }
        let cashier = lightning::open(&config, &seed, &db).await?;

        let address = MintAddress::load(&db, &config).await?;
        let mint = open_mint(&config, &seed, address.wanted(), cashier.as_ref()).await?;
        let open_wallet = async |name: &str| {
            let access = mint.clone().map_or(MintAccess::Http, MintAccess::Embedded);
            let path = dir.join(format!("{name}.db"));
            let keys = seed.derive(&returning.wallet_label(name));
            let wallet = EcashWallet::open(&path, address.known(), keys, access).await?;
            if returning.is_ecash_away() {
                wallet.close();
            }
            Ok::<_, EcashError>(wallet)
        };
        let mut till = open_wallet("till").await?;
        let mut purses = open_wallet("purses").await?;
        address.settle(&db, &mut till, &mut purses).await?;
        let receipts = Receipts::load(&db, &seed).await?;
        let onchain = Onchain::open(&config, &seed).await?;
        let vaults = Vaults::load(&config, &seed)?;
        let selling = Selling::open(&config, &seed, &db).await?;
        let steering = Steering::open(&config)?;

        let node = Self {
            inner: Arc::new(Inner {
                keeper: Keeper::new(BackupKeys::of(&seed)?, &config),
                returning,
                vaults,
                engines: Engines::new(&config, worker)?,
                selling,
                steering,
                receipts: Mutex::new(receipts),
                log_grew: Notify::new(),
                config,
                owner_token,
                db,
                neighbourhood,
                cashier,
                mint,
                till,
                purses,
                purse_tokens: TokenKeys::of(&seed),
                onchain,
                sales: KeyedLocks::default(),
                payments: KeyedLocks::default(),
                patience: Patience::default(),
                http: fetch::http_client()?,
                proofs_key: SealingKey::new(&seed.derive_32("fetch/proofs")),
                nwc: Hub::new(&seed),
                tasks: Tasks::default(),
                is_unsettled: AtomicBool::new(false),
                started: Instant::now(),
                _lock: lock,
            }),
        };
        node.recover_money().await?;
        Ok(node)
    }

    /// Starts the model, and the background work: unfinished sales and payments are
    /// brought to their end, old answers are forgotten, the log of receipts is anchored, the chain
    /// is followed.
    ///
    /// # Errors
    /// If the model doesn't start (`model_missing` if there is none). The background work
    /// runs all the same.
    #[boxed]
    pub async fn start(&self) -> Result<()> {
        self.in_background(|node| async move { node.keep_recovering().await });
        self.in_background(|node| async move { node.keep_metering().await });
        self.in_background(|node| async move { node.keep_settling_sessions().await });
        self.in_background(|node| async move { node.keep_anchoring().await });
        self.in_background(|node| async move { node.keep_upgrading().await });
        self.in_background(|node| async move { node.keep_mining().await });
        self.in_background(|node| async move { node.keep_connected().await });
        self.in_background(|node| async move { node.keep_onchain().await });
        self.in_background(|node| async move { node.keep_serving_nwc().await });
        self.in_background(|node| async move { node.keep_settling_backed().await });
        self.in_background(|node| async move { node.keep_backed_up().await });
        self.in_background(|node| async move { node.keep_sweeping().await });
        self.in_background(|node| async move { node.keep_steering().await });
        if let (Some(neighbourhood), Some(cashier)) =
            (&self.inner.neighbourhood, &self.inner.cashier)
        {
            // Without it the node does all the same what it can.
            if let Err(error) = neighbourhood.welcome(cashier.lightning()).await {
                tracing::warn!(code = error.code(), "the sandbox: {error}");
            }
        }
        self.inner.engines.get().await.map(|_| ())
    }

    fn in_background<W>(&self, work: impl FnOnce(Self) -> W)
    where
        W: Future<Output = ()> + Send + 'static,
    {
        self.inner.tasks.spawn(work(self.clone()));
    }

    /// Ends background work, the model's process and the mint. What is half done stays
    /// recorded, and is settled at the next start.
    #[boxed]
    pub async fn shutdown(&self) {
        self.inner.tasks.stop();
        self.write_meters().await;
        self.close_backings().await;
        self.inner.engines.shutdown().await;
        if let Some(mint) = &self.inner.mint {
            mint.stop().await;
        }
        if let Some(cashier) = &self.inner.cashier {
            cashier.lightning().stop().await;
        }
        if let Some(neighbourhood) = &self.inner.neighbourhood {
            neighbourhood.stop().await;
        }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The secret that opens everything. Not for logs.
    #[must_use]
    pub fn owner_token(&self) -> &str {
        &self.inner.owner_token
    }

    /// The embedded mint, if this node has one.
    #[must_use]
    pub fn mint(&self) -> Option<Arc<cdk::Mint>> {
        self.inner.mint.as_ref().map(EmbeddedMint::inner)
    }

    /// Selects a model; a running engine changes to it.
    ///
    /// # Errors
    /// If it isn't installed or doesn't load.
    #[boxed]
    pub async fn use_model(&self, name: &str) -> Result<inference::store::InstalledModel> {
        self.inner.engines.select(name).await
    }

    /// Runs `work` to its end also if the caller goes away in the middle of it: an HTTP
    /// client that hangs up must not leave a swap or a reservation half done.
    pub(crate) async fn uninterrupted<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        match tokio::spawn(work).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(NodeError::Stopping),
            },
        }
    }

    /// Whether a token is one of those that this node gives out, by its look: it must not be shown to anybody else.
    #[must_use]
    pub fn is_own_token(&self, token: &str) -> bool {
        token.starts_with("fho_") || purses::looks_like_token(token)
    }

    /// Who a bearer token belongs to; nobody in particular without one.
    ///
    /// # Errors
    /// `token_invalid` if it opens nothing: a wrong token must not turn into a bill.
    #[boxed]
    pub async fn authenticate(&self, bearer: Option<&str>) -> Result<Caller> {
        let Some(token) = bearer else {
            return Ok(Caller::Visitor);
        };
        if same_secret(token, &self.inner.owner_token) {
            return Ok(Caller::Owner);
        }
        let presented = self.inner.purse_tokens.read(token);
        let presented = presented.ok_or(NodeError::TokenInvalid)?;
        let purse = self
            .inner
            .db
            .write(move |tx| purse::by_token(tx, &presented.sha256))
            .await?
            .ok_or(NodeError::TokenInvalid)?;
        Ok(Caller::Purse(Agent {
            purse: purse.name,
            delegation: presented.delegation,
        }))
    }
}

/// The tables of the hall; those of the rooms are made when the database is opened.
pub(crate) fn create_tables(db: &rusqlite::Connection) -> Result<()> {
    for schema in [
        mint_address::SCHEMA,
        receipts::SCHEMA,
        receipts::ANCHORS_SCHEMA,
        serve::SCHEMA,
        nwc::SCHEMA,
        purses::SCHEMA,
        energy::INCOME_SCHEMA,
    ]
    .iter()
    .chain(&lightning::SCHEMAS)
    .chain(&sell::SCHEMAS)
    {
        db.execute_batch(schema)?;
    }
    serve::widen(db)?;
    sell::widen(db)?;
    fetch::create_tables(db)
}

/// The database of all that must be booked together, with everybody's tables.
async fn open_books(dir: &Path) -> Result<Db> {
    for name in ["freehold.db", "mint.db", "till.db", "purses.db"] {
        files::private_file(&dir.join(name))?;
    }
    let db = Db::open(&dir.join("freehold.db"))?;
    db.write(|tx| create_tables(tx)).await?;
    Ok(db)
}

/// On `sandbox`, a chain and who lives there; with another node's chain named, this one moves in there.
async fn open_neighbourhood(config: &Config, seed: &Seed) -> Result<Option<Neighbourhood>> {
    match config.network {
        Network::Sandbox if !config.chain.is_set() => {
            Neighbourhood::open(config, seed).await.map(Some)
        }
        _ => Ok(None),
    }
}

/// The embedded mint, unless another one is named: backed by channels where there are any.
async fn open_mint(
    config: &Config,
    seed: &Seed,
    url: &str,
    cashier: Option<&Cashier>,
) -> Result<Option<EmbeddedMint>> {
    if config.mint_url.is_some() {
        return Ok(None);
    }
    let (path, keys) = (config.network_dir().join("mint.db"), seed.derive("mint"));
    let mint = match cashier {
        Some(cashier) => {
            let backing = Arc::new(Backing::new(cashier.clone()));
            EmbeddedMint::backed(&path, &keys, url, backing).await?
        }
        None => EmbeddedMint::play(&path, &keys, url).await?,
    };
    Ok(Some(mint))
}

/// Compares without telling by its duration how much was right.
fn same_secret(given: &str, wanted: &str) -> bool {
    use sha2::{Digest, Sha256};
    Sha256::digest(given.as_bytes()) == Sha256::digest(wanted.as_bytes())
}

/// Now, Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    #[cfg(test)]
    if let Some(now_ms) = crate::simulation::now_ms() {
        return now_ms;
    }
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Now, Unix seconds.
pub(crate) fn now_s() -> u64 {
    now_ms().max(0).unsigned_abs() / 1_000
}
