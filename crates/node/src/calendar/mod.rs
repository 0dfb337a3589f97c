//! A calendar for anyone to stamp at: the room's parts, a folder, and a background task.
//!
//! It stands on its own: no purse, model or ledger is needed, and the folder has all of it.

mod wallet_anchor;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use timestamp::calendar::{
    Anchor, AnchorLog, Anchoring, Answers, COMMITMENT_BYTES, Collector, Commitment, Journal, Known,
    Limits, Policy, Reader, RemoteCalendar, Secret, StandIn, Upstream,
};
use timestamp::ots::Uri;
use tokio::task::JoinHandle;
use wallet::onchain::{ChainSource, Keys, Network as Chain, OnchainError, OnchainWallet, Xpriv};
use zeroize::Zeroizing;

use crate::boxed;
use crate::files;
use crate::keys::{self, Seed};
use crate::stamps::StampError;
use crate::{NodeError, Result};
use wallet_anchor::WalletAnchor;

pub use timestamp::calendar::Known as KnownCommitment;

/// How often anchors are looked after.
const TICK: Duration = Duration::from_secs(30);
/// The same where nobody has to be asked.
const STAND_IN_TICK: Duration = Duration::from_secs(1);
/// How long a server that anchors may take to answer.
const ANCHOR_TIMEOUT: Duration = Duration::from_secs(30);

/// What a calendar anchors in.
#[derive(Debug, Clone, PartialEq)]
pub enum AnchorChoice {
    /// Nothing: the proofs say so. For trying things out.
    StandIn,
    /// Another calendar.
    Upstream {
        /// Its address.
        url: String,
    },
    /// Transactions of the calendar's own wallet.
    Wallet {
        /// `mainnet`, `signet`, `testnet4` or `regtest`.
        chain: String,
        /// The Esplora server that sees the chain.
        esplora: String,
        /// The most that is paid for a byte; above it, the calendar waits.
        fee_rate_max_sat_per_vb: f64,
    },
}

/// How a calendar is run.
#[derive(Debug, Clone, PartialEq)]
pub struct CalendarConfig {
    /// The folder with its journal and keys.
    pub folder: PathBuf,
    /// How clients reach it; it stands in every proof, for ever.
    pub url: String,
    /// How long a round lasts.
    pub round: Duration,
    /// The shortest time between two anchors.
    pub interval: Duration,
    /// From how many confirmations on a proof is given out.
    pub confirmations: u32,
    /// What it anchors in.
    pub anchor: AnchorChoice,
    /// How often anchors are looked after; `None` for the usual pace.
    pub tick: Option<Duration>,
}

/// How a calendar is doing.
#[derive(Debug, Clone, Serialize)]
pub struct CalendarStatus {
    /// What it anchors in.
    pub anchor: String,
    /// Whether that proves anything.
    pub is_stand_in: bool,
    /// Rounds that were promised so far.
    pub commitments: u64,
    /// Those that no anchor holds yet.
    pub pending: u64,
    /// Anchors that hold.
    pub anchors: usize,
    /// Anchors that are under way.
    pub under_way: usize,
    /// Where the wallet can be paid, if it has one.
    pub address: Option<String>,
    /// What went wrong when anchors were last looked after.
    pub trouble: Option<String>,
}

/// A running calendar.
pub struct Calendar {
    collector: Collector,
    answers: Answers,
    journal: Reader,
    log: Arc<Mutex<AnchorLog>>,
    anchor: Arc<dyn Anchor>,
    is_stand_in: bool,
    address: Option<String>,
    trouble: Arc<Mutex<Option<String>>>,
    anchoring: JoinHandle<()>,
    rounds: JoinHandle<Journal>,
}

impl Calendar {
    /// Opens the folder, and begins to gather and to anchor.
    ///
    /// # Errors
    /// If the folder is in use or damaged, or the settings can't be used.
    #[boxed]
    pub async fn open(config: &CalendarConfig) -> Result<Self> {
        files::private_dir(&config.folder)?;
        let seed = Seed::from_hex(&files::secret(
            &config.folder.join("seed"),
            keys::random_hex,
        )?)?;
        let uri = Uri::new(config.url.trim_end_matches('/')).map_err(StampError::from)?;
        let secret = mac_secret(&seed);
        let journal =
            Journal::open(&config.folder.join("journal"), &secret).map_err(StampError::from)?;
        let log = AnchorLog::open(&config.folder.join("anchors")).map_err(StampError::from)?;
        let (log, reader) = (Arc::new(Mutex::new(log)), journal.reader());
        let policy = Policy {
            interval_s: config.interval.as_secs(),
            confirmations: config.confirmations.max(1),
        };
        let (anchor, address) = connect(config, &seed).await?;
        let trouble = Arc::default();
        let anchoring = Anchoring::new(log.clone(), reader.clone(), policy);
        let task = keep_anchoring(
            anchoring,
            anchor.clone(),
            Arc::clone(&trouble),
            config.tick.unwrap_or(match config.anchor {
                AnchorChoice::StandIn => STAND_IN_TICK,
                _ => TICK,
            }),
        );
        let limits = Limits {
            round: config.round,
            ..Limits::default()
        };
        let clock = || u32::try_from(now_unix_s()).unwrap_or(u32::MAX);
        let (collector, rounds) = Collector::start(journal, secret.clone(), uri, limits, clock);
        Ok(Self {
            collector,
            answers: Answers::new(log.clone(), reader.clone(), secret),
            journal: reader,
            log,
            anchor,
            is_stand_in: config.anchor == AnchorChoice::StandIn,
            address,
            trouble,
            anchoring: tokio::spawn(task),
            rounds,
        })
    }

