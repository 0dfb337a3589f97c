//! Payments in the database.

use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;
use wallet::purse::PurseName;

use super::payment::{Payment, PaymentState, PaymentView};
use super::ways::Bill;
use super::{Carrier, FetchRequest, HttpAnswer, Protocol, Spender, credentials};
use crate::error::{NodeError, Result};

/// With ecash `reserved` → `paying` → `answered` → `settled`, or `voided` when the money came back; over Lightning
/// `paying` → `paid` → `answered` → `settled`, or `voided` when it never went. What an invoice costs is reserved by the
/// wallet that pays it, with its own record.
const TABLE: &str = "
CREATE TABLE IF NOT EXISTS payments (
    id               TEXT PRIMARY KEY,
    state            TEXT NOT NULL CHECK (state IN ('reserved', 'paying', 'paid', 'answered', 'settled', 'voided')),
    purse            TEXT,
    method           TEXT NOT NULL,
    url              TEXT NOT NULL,
    request_headers  TEXT,
    request_body     BLOB,
    request_sha256   TEXT NOT NULL,
    amount_sat       INTEGER NOT NULL CHECK (amount_sat > 0),
    fee_sat          INTEGER NOT NULL DEFAULT 0,
    operation        TEXT,
    token            TEXT,
    status           INTEGER,
    headers          TEXT,
    body             BLOB,
    change_token     TEXT,
    change_id        TEXT UNIQUE,
    spent_sat        INTEGER,
    receipt_id       TEXT,
    error            TEXT,
    created_ms       INTEGER NOT NULL,
    settled_ms       INTEGER,
    protocol         TEXT NOT NULL DEFAULT 'x-cashu',
    invoice          TEXT,
    payment_hash     TEXT,
    expires_s        INTEGER,
    fee_max_sat      INTEGER,
    sealed           BLOB,
    carrier          TEXT NOT NULL DEFAULT 'headers'
) STRICT;
";
/// An invoice buys for one request: a seller that shows it twice is paid once.
const INDICES: &str = "
CREATE INDEX IF NOT EXISTS payments_open ON payments (state) WHERE state NOT IN ('settled', 'voided');
CREATE UNIQUE INDEX IF NOT EXISTS payments_hash ON payments (payment_hash) WHERE state != 'voided';
";

/// Makes the table; one from before there was Lightning is changed in place.
pub(crate) fn create_tables(db: &Connection) -> Result<()> {
    let columns = "SELECT count(*) FROM pragma_table_info('payments')";
    let new = "SELECT count(*) FROM pragma_table_info('payments') WHERE name = 'protocol'";
    let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, u32>(0));
    if count(columns)? > 0 && count(new)? == 0 {
        // A constraint can't be altered, so the rows move.
        db.execute_batch("ALTER TABLE payments RENAME TO payments_before")?;
        db.execute_batch(TABLE)?;
        db.execute_batch(
            "INSERT INTO payments (id, state, purse, method, url, request_headers, request_body, request_sha256,
                 amount_sat, fee_sat, operation, token, status, headers, body, change_token, change_id, spent_sat,
                 receipt_id, error, created_ms, settled_ms)
             SELECT id, state, purse, method, url, request_headers, request_body, request_sha256,
                 amount_sat, fee_sat, operation, token, status, headers, body, change_token, change_id, spent_sat,
                 receipt_id, error, created_ms, settled_ms FROM payments_before;
             DROP TABLE payments_before;",
        )?;
    }
    db.execute_batch(TABLE)?;
    let carrier = "SELECT count(*) FROM pragma_table_info('payments') WHERE name = 'carrier'";
    if count(carrier)? == 0 {
        db.execute_batch(
            "ALTER TABLE payments ADD COLUMN carrier TEXT NOT NULL DEFAULT 'headers'",
        )?;
    }
    db.execute_batch(INDICES)?;
    Ok(db.execute_batch(credentials::SCHEMA)?)
}

