//! Sessions at work: the seller's side of `http402::mpp::session`, with the money.
//!
//! Which state follows which, `http402` decides; here its effects are carried out, in this order: what a deposit
//! was used for, the session, and the ledger are written in one transaction; then a mint is asked, or paid out.
//!
//! Calls are metered in memory, and written every tenth of a second (`metering.rs`): a crash forgives the buyer
//! that much, and never takes anything twice. Money in, and a session's end, are on the disk before they are
//! acknowledged. A deposit is in the account `sessions` until it is earned or goes back.

mod act;
mod known;
mod live;
mod metering;
mod refund;
#[cfg(test)]
#[path = "../../simulation/shop_sessions.rs"]
pub(crate) mod simulated;
mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http402::mpp::PaymentHash;
use serde::{Deserialize, Serialize};
use wallet::Db;

use crate::boxed;
use crate::error::Result;
use crate::locks::KeyedLocks;

pub(super) use act::Acted;
use known::Known;
pub(crate) use live::Hold;
use live::Live;
pub(super) use store::SCHEMA;
pub(crate) use store::close_restored;

/// A session, for its seller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SessionView {
    /// The hash of its secret.
    pub id: String,
    /// What it was opened for.
    pub offer: String,
    /// `open`, `redeeming`, `refunding` or `closed`; `restored` if a backup doesn't know how it ended.
    pub state: String,
    /// What was put into it.
    pub deposits_sat: u64,
    /// What was taken from it.
    pub spent_sat: u64,
    /// Opened at, Unix milliseconds.
    pub created_ms: i64,
}

/// The sessions that aren't over.
#[derive(Default)]
pub(super) struct Sessions {
    live: Mutex<HashMap<PaymentHash, Arc<Live>>>,
    /// One opening, topping up, closing or refunding of a session at a time.
    alone: KeyedLocks,
    known: Known,
}

impl Sessions {
    /// Reads those that aren't over.
    #[boxed]
    pub async fn load(db: &Db) -> Result<Self> {
        let rows = db.write(|tx| store::unfinished(tx)).await?;
        let live = rows
            .into_iter()
            .map(|live| (live.id, Arc::new(live)))
            .collect();
        Ok(Self {
            live: Mutex::new(live),
            alone: KeyedLocks::default(),
            known: Known::default(),
        })
    }

    /// A session that isn't over.
    fn get(&self, id: PaymentHash) -> Option<Arc<Live>> {
        self.map(|map| map.get(&id).cloned())
    }

    fn insert(&self, live: &Arc<Live>) {
        self.map(|map| map.insert(live.id, Arc::clone(live)));
    }

    fn forget(&self, id: PaymentHash) {
        self.map(|map| map.remove(&id));
    }

    fn all(&self) -> Vec<Arc<Live>> {
        self.map(|map| map.values().cloned().collect())
    }

    fn map<T>(&self, work: impl FnOnce(&mut HashMap<PaymentHash, Arc<Live>>) -> T) -> T {
        work(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
