//! What a restored node does once it runs: its ecash is looked for at the mint, the books are brought to what is
//! found, and its channels are waited for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wallet::ecash::Rescan;
use wallet::lightning::{LightningError, Sweep};
use zeroize::Zeroizing;

use super::reconcile::{Held, reconcile};
use super::state::{self, EcashFound, Returning};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::keys::Seed;
use crate::node::{Node, now_ms};

/// Between two looks at restored channels.
const SWEEP_PAUSE: Duration = Duration::from_secs(60);
/// The same where blocks come whenever they are wanted.
const SANDBOX_SWEEP_PAUSE: Duration = Duration::from_secs(1);

/// How a restore is going on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnView {
    /// The last restore; none if this node was never restored.
    pub restore: Option<Returning>,
    /// What is being looked through now.
    pub scan: Option<Scan>,
    /// How far the channels are.
    pub channels: Option<SweepView>,
    /// True if this node's own mint is closed to others.
    pub is_mint_closed: bool,
    /// Why it doesn't go on at the moment.
    pub trouble: Option<String>,
}

/// A scan of the mint for the wallets' ecash.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// Which wallet: `till` or `purses`.
    pub wallet: String,
    /// Secrets that the mint was asked about so far.
    pub asked: u64,
    /// What was found so far.
    pub found_sat: u64,
}

/// How far getting channels back is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepView {
    /// Their peers haven't closed them yet.
    pub waiting: usize,
    /// Closed, and waiting for blocks.
    pub confirming: usize,
    /// Done: what was ours is in the wallet.
    pub done: usize,
}

impl From<&Sweep> for SweepView {
    fn from(sweep: &Sweep) -> Self {
        Self {
            waiting: sweep.waiting,
            confirming: sweep.confirming,
            done: sweep.done,
        }
    }
}

/// What the node remembers of its restore.
pub(crate) struct Return {
    state: Mutex<Option<Returning>>,
    view: Mutex<ReturnView>,
    /// The seeds of the two wallets, of all generations: as long as they are needed.
    till_seeds: Vec<Zeroizing<[u8; 64]>>,
    purses_seeds: Vec<Zeroizing<[u8; 64]>>,
    /// The generation of the wallets' secrets, if it isn't the first.
    generation: Option<String>,
    /// One at a time.
    scanning: tokio::sync::Mutex<()>,
    amending: tokio::sync::Mutex<()>,
}

/// The name that a wallet's seed is derived by. At the node's own mint, each restore begins a new generation.
fn wallet_label(name: &str, generation: Option<&String>) -> String {
    match generation {
        None => name.to_owned(),
        Some(generation) => format!("{name}/{generation}"),
    }
}

impl Return {
    pub fn load(db: &rusqlite::Connection, seed: &Seed) -> Result<Self> {
        let (state, generations) = (state::load(db)?, state::generations(db)?);
        let is_pending = state
            .as_ref()
            .is_some_and(|state| state.progress.ecash.is_none());
        let seeds = |name: &str| -> Vec<Zeroizing<[u8; 64]>> {
            let labels = std::iter::once(None).chain(generations.iter().map(Some));
            let labels = labels.filter(|_| is_pending);
            labels
                .map(|generation| Zeroizing::new(seed.derive(&wallet_label(name, generation))))
                .collect()
        };
        let view = ReturnView {
            restore: state.clone(),
            is_mint_closed: state::is_mint_closed(db)?,
            ..ReturnView::default()
        };
        Ok(Self {
            till_seeds: seeds("till"),
            purses_seeds: seeds("purses"),
            generation: generations.last().cloned(),
            state: Mutex::new(state),
            view: Mutex::new(view),
            scanning: tokio::sync::Mutex::new(()),
            amending: tokio::sync::Mutex::new(()),
        })
    }

    /// What the seed of a wallet's secrets is derived by now.
    pub fn wallet_label(&self, name: &str) -> String {
        wallet_label(name, self.generation.as_ref())
    }