    /// Takes a digest, and returns the promise when it is on the disk.
    ///
    /// # Errors
    /// If it is no digest, too many are waiting, or the disk is full.
    #[boxed]
    pub async fn submit(&self, digest: &[u8]) -> Result<Vec<u8>> {
        let promise = self.collector.submit(digest, rand::random()).await;
        promise.map_err(|error| StampError::from(error).into())
    }

    /// What has become of a commitment.
    ///
    /// # Errors
    /// If it isn't the hex of one, or a file can't be read.
    pub fn timestamp(&self, commitment_hex: &str) -> Result<Known> {
        let mut bytes = [0; COMMITMENT_BYTES];
        hex::decode_to_slice(commitment_hex, &mut bytes)
            .map_err(|_| StampError::BadDigest(commitment_hex.chars().take(100).collect()))?;
        let known = self.answers.timestamp(&Commitment::from_bytes(bytes));
        known.map_err(|error| StampError::from(error).into())
    }

    /// The tip that is under way, if one is.
    #[must_use]
    pub fn tip(&self) -> Option<[u8; 32]> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.under_way().last().map(|sent| *sent.tip.as_bytes())
    }

    /// How it is doing.
    #[must_use]
    pub fn status(&self) -> CalendarStatus {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        CalendarStatus {
            anchor: self.anchor.name(),
            is_stand_in: self.is_stand_in,
            commitments: self.journal.len(),
            pending: self.journal.len().saturating_sub(log.next()),
            anchors: log.anchored().len(),
            under_way: log.under_way().len(),
            address: self.address.clone(),
            trouble: trouble.clone(),
        }
    }

    /// Ends it: whoever waits for a promise gets it first.
    #[boxed]
    pub async fn shutdown(self) {
        self.anchoring.abort();
        drop(self.collector);
        // A panic in there has been reported by then.
        let _ = self.rounds.await;
    }
}

fn mac_secret(seed: &Seed) -> Secret {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&seed.derive("calendar-mac")[..32]);
    Secret::new(bytes)
}

type Connected = (Arc<dyn Anchor>, Option<String>);

async fn connect(config: &CalendarConfig, seed: &Seed) -> Result<Connected> {
    Ok(match &config.anchor {
        AnchorChoice::StandIn => (Arc::new(StandIn { clock: now_unix_s }), None),
        AnchorChoice::Upstream { url } => {
            let uri = Uri::new(url.clone()).map_err(StampError::from)?;
            let calendar = RemoteCalendar::new(&uri, ANCHOR_TIMEOUT).map_err(StampError::from)?;
            (Arc::new(Upstream::new(calendar)), None)
        }
        AnchorChoice::Wallet {
            chain,
            esplora,
            fee_rate_max_sat_per_vb,
        } => {
            let network = chain_named(chain)?;
            let chain = ChainSource::esplora(esplora, network, ANCHOR_TIMEOUT);
            let chain = chain.map_err(OnchainError::from)?;
            let path = config.folder.join("wallet.db");
            let wallet = OnchainWallet::open(&path, wallet_keys(seed, network)?, chain).await?;
            let address = wallet.address().await?.address;
            let anchor = WalletAnchor::new(wallet, *fee_rate_max_sat_per_vb);
            (Arc::new(anchor), Some(address))
        }
    })
}

/// The calendar's own keys, so that whoever has its folder has no money of the house.
fn wallet_keys(seed: &Seed, network: Chain) -> Result<Arc<Keys>> {
    let root = Zeroizing::new(seed.derive("calendar-wallet"));
    let damaged = |_| NodeError::Config("the calendar's seed is of no use".to_owned());
    let master = Xpriv::new_master(network, &*root).map_err(damaged)?;
    Ok(Arc::new(Keys::bip86(&master, network)?))
}

fn chain_named(name: &str) -> Result<Chain> {
    Ok(match name {
        "mainnet" => Chain::Bitcoin,
        "signet" => Chain::Signet,
        "testnet4" => Chain::Testnet4,
        "regtest" => Chain::Regtest,
        other => return Err(StampError::UnknownChain(other.to_owned()).into()),
    })
}

async fn keep_anchoring(
    mut anchoring: Anchoring,
    anchor: Arc<dyn Anchor>,
    trouble: Arc<Mutex<Option<String>>>,
    tick: Duration,
) {
    loop {
        let result = anchoring.tick(&*anchor, now_unix_s()).await;
        let now = result.err().map(|error| error.to_string());
        {
            let mut before = trouble.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(why) = now.as_ref().filter(|why| before.as_ref() != Some(why)) {
                tracing::warn!(%why, "no anchor at the moment; what is collected waits");
            }
            *before = now;
        }
        tokio::time::sleep(tick).await;
    }
}

fn now_unix_s() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
