//! The log of requests that change something: the reason why none of them happens twice.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction};

use super::encryption::Encryption;
use super::error::NwcError;
use super::method::Method;
use crate::Db;
use crate::boxed;

/// A request as the log keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedRequest {
    /// The event's id, hex.
    pub id: String,
    /// The client's public key, hex.
    pub client: String,
    /// What it asks for.
    pub method: Method,
    /// How the answer is to be encrypted.
    pub encryption: Encryption,
    /// What it pays, if it pays an invoice.
    pub payment_hash: Option<String>,
    /// The event's time, Unix seconds.
    pub created_s: u64,
}

/// What the log says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It is new, and durably recorded: go on.
    New,
    /// It was begun before, and isn't finished.
    Open,
    /// It was finished with this response.
    Done(String),
    /// Another request of this client has paid this invoice, with this response.
    PaidAlready(String),
    /// Another request is about to pay this invoice, or another client's has paid it.
    BeingPaid,
    /// It is so old that it may have been forgotten.
    Forgotten,
}

/// Remembers requests for as long as they are valid. What it has acknowledged survives a crash.
#[async_trait]
pub trait RequestLog: Send + Sync {
    /// Records a request before anything else is done about it.
    async fn begin(&self, request: LoggedRequest) -> Result<Begun, NwcError>;

    /// Records how it ended, before the client is told. The first end stands: false if there was one.
    async fn finish(&self, id: &str, response: &str, is_paid: bool) -> Result<bool, NwcError>;

    /// Requests that were begun and aren't finished, oldest first.
    async fn open(&self) -> Result<Vec<LoggedRequest>, NwcError>;

    /// Forgets finished requests made before `before_s`, and refuses such for good: they could not
    /// be told from new ones any more.
    async fn prune(&self, before_s: u64) -> Result<(), NwcError>;
}

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS nwc_requests (
    id            TEXT PRIMARY KEY,
    client        TEXT NOT NULL,
    method        TEXT NOT NULL,
    encryption    TEXT NOT NULL,
    payment_hash  TEXT,
    created_s     INTEGER NOT NULL,
    response      TEXT,
    is_paid       INTEGER NOT NULL DEFAULT 0 CHECK (is_paid IN (0, 1)),
    CHECK (is_paid = 0 OR response IS NOT NULL)
) STRICT;
CREATE INDEX IF NOT EXISTS nwc_requests_created ON nwc_requests (created_s);
CREATE INDEX IF NOT EXISTS nwc_requests_open ON nwc_requests (created_s) WHERE response IS NULL;
CREATE INDEX IF NOT EXISTS nwc_requests_hash ON nwc_requests (payment_hash) WHERE payment_hash IS NOT NULL;
CREATE TABLE IF NOT EXISTS nwc_horizon (
    only      INTEGER PRIMARY KEY CHECK (only = 1),
    before_s  INTEGER NOT NULL
) STRICT;
";

/// The log in the wallet's database.
#[derive(Clone, Debug)]
pub struct SqliteRequestLog {
    db: Db,
}

impl SqliteRequestLog {
    /// Opens the log in `db`.
    ///
    /// # Errors
    /// If its tables can't be made.
    #[boxed]
    pub async fn open(db: Db) -> Result<Self, NwcError> {
        db.write(|tx| -> Result<(), NwcError> { Ok(tx.execute_batch(SCHEMA)?) })
            .await?;
        Ok(Self { db })
    }
}

#[async_trait]
impl RequestLog for SqliteRequestLog {
    async fn begin(&self, request: LoggedRequest) -> Result<Begun, NwcError> {
        self.db.write(move |tx| begin(tx, &request)).await
    }

    async fn finish(&self, id: &str, response: &str, is_paid: bool) -> Result<bool, NwcError> {
        let (id, response) = (id.to_owned(), response.to_owned());
        self.db
            .write(move |tx| -> Result<bool, NwcError> {
                let changed = tx
                    .prepare_cached(
                        "UPDATE nwc_requests SET response = ?2, is_paid = ?3
                         WHERE id = ?1 AND response IS NULL",
                    )?
                    .execute((id, response, is_paid))?;
                Ok(changed == 1)
            })
            .await
    }

