//! A purse is paid over Lightning: the mint's invoice for fresh ecash, which goes to the purse.

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::lightning::{LightningError, Payable};
use wallet::purse::{self, PurseName};
use wallet::{MSAT_PER_SAT, WalletError, sat_to_msat};

use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// Invoices by which purses are paid.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS purse_invoices (
    payment_hash  TEXT PRIMARY KEY,
    purse         TEXT NOT NULL,
    quote_id      TEXT NOT NULL UNIQUE,
    invoice       TEXT NOT NULL,
    amount_sat    INTEGER NOT NULL CHECK (amount_sat > 0),
    description   TEXT NOT NULL,
    created_ms    INTEGER NOT NULL,
    settled_ms    INTEGER,
    state         TEXT NOT NULL CHECK (state IN ('open', 'settled', 'expired'))
) STRICT;
";

/// The mint's quotes are good for an hour; after two, nobody can have paid.
const OPEN_MAX_MS: i64 = 2 * 60 * 60 * 1_000;

/// An invoice whose money goes to a purse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurseInvoice {
    /// Its payment hash.
    pub payment_hash: String,
    /// Whose it is.
    pub purse: PurseName,
    /// The invoice.
    pub invoice: String,
    /// How much.
    pub amount_sat: u64,
    /// What it is for.
    pub description: String,
    /// Made at, Unix milliseconds.
    pub created_ms: i64,
    /// Paid at, Unix milliseconds.
    pub settled_ms: Option<i64>,
    /// Whether it may still be paid.
    pub is_open: bool,
    #[serde(skip)]
    quote_id: String,
}

impl Node {
    /// Makes an invoice whose money goes to a purse, as ecash. Whole satoshi only.
    ///
    /// # Errors
    /// `purse_unknown`, `purse_revoked`, `amount_invalid`, or the mint's refusal.
    #[boxed]
    pub async fn purse_invoice(
        &self,
        name: &PurseName,
        amount_msat: u64,
        description: &str,
    ) -> Result<PurseInvoice> {
        if amount_msat == 0 || !amount_msat.is_multiple_of(MSAT_PER_SAT) {
            return Err(WalletError::Amount(amount_msat).into());
        }
        if !self.has_lightning() {
            return Err(NodeError::NoLightning);
        }
        let purse = name.clone();
        let find = move |tx: &rusqlite::Transaction<'_>| purse::find(tx, &purse);
        if self.inner.db.write(find).await?.revoked_ms.is_some() {
            return Err(WalletError::Revoked(name.to_string()).into());
        }
        let amount_sat = amount_msat / MSAT_PER_SAT;
        let quote = self.inner.purses.quote_funding(amount_sat).await?;
        let hash = Payable::parse(&quote.request)?.payment_id();
        let invoice = PurseInvoice {
            payment_hash: hash.ok_or(LightningError::Invalid("invoice"))?.to_string(),
            purse: name.clone(),
            invoice: quote.request,
            amount_sat,
            description: description.chars().take(500).collect(),
            created_ms: now_ms(),
            settled_ms: None,
            is_open: true,
            quote_id: quote.id,
        };
        let row = invoice.clone();
        self.inner.db.write(move |tx| insert(tx, &row)).await?;
        Ok(invoice)
    }

    /// Books what came in for purses since.
    pub(crate) async fn resume_purse_invoices(&self) -> Result<()> {
        for invoice in self.inner.db.write(|tx| open_invoices(tx)).await? {
            if let Err(error) = self.settle_purse_invoice(&invoice).await {
                tracing::info!(code = error.code(), "a purse's invoice is open: {error}");
            }
        }
        Ok(())
    }

