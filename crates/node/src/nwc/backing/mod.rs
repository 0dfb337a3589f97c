//! Purses that are backed by somebody else's wallet.
//!
//! The purse keeps its budget; only the money comes from elsewhere. A payment draws what it may cost
//! from the account of other people's wallets into the purse, reserves it like any payment, and what
//! wasn't needed goes back, all in the ledger. So the books are balanced at each moment, and no budget
//! depends on what the other wallet says.

mod book;
mod pay;

use std::sync::Arc;
use std::time::Duration;

use rusqlite::OptionalExtension;
use serde::{Deserialize, Serialize};
use wallet::WalletError;
use wallet::nwc::{ConnectionUri, NwcWallet};
use wallet::purse::{self, PurseName};

use super::hub::clock;
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

pub(crate) use book::payment_transfer_id;
pub(super) use pay::BackedPurses;

/// How long a wallet may take to say what it is.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(15);

/// A purse's backing, without its secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BackingView {
    /// The purse.
    pub purse: PurseName,
    /// The other wallet's public key.
    pub wallet: String,
    /// The other wallet's name, if it told.
    pub alias: Option<String>,
    /// Where it is reached.
    pub relays: Vec<String>,
    /// Backed since, Unix milliseconds.
    pub created_ms: i64,
}

impl Node {
    /// Backs a purse by the wallet behind this URI, which must answer.
    ///
    /// # Errors
    /// `nwc_uri_invalid`, `purse_unknown`, `purse_revoked`, `nwc_not_connected`, `nwc_no_info`, or
    /// the wallet's refusal.
    #[boxed]
    pub async fn purse_back(&self, name: &PurseName, uri: &str) -> Result<BackingView> {
        let uri: ConnectionUri = uri.parse()?;
        // Whether it is there and lets us in is found out now, not with the first payment.
        let wallet = NwcWallet::connect(&uri, clock(), CONNECT_TIME_MAX).await?;
        let info = wallet.info().await?;
        let view = BackingView {
            purse: name.clone(),
            wallet: uri.wallet().to_hex(),
            alias: info
                .alias
                .map(|alias| alias.chars().filter(|c| !c.is_control()).take(80).collect()),
            relays: uri
                .relays()
                .iter()
                .map(|url| url.as_str_without_trailing_slash().to_owned())
                .collect(),
            created_ms: now_ms(),
        };
        let sealed = uri.seal(&self.inner.nwc.sealing_key()?)?;
        let row = view.clone();
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                if purse::find(tx, &row.purse)?.revoked_ms.is_some() {
                    return Err(WalletError::Revoked(row.purse.to_string()).into());
                }
                // Only the wallet that was asked to pay knows how that ended.
                refuse_while_open(tx, &row.purse)?;
                tx.execute(
                    "INSERT INTO nwc_backings (purse, sealed_uri, wallet, relays, created_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (purse) DO UPDATE SET sealed_uri = excluded.sealed_uri,
                         wallet = excluded.wallet, relays = excluded.relays, created_ms = excluded.created_ms",
                    (row.purse.as_str(), sealed, row.wallet, row.relays.join(" "), row.created_ms),
                )?;
                Ok(())
            })
            .await?;
        self.keep_wallet(name, Some(wallet)).await;
        self.inner.nwc.changed.notify_one();
        Ok(view)
    }

    /// Takes a purse's backing away. Payments whose end isn't known need it still, so it stays until
    /// they have ended.
    ///
    /// # Errors
    /// `not_found` if it has none, `nwc_payments_open`, or a database error.
    #[boxed]
    pub async fn purse_unback(&self, name: &PurseName) -> Result<()> {
        let purse = name.clone();
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                refuse_while_open(tx, &purse)?;
                if tx.execute(
                    "DELETE FROM nwc_backings WHERE purse = ?1",
                    [purse.as_str()],
                )? == 0
                {
                    return Err(NodeError::NotFound {
                        what: "wallet that backs purse",
                        id: purse.to_string(),
                    });
                }
                Ok(())
            })
            .await?;
        self.keep_wallet(name, None).await;
        self.inner.nwc.changed.notify_one();
        Ok(())
    }

    /// True if another wallet backs this purse.
    pub(super) async fn is_backed(&self, name: &PurseName) -> Result<bool> {
        Ok(self.sealed_uri(name).await?.is_some())
    }

    /// The wallet that backs a purse, connected.
    async fn backing(&self, name: &PurseName) -> Result<Arc<NwcWallet>> {
        if let Some(wallet) = self.inner.nwc.wallets.lock().await.get(name) {
            return Ok(Arc::clone(wallet));
        }
        let missing = || NodeError::NotFound {
            what: "wallet that backs purse",
            id: name.to_string(),
        };
        let sealed = self.sealed_uri(name).await?.ok_or_else(missing)?;
        let uri = ConnectionUri::unseal(&sealed, &self.inner.nwc.sealing_key()?)?;
        // Not under the lock: a wallet that is slow to answer must not hold up the other purses.
        let wallet = Arc::new(NwcWallet::connect(&uri, clock(), CONNECT_TIME_MAX).await?);
        let mut wallets = self.inner.nwc.wallets.lock().await;
        Ok(Arc::clone(wallets.entry(name.clone()).or_insert(wallet)))
    }

    async fn sealed_uri(&self, name: &PurseName) -> Result<Option<String>> {
        let name = name.clone();
        self.inner
            .db
            .write(move |tx| -> Result<_> {
                let found = tx
                    .prepare_cached("SELECT sealed_uri FROM nwc_backings WHERE purse = ?1")?
                    .query_row([name.as_str()], |row| row.get(0))
                    .optional()?;
                Ok(found)
            })
            .await
    }

    /// Lets go of the other wallets. Payments that wait for an answer are looked up by the next process.
    pub(crate) async fn close_backings(&self) {
        let wallets = std::mem::take(&mut *self.inner.nwc.wallets.lock().await);
        for wallet in wallets.values() {
            wallet.close().await;
        }
    }

    async fn keep_wallet(&self, name: &PurseName, wallet: Option<NwcWallet>) {
        let mut wallets = self.inner.nwc.wallets.lock().await;
        let old = match wallet {
            Some(wallet) => wallets.insert(name.clone(), Arc::new(wallet)),
            None => wallets.remove(name),
        };
        drop(wallets);
        if let Some(old) = old {
            old.close().await;
        }
    }
}

fn refuse_while_open(db: &rusqlite::Connection, purse: &PurseName) -> Result<()> {
    let open = book::open(db)?;
    match open
        .iter()
        .filter(|payment| payment.purse == *purse)
        .count()
    {
        0 => Ok(()),
        count => Err(NodeError::NwcPaymentsOpen(count)),
    }
}