    async fn open(&self) -> Result<Vec<LoggedRequest>, NwcError> {
        self.db
            .write(|tx| -> Result<_, NwcError> {
                let sql = format!(
                    "SELECT {COLUMNS} FROM nwc_requests WHERE response IS NULL ORDER BY created_s, id"
                );
                let mut statement = tx.prepare_cached(&sql)?;
                let rows = statement.query_map([], columns)?;
                rows.map(|row| read(row?)).collect()
            })
            .await
    }

    async fn prune(&self, before_s: u64) -> Result<(), NwcError> {
        let before_s = as_i64(before_s);
        self.db
            .write(move |tx| -> Result<(), NwcError> {
                tx.prepare_cached(
                    "INSERT INTO nwc_horizon (only, before_s) VALUES (1, ?1)
                     ON CONFLICT (only) DO UPDATE SET before_s = MAX(before_s, excluded.before_s)",
                )?
                .execute([before_s])?;
                tx.prepare_cached(
                    "DELETE FROM nwc_requests WHERE response IS NOT NULL AND created_s < ?1",
                )?
                .execute([before_s])?;
                Ok(())
            })
            .await
    }
}

fn begin(tx: &Transaction<'_>, request: &LoggedRequest) -> Result<Begun, NwcError> {
    let known: Option<Option<String>> = tx
        .prepare_cached("SELECT response FROM nwc_requests WHERE id = ?1")?
        .query_row([&request.id], |row| row.get(0))
        .optional()?;
    match known {
        Some(Some(response)) => return Ok(Begun::Done(response)),
        Some(None) => return Ok(Begun::Open),
        None => {}
    }
    let horizon_s: Option<i64> = tx
        .prepare_cached("SELECT before_s FROM nwc_horizon WHERE only = 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    if horizon_s.is_some_and(|horizon_s| as_i64(request.created_s) < horizon_s) {
        return Ok(Begun::Forgotten);
    }
    if let Some(payment_hash) = &request.payment_hash
        && let Some(found) = same_invoice(tx, payment_hash, &request.client)?
    {
        return Ok(found);
    }
    tx.prepare_cached(
        "INSERT INTO nwc_requests (id, client, method, encryption, payment_hash, created_s)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((
        &request.id,
        &request.client,
        request.method.as_str(),
        request.encryption.as_str(),
        &request.payment_hash,
        as_i64(request.created_s),
    ))?;
    Ok(Begun::New)
}

/// Another request that pays, or has paid, the same invoice. One that failed is no obstacle.
fn same_invoice(
    tx: &Transaction<'_>,
    payment_hash: &str,
    client: &str,
) -> Result<Option<Begun>, NwcError> {
    let found: Option<(String, Option<String>)> = tx
        .prepare_cached(
            "SELECT client, response FROM nwc_requests
             WHERE payment_hash = ?1 AND (response IS NULL OR is_paid = 1) LIMIT 1",
        )?
        .query_row([payment_hash], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.map(|(by, response)| match response {
        Some(response) if by == client => Begun::PaidAlready(response),
        _ => Begun::BeingPaid,
    }))
}

const COLUMNS: &str = "id, client, method, encryption, payment_hash, created_s";

type Columns = (String, String, String, String, Option<String>, u64);

fn columns(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((
        row.get(0)?,
        row.get(1)?,
        row.get(2)?,
        row.get(3)?,
        row.get(4)?,
        row.get(5)?,
    ))
}

fn read(row: Columns) -> Result<LoggedRequest, NwcError> {
    let (id, client, method, encryption, payment_hash, created_s) = row;
    Ok(LoggedRequest {
        id,
        client,
        method: Method::from_name(&method).ok_or(NwcError::Damaged("unknown method"))?,
        encryption: Encryption::from_name(&encryption)
            .ok_or(NwcError::Damaged("unknown encryption"))?,
        payment_hash,
        created_s,
    })
}

/// SQLite's integers end at `i64::MAX`; no clock reaches it.
fn as_i64(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
