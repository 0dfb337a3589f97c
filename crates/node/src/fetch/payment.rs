//! Payments to other servers: one row each, from the reservation to the change.

use http402::xcashu::TokenOutline;
use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};
use timestamp::Hash;
use uuid::Uuid;
use wallet::purse::PurseName;

use super::{FetchRequest, HttpAnswer, Spender};
use crate::error::{NodeError, Result};

/// `reserved` → `paying` → `answered` → `settled`, or `voided` when the money came back.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS payments (
    id               TEXT PRIMARY KEY,
    state            TEXT NOT NULL CHECK (state IN ('reserved', 'paying', 'answered', 'settled', 'voided')),
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
    settled_ms       INTEGER
) STRICT;
CREATE INDEX IF NOT EXISTS payments_open ON payments (state) WHERE state NOT IN ('settled', 'voided');
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PaymentState {
    /// Counts against the budget; no token exists that anybody could know.
    Reserved,
    /// The token exists, and the seller may have it.
    Paying,
    /// The seller's last word is stored; the change isn't redeemed yet.
    Answered,
    /// Over, and paid.
    Settled,
    /// Over, and not paid.
    Voided,
}

impl PaymentState {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Reserved, "reserved"),
        (Self::Paying, "paying"),
        (Self::Answered, "answered"),
        (Self::Settled, "settled"),
        (Self::Voided, "voided"),
    ];

    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("", |(_, text)| text)
    }

    fn parse(text: &str) -> Self {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map_or(Self::Voided, |(state, _)| *state)
    }
}

/// A payment as it stands.
#[derive(Clone)]
pub(super) struct Payment {
    pub id: String,
    pub state: PaymentState,
    pub spender: Spender,
    pub request: FetchRequest,
    pub(super) request_sha256: String,
    /// What the token is worth.
    pub amount_sat: u64,
    /// What making it cost.
    pub fee_sat: u64,
    pub operation: Option<Uuid>,
    pub token: Option<String>,
    pub answer: Option<HttpAnswer>,
    pub change_token: Option<String>,
    pub spent_sat: Option<u64>,
    pub receipt_id: Option<String>,
    pub error: Option<String>,
    pub created_ms: i64,
}

/// A payment, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentView {
    /// Its id; the same id pays once.
    pub id: String,
    /// `owner` or `purse:NAME`.
    pub spender: String,
    /// Who was paid.
    pub url: String,
    /// `reserved`, `paying`, `answered`, `settled` or `voided`.
    pub state: String,
    /// What was handed over.
    pub amount_sat: u64,
    /// What it cost, after change; none as long as that isn't known.
    pub spent_sat: Option<u64>,
    /// The receipt that came back.
    pub receipt_id: Option<String>,
    /// Begun at, Unix milliseconds.
    pub created_ms: i64,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

impl Payment {
    pub fn new(
        id: String,
        spender: Spender,
        request: FetchRequest,
        amount_sat: u64,
        now_ms: i64,
    ) -> Self {
        Self {
            id,
            state: PaymentState::Reserved,
            request_sha256: fingerprint(&request),
            spender,
            request,
            amount_sat,
            fee_sat: 0,
            operation: None,
            token: None,
            answer: None,
            change_token: None,
            spent_sat: None,
            receipt_id: None,
            error: None,
            created_ms: now_ms,
        }
    }

    /// Its place in the ledger.
    pub fn transfer_id(&self) -> String {
        format!("pay:{}", self.id)
    }

    pub fn memo(&self) -> String {
        let url: String = self.request.url.chars().take(200).collect();
        format!("{} {url}", self.request.method)
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, PaymentState::Settled | PaymentState::Voided)
    }

    /// An id names one request of one spender.
    pub fn must_match(&self, spender: &Spender, request: &FetchRequest) -> Result<()> {
        let is_payer = self.spender.account() == spender.account();
        if is_payer && self.request_sha256 == fingerprint(request) {
            return Ok(());
        }
        Err(wallet::WalletError::IdempotencyConflict(self.id.clone()).into())
    }

    pub fn view(&self) -> PaymentView {
        PaymentView {
            id: self.id.clone(),
            spender: self.spender.account().to_string(),
            url: self.request.url.clone(),
            state: self.state.as_str().to_owned(),
            amount_sat: self.amount_sat,
            spent_sat: self.spent_sat,
            receipt_id: self.receipt_id.clone(),
            created_ms: self.created_ms,
            error: self.error.clone(),
        }
    }

    pub fn insert(&self, db: &Connection) -> Result<()> {
        let purse = match &self.spender {
            Spender::Owner => None,
            Spender::Purse(agent) => Some(agent.purse.as_str()),
        };
        db.execute(
            "INSERT INTO payments (id, state, purse, method, url, request_headers, request_body,
             request_sha256, amount_sat, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            (
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
            ),
        )?;
        Ok(())
    }

    /// Writes everything that changes after the reservation.
    pub fn update(&self, db: &Connection, now_ms: i64) -> Result<()> {
        let answer = self.answer.as_ref();
        db.execute(
            "UPDATE payments SET state = ?2, fee_sat = ?3, operation = ?4, token = ?5, status = ?6,
             headers = ?7, body = ?8, change_token = ?9, spent_sat = ?10, receipt_id = ?11,
             error = ?12, settled_ms = ?13, change_id = COALESCE(change_id, ?14) WHERE id = ?1",
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
            ),
        )?;
        Ok(())
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

    /// The change token's identity, however it is written.
    fn change_id(&self) -> Option<String> {
        let outline = TokenOutline::parse(self.change_token.as_deref()?).ok()?;
        Some(outline.id.to_string())
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
             body = NULL, token = NULL, change_token = NULL
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

/// The request's identity: everything that is sent.
fn fingerprint(request: &FetchRequest) -> String {
    let headers = to_json(&request.headers);
    let mut bytes = Vec::new();
    for part in [
        request.method.as_bytes(),
        request.url.as_bytes(),
        headers.as_bytes(),
    ] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(request.body.as_deref().unwrap_or_default());
    Hash::of(&bytes).to_string()
}

fn to_json(headers: &[(String, String)]) -> String {
    serde_json::to_string(headers).unwrap_or_default()
}

fn from_json(json: Option<String>) -> Vec<(String, String)> {
    json.and_then(|json| serde_json::from_str(&json).ok())
        .unwrap_or_default()
}

const COLUMNS: &str = "id, state, purse, method, url, request_headers, request_body,
    request_sha256, amount_sat, fee_sat, operation, token, status, headers, body, change_token,
    spent_sat, receipt_id, error, created_ms";

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
    let operation: Option<String> = row.get(10)?;
    let status: Option<u16> = row.get(12)?;
    let (headers, body) = (from_json(row.get(13)?), row.get::<_, Option<Vec<u8>>>(14)?);
    let answer = status.map(|status| HttpAnswer {
        status,
        headers,
        body: body.unwrap_or_default(),
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
            max_sat: None,
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
        created_ms: row.get(19)?,
    })
}

/// For errors where a payment's record contradicts itself.
pub(super) fn inconsistent(id: &str) -> NodeError {
    NodeError::NotFound {
        what: "token of payment",
        id: id.to_owned(),
    }
}