impl Payment {
    pub fn insert(&self, db: &Connection) -> Result<()> {
        let purse = match &self.spender {
            Spender::Owner => None,
            Spender::Purse(agent) => Some(agent.purse.as_str()),
        };
        let bill = self.bill.as_ref();
        db.execute(
            "INSERT INTO payments (id, state, purse, method, url, request_headers, request_body, request_sha256,
             amount_sat, created_ms, protocol, invoice, payment_hash, expires_s, fee_max_sat, sealed, carrier)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
            params![
                &self.id,
                self.state.as_str(),
                purse,
                &self.request.method,
                &self.request.url,
                to_json(&self.request.headers),
                &self.request.body,
                &self.request_sha256,
                self.amount_sat,
                self.created_ms,
                self.protocol.as_str(),
                bill.map(|bill| &bill.invoice),
                bill.map(|bill| &bill.payment_hash),
                bill.map(|bill| clamp(bill.expires_s)),
                self.fee_max_sat.map(clamp),
                &self.sealed,
                self.carrier.as_str(),
            ],
        )?;
        Ok(())
    }

    /// Writes everything that changes after the reservation.
    pub fn update(&self, db: &Connection, now_ms: i64) -> Result<()> {
        let answer = self.answer.as_ref();
        db.execute(
            "UPDATE payments SET state = ?2, fee_sat = ?3, operation = ?4, token = ?5, status = ?6,
             headers = ?7, body = ?8, change_token = ?9, spent_sat = ?10, receipt_id = ?11,
             error = ?12, settled_ms = ?13, change_id = COALESCE(change_id, ?14), sealed = ?15 WHERE id = ?1",
            (
                &self.id,
                self.state.as_str(),
                self.fee_sat,
                self.operation.map(|operation| operation.to_string()),
                &self.token,
                answer.map(|answer| answer.status),
                answer.map(|answer| to_json(&answer.headers)),
                answer.map(|answer| &answer.body),
                &self.change_token,
                self.spent_sat,
                &self.receipt_id,
                &self.error,
                self.is_over().then_some(now_ms),
                self.change_id(),
                &self.sealed,
            ),
        )?;
        Ok(())
    }

    /// An invoice that was shown for another request buys that one, and not this one too.
    pub fn refuse_repeated_invoice(&self, db: &Connection) -> Result<()> {
        let sql = "SELECT count(*) FROM payments WHERE payment_hash = ?1 AND state != 'voided'";
        let uses: u64 = db.query_row(sql, [&self.bill()?.payment_hash], |row| row.get(0))?;
        match uses {
            0 => Ok(()),
            _ => Err(NodeError::InvoiceReused),
        }
    }

    /// Change that came for another payment already is none: the same money must not be
    /// counted for both.
    pub fn refuse_repeated_change(&mut self, db: &Connection) -> Result<()> {
        let sql = "SELECT count(*) FROM payments WHERE change_id = ?1 AND id != ?2";
        let uses: u64 = db.query_row(sql, (self.change_id(), &self.id), |row| row.get(0))?;
        if uses > 0 {
            self.change_token = None;
            self.error = Some("the seller's change was used before".into());
        }
        Ok(())
    }

    pub fn find(db: &Connection, id: &str) -> Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM payments WHERE id = ?1");
        Ok(db.prepare_cached(&sql)?.query_row([id], read).optional()?)
    }

    pub fn list(db: &Connection, limit: u32) -> Result<Vec<PaymentView>> {
        let sql =
            format!("SELECT {COLUMNS} FROM payments ORDER BY created_ms DESC, id DESC LIMIT ?1");
        let mut statement = db.prepare_cached(&sql)?;
        let rows = statement.query_map([limit], |row| Ok(read(row)?.view()))?;
        let mut views: Vec<_> = rows.collect::<std::result::Result<_, _>>()?;
        views.reverse();
        Ok(views)
    }

    /// Forgets a payment that no wallet has ever heard of.
    pub fn delete(&self, db: &Connection) -> Result<()> {
        let sql = "DELETE FROM payments WHERE id = ?1 AND state = 'paying'";
        db.execute(sql, [&self.id])?;
        Ok(())
    }

    /// The ids of the payments that aren't over, oldest first.
    pub fn open_ids(db: &Connection) -> Result<Vec<String>> {
        let mut statement = db.prepare_cached(
            "SELECT id FROM payments WHERE state NOT IN ('settled', 'voided') ORDER BY created_ms",
        )?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Forgets requests, answers and spent tokens of payments that were over before `before_ms`.
    pub fn forget(db: &Connection, before_ms: i64) -> Result<()> {
        db.execute(
            "UPDATE payments SET request_headers = NULL, request_body = NULL, headers = NULL,
             body = NULL, token = NULL, change_token = NULL, sealed = NULL
             WHERE state IN ('settled', 'voided') AND request_headers IS NOT NULL AND settled_ms < ?1",
            [before_ms],
        )?;
        Ok(())
    }
}