    /// Books an invoice if it was paid; forgets it when nobody can have paid it any more.
    pub(crate) async fn settle_purse_invoice(&self, invoice: &PurseInvoice) -> Result<()> {
        let key = format!("purse-invoice:{}", invoice.payment_hash);
        let Some(_guard) = self.inner.payments.try_lock(&key) else {
            return Ok(());
        };
        let arrived_sat = self.inner.purses.fund_if_paid(&invoice.quote_id).await?;
        let is_late = now_ms() - invoice.created_ms > OPEN_MAX_MS;
        let row = invoice.clone();
        let book = move |tx: &rusqlite::Transaction<'_>| -> Result<()> {
            let Some(arrived_sat) = arrived_sat else {
                return match is_late {
                    true => close(tx, &row.payment_hash, "expired", None),
                    false => Ok(()),
                };
            };
            let transfer = NewTransfer {
                id: &format!("purse-in:{}", row.payment_hash),
                debit: &Account::PurseEcash,
                credit: &Account::Purse(row.purse.clone()),
                amount_msat: sat_to_msat(arrived_sat),
                memo: "Lightning invoice",
                now_ms: now_ms(),
            };
            ledger::transfer(tx, &transfer)?;
            close(tx, &row.payment_hash, "settled", Some(now_ms()))
        };
        self.inner.db.write(book).await
    }

    /// One invoice of a purse.
    pub(crate) async fn find_purse_invoice(
        &self,
        payment_hash: &str,
    ) -> Result<Option<PurseInvoice>> {
        let hash = payment_hash.to_owned();
        let find = move |tx: &rusqlite::Transaction<'_>| -> Result<Option<PurseInvoice>> {
            let sql = format!("SELECT {COLUMNS} FROM purse_invoices WHERE payment_hash = ?1");
            Ok(tx.query_row(&sql, [hash], read).optional()?)
        };
        self.inner.db.write(find).await
    }

    /// The newest invoices of a purse, newest first.
    pub(crate) async fn purse_invoices(
        &self,
        purse: &PurseName,
        limit: u32,
    ) -> Result<Vec<PurseInvoice>> {
        let purse = purse.to_string();
        let list = move |tx: &rusqlite::Transaction<'_>| -> Result<Vec<PurseInvoice>> {
            let sql = format!(
                "SELECT {COLUMNS} FROM purse_invoices WHERE purse = ?1 ORDER BY created_ms DESC LIMIT ?2"
            );
            let mut statement = tx.prepare_cached(&sql)?;
            let rows = statement.query_map((purse, limit), read)?;
            Ok(rows.collect::<std::result::Result<_, _>>()?)
        };
        self.inner.db.write(list).await
    }
}

const COLUMNS: &str = "payment_hash, purse, quote_id, invoice, amount_sat, description, created_ms, settled_ms, state";

fn insert(db: &Connection, invoice: &PurseInvoice) -> Result<()> {
    db.execute(
        "INSERT INTO purse_invoices
         (payment_hash, purse, quote_id, invoice, amount_sat, description, created_ms, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'open')",
        (
            &invoice.payment_hash,
            invoice.purse.as_str(),
            &invoice.quote_id,
            &invoice.invoice,
            invoice.amount_sat,
            &invoice.description,
            invoice.created_ms,
        ),
    )?;
    Ok(())
}

fn close(db: &Connection, payment_hash: &str, state: &str, settled_ms: Option<i64>) -> Result<()> {
    db.execute(
        "UPDATE purse_invoices SET state = ?2, settled_ms = ?3 WHERE payment_hash = ?1",
        (payment_hash, state, settled_ms),
    )?;
    Ok(())
}

fn open_invoices(db: &Connection) -> Result<Vec<PurseInvoice>> {
    let sql = format!("SELECT {COLUMNS} FROM purse_invoices WHERE state = 'open'");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<PurseInvoice> {
    let (purse, state): (String, String) = (row.get(1)?, row.get(8)?);
    Ok(PurseInvoice {
        payment_hash: row.get(0)?,
        purse: purse.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
        quote_id: row.get(2)?,
        invoice: row.get(3)?,
        amount_sat: row.get(4)?,
        description: row.get(5)?,
        created_ms: row.get(6)?,
        settled_ms: row.get(7)?,
        is_open: state == "open",
    })
}