    fn state(&self) -> Option<Returning> {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// True as long as the ecash wallets don't have all that is theirs.
    pub fn is_ecash_away(&self) -> bool {
        self.state()
            .is_some_and(|state| state.progress.ecash.is_none())
    }

    /// True as long as channels are on their way back: the chain can't be compared with the books then.
    pub fn are_channels_away(&self) -> bool {
        self.state()
            .is_some_and(|state| !state.progress.channels_done)
    }

    pub fn is_mint_closed(&self) -> bool {
        self.view
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_mint_closed
    }

    fn show(&self, change: impl FnOnce(&mut ReturnView)) {
        change(&mut self.view.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn set(&self, returning: Returning) {
        self.show(|view| view.restore = Some(returning.clone()));
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(returning);
    }
}

impl Node {
    /// How the last restore is going on.
    #[must_use]
    pub fn return_view(&self) -> ReturnView {
        let view = self.inner.returning.view.lock();
        view.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// After a restore: looks for the wallets' ecash at the mint, and brings the books to what is found. Does nothing
    /// if that was done. Until it is, no ecash is spent or taken.
    ///
    /// # Errors
    /// If the mint doesn't answer: it can be asked again at any time.
    #[boxed]
    pub async fn bring_ecash_back(&self, tell: &(dyn Fn(&Scan) + Send + Sync)) -> Result<()> {
        let _alone = self.inner.returning.scanning.lock().await;
        let Some(returning) = self.inner.returning.state() else {
            return Ok(());
        };
        if returning.progress.ecash.is_some() {
            return Ok(());
        }
        let found = self.find_ecash(tell).await;
        self.inner.returning.show(|view| {
            view.scan = None;
            view.trouble = found.as_ref().err().map(ToString::to_string);
        });
        found
    }

    async fn find_ecash(&self, tell: &(dyn Fn(&Scan) + Send + Sync)) -> Result<()> {
        let back = &self.inner.returning;
        let till = self.inner.till.recovery().await;
        let purses = self.inner.purses.recovery().await;
        for (name, wallet, seeds) in [
            ("till", &till, &back.till_seeds),
            ("purses", &purses, &back.purses_seeds),
        ] {
            for seed in seeds {
                let show = |rescan: Rescan| {
                    let scan = Scan {
                        wallet: name.to_owned(),
                        asked: rescan.asked,
                        found_sat: rescan.unspent_sat,
                    };
                    tell(&scan);
                    back.show(|view| view.scan = Some(scan));
                };
                wallet.rescan(seed, show).await?;
            }
        }
        self.close_restored_payments(&purses).await?;
        let handed_out = self
            .inner
            .db
            .write(|tx| crate::serve::change_tokens(tx))
            .await?;
        let handed_out_sat = till.let_go(&handed_out).await?;
        let held = Held {
            purses_sat: self.inner.purses.holdings().await?.unspent_sat,
            till_sat: self.inner.till.holdings().await?.unspent_sat,
        };
        self.amend(move |tx, returning| {
            let corrections = reconcile(tx, &returning.id, held, now_ms())?;
            returning.progress.ecash = Some(EcashFound {
                purses_sat: held.purses_sat,
                till_sat: held.till_sat,
                handed_out_sat,
                corrections,
            });
            Ok(())
        })
        .await?;
        tracing::info!(
            ?held,
            "the ecash was looked for, and the books say what was found"
        );
        self.inner.till.reopen();
        self.inner.purses.reopen();
        Ok(())
    }

    /// For the background: `true` if there is nothing to wait for.
    pub(crate) async fn is_ecash_back(&self) -> bool {
        if !self.inner.returning.is_ecash_away() {
            return true;
        }
        match self.bring_ecash_back(&|_| {}).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(code = error.code(), "the ecash isn't back yet: {error}");
                false
            }
        }
    }

    /// Has the peers of restored channels close them, and brings in what is ours, until nothing is left to wait for.
    pub(crate) async fn keep_sweeping(&self) {
        let pause = match self.inner.neighbourhood.is_some() {
            true => SANDBOX_SWEEP_PAUSE,
            false => SWEEP_PAUSE,
        };
        while self.inner.returning.are_channels_away() {
            let swept = self.sweep_channels().await;
            self.inner.returning.show(|view| {
                view.trouble = swept.as_ref().err().map(ToString::to_string);
            });
            match swept {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!(code = error.code(), "restored channels: {error}"),
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn sweep_channels(&self) -> Result<bool> {
        let sweep = match self.cashier() {
            Ok(cashier) => {
                let lightning = cashier.lightning();
                match lightning.sweep(None).await {
                    // The node's own source can't be asked what spent a channel; another one that is configured may.
                    Err(LightningError::Config(why)) => {
                        match self.inner.config.timestamp.esplora.first() {
                            Some(url) => lightning.sweep(Some(url)).await?,
                            None => return Err(LightningError::Config(why).into()),
                        }
                    }
                    swept => swept?,
                }
            }
            Err(NodeError::NoLightning) => Sweep::default(),
            Err(error) => return Err(error),
        };
        self.inner
            .returning
            .show(|view| view.channels = Some(SweepView::from(&sweep)));
        if !sweep.is_done() {
            return Ok(false);
        }
        if let Ok(cashier) = self.cashier() {
            cashier.lightning().sync().await?;
        }
        self.amend(|_, returning| {
            returning.progress.channels_done = true;
            Ok(())
        })
        .await?;
        Ok(true)
    }

    /// Changes the note of the restore, in one transaction with what it is about.
    async fn amend(
        &self,
        change: impl FnOnce(&rusqlite::Connection, &mut Returning) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let _alone = self.inner.returning.amending.lock().await;
        let amended = self
            .inner
            .db
            .write(move |tx| -> Result<Option<Returning>> {
                let Some(mut returning) = state::load(tx)? else {
                    return Ok(None);
                };
                change(tx, &mut returning)?;
                state::update(tx, &returning)?;
                Ok(Some(returning))
            })
            .await?;
        if let Some(returning) = amended {
            self.inner.returning.set(returning);
        }
        Ok(())
    }

    /// Opens this node's own mint to others again, after a restore closed it.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn open_mint(&self) -> Result<ReturnView> {
        self.inner.db.write(|tx| state::open_mint(tx)).await?;
        self.inner
            .returning
            .show(|view| view.is_mint_closed = false);
        Ok(self.return_view())
    }

    /// True if this node's own mint is closed to others.
    #[must_use]
    pub fn is_mint_closed(&self) -> bool {
        self.inner.returning.is_mint_closed()
    }
}