/// The operations that made the tokens which we recorded.
pub(crate) fn payment_operations(db: &Connection) -> Result<Vec<Uuid>> {
    let mut statement =
        db.prepare_cached("SELECT operation FROM payments WHERE operation IS NOT NULL")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let texts: Vec<String> = rows.collect::<std::result::Result<_, _>>()?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

pub(super) fn to_json(headers: &[(String, String)]) -> String {
    serde_json::to_string(headers).unwrap_or_default()
}

fn from_json(json: Option<String>) -> Vec<(String, String)> {
    json.and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default()
}

const COLUMNS: &str = "id, state, purse, method, url, request_headers, request_body,
    request_sha256, amount_sat, fee_sat, operation, token, status, headers, body, change_token,
    spent_sat, receipt_id, error, created_ms, protocol, invoice, payment_hash, expires_s,
    fee_max_sat, sealed, carrier";

fn read(row: &Row<'_>) -> rusqlite::Result<Payment> {
    let state: String = row.get(1)?;
    let purse: Option<String> = row.get(2)?;
    let spender = match purse {
        None => Spender::Owner,
        Some(name) => Spender::Purse(
            name.parse::<PurseName>()
                .map_err(|_| rusqlite::Error::InvalidColumnName(name))?
                .into(),
        ),
    };
    let (operation, protocol): (Option<String>, String) = (row.get(10)?, row.get(20)?);
    let carrier: String = row.get(26)?;
    let status: Option<u16> = row.get(12)?;
    let (headers, body) = (from_json(row.get(13)?), row.get::<_, Option<Vec<u8>>>(14)?);
    let answer = status.map(|status| HttpAnswer {
        status,
        headers,
        body: body.unwrap_or_default(),
        carrier: Carrier::Headers,
    });
    Ok(Payment {
        id: row.get(0)?,
        state: PaymentState::parse(&state),
        spender,
        request: FetchRequest {
            id: None,
            method: row.get(3)?,
            url: row.get(4)?,
            headers: from_json(row.get(5)?),
            body: row.get(6)?,
            ..FetchRequest::default()
        },
        request_sha256: row.get(7)?,
        amount_sat: row.get(8)?,
        fee_sat: row.get(9)?,
        operation: operation.and_then(|text| text.parse().ok()),
        token: row.get(11)?,
        answer,
        change_token: row.get(15)?,
        spent_sat: row.get(16)?,
        receipt_id: row.get(17)?,
        error: row.get(18)?,
        may_begin: false,
        created_ms: row.get(19)?,
        protocol: protocol.parse().unwrap_or(Protocol::XCashu),
        carrier: Carrier::parse(&carrier),
        bill: bill(row)?,
        fee_max_sat: row.get(24)?,
        sealed: row.get(25)?,
    })
}

fn bill(row: &Row<'_>) -> rusqlite::Result<Option<Bill>> {
    let (invoice, payment_hash): (Option<String>, Option<String>) = (row.get(21)?, row.get(22)?);
    let Some((invoice, payment_hash)) = invoice.zip(payment_hash) else {
        return Ok(None);
    };
    Ok(Some(Bill {
        invoice,
        payment_hash,
        expires_s: row.get::<_, Option<u64>>(23)?.unwrap_or_default(),
    }))
}

/// SQLite's integers end at `i64::MAX`.
fn clamp(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
