//! Sales paid with ecash: one row each, from the token's arrival to the change. Answers of the model are sold so, and
//! calls of other services.

use inference::{FinishReason, Summary};
use rusqlite::{Connection, OptionalExtension, Row};
use uuid::Uuid;

use crate::error::Result;

/// `redeeming` → `paid` → `settled`. A row that never got past `redeeming` and whose
/// token was refused is deleted.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sales (
    id                 TEXT PRIMARY KEY,
    state              TEXT NOT NULL CHECK (state IN ('redeeming', 'paid', 'settled')),
    request_sha256     TEXT NOT NULL,
    body               BLOB,
    token              TEXT,
    max_price_sat      INTEGER NOT NULL,
    max_tokens         INTEGER NOT NULL,
    received_sat       INTEGER,
    price_sat          INTEGER,
    answer             TEXT,
    summary            TEXT,
    change_operation   TEXT,
    change_token       TEXT,
    receipt_id         TEXT,
    error_code         TEXT,
    error_message      TEXT,
    created_ms         INTEGER NOT NULL,
    settled_ms         INTEGER,
    offer              TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS sales_open ON sales (state) WHERE state != 'settled';
";

/// Adds what tables of earlier versions lack.
pub(crate) fn widen(db: &Connection) -> Result<()> {
    let find = "SELECT count(*) FROM pragma_table_info('sales') WHERE name = 'offer'";
    if db.query_row(find, [], |row| row.get::<_, u32>(0))? == 0 {
        db.execute_batch("ALTER TABLE sales ADD COLUMN offer TEXT")?;
    }
    Ok(())
}

/// What a token is to pay for.
pub(crate) struct Quote {
    /// Names the request: the digest of its body, or the offer.
    pub request: String,
    /// What is needed to answer it again; empty if it isn't ours to answer.
    pub body: Vec<u8>,
    pub max_price_sat: u64,
    pub max_tokens: u32,
    /// The offer that a call is of; none for answers of the model.
    pub offer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SaleState {
    Redeeming,
    Paid,
    Settled,
}

/// A sale as it stands.
#[derive(Clone)]
pub(crate) struct Sale {
    /// The token's id, so that the same money can't begin a second sale.
    pub id: String,
    pub state: SaleState,
    pub request_sha256: String,
    pub body: Vec<u8>,
    pub token: String,
    pub max_price_sat: u64,
    pub max_tokens: u32,
    /// What arrived when the token was swapped.
    pub received_sat: u64,
    pub price_sat: u64,
    pub answer: Option<String>,
    pub summary: Option<Summary>,
    pub change_token: Option<String>,
    pub receipt_id: Option<String>,
    pub error: Option<(String, String)>,
    pub offer: Option<String>,
    pub created_ms: i64,
}

/// How a sale ended, to be written.
#[derive(Default)]
pub(crate) struct Ending {
    pub price_sat: u64,
    pub answer: Option<String>,
    pub summary: Option<Summary>,
    pub change: Option<(Uuid, String)>,
    pub receipt_id: Option<String>,
    pub error: Option<(String, String)>,
}

impl Sale {
    /// A sale whose token is about to be swapped.
    pub fn new(id: String, token: String, quote: Quote, now_ms: i64) -> Self {
        Self {
            id,
            state: SaleState::Redeeming,
            request_sha256: quote.request,
            body: quote.body,
            token,
            max_price_sat: quote.max_price_sat,
            max_tokens: quote.max_tokens,
            offer: quote.offer,
            created_ms: now_ms,
            received_sat: 0,
            price_sat: 0,
            answer: None,
            summary: None,
            change_token: None,
            receipt_id: None,
            error: None,
        }
    }

    pub fn is_settled(&self) -> bool {
        self.state == SaleState::Settled
    }

    pub fn is_for(&self, request: &str) -> bool {
        self.request_sha256 == request
    }

    pub fn insert(&self, db: &Connection) -> Result<()> {
        db.execute(
            "INSERT INTO sales (id, state, request_sha256, body, token, max_price_sat, max_tokens, created_ms, offer)
             VALUES (?1, 'redeeming', ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                &self.id,
                &self.request_sha256,
                &self.body,
                &self.token,
                self.max_price_sat,
                self.max_tokens,
                self.created_ms,
                &self.offer,
            ),
        )?;
        Ok(())
    }

    pub fn delete(db: &Connection, id: &str) -> Result<()> {
        db.execute(
            "DELETE FROM sales WHERE id = ?1 AND state = 'redeeming'",
            [id],
        )?;
        Ok(())
    }

    /// The token is ours now; its text is worth nothing any more.
    pub fn mark_paid(db: &Connection, id: &str, received_sat: u64) -> Result<()> {
        db.execute(
            "UPDATE sales SET state = 'paid', received_sat = ?2, token = NULL WHERE id = ?1",
            (id, received_sat),
        )?;
        Ok(())
    }

    pub fn mark_settled(db: &Connection, id: &str, ending: &Ending, now_ms: i64) -> Result<()> {
        let summary = ending.summary.as_ref().map(serde_json::to_string);
        db.execute(
            "UPDATE sales SET state = 'settled', price_sat = ?2, answer = ?3, summary = ?4,
             change_operation = ?5, change_token = ?6, receipt_id = ?7,
             error_code = ?8, error_message = ?9, settled_ms = ?10 WHERE id = ?1",
            (
                id,
                ending.price_sat,
                &ending.answer,
                summary.and_then(std::result::Result::ok),
                ending
                    .change
                    .as_ref()
                    .map(|(operation, _)| operation.to_string()),
                ending.change.as_ref().map(|(_, token)| token),
                &ending.receipt_id,
                ending.error.as_ref().map(|(code, _)| code),
                ending.error.as_ref().map(|(_, message)| message),
                now_ms,
            ),
        )?;
        Ok(())
    }

    pub fn find(db: &Connection, id: &str) -> Result<Option<Self>> {
        let sql = format!("SELECT {COLUMNS} FROM sales WHERE id = ?1");
        Ok(db.prepare_cached(&sql)?.query_row([id], read).optional()?)
    }

    /// The ids of the sales that aren't settled, oldest first.
    pub fn open_ids(db: &Connection) -> Result<Vec<String>> {
        let mut statement =
            db.prepare_cached("SELECT id FROM sales WHERE state != 'settled' ORDER BY created_ms")?;
        let rows = statement.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<std::result::Result<_, _>>()?)
    }

    /// Forgets questions and answers that were settled before `before_ms`.
    pub fn forget(db: &Connection, before_ms: i64) -> Result<()> {
        db.execute(
            "UPDATE sales SET body = NULL, answer = NULL
             WHERE state = 'settled' AND body IS NOT NULL AND settled_ms < ?1",
            [before_ms],
        )?;
        Ok(())
    }
}

/// The tokens that we handed out: change, and rests of sessions.
pub(crate) fn change_tokens(db: &Connection) -> Result<Vec<String>> {
    let mut statement = db.prepare_cached(
        "SELECT change_token FROM sales WHERE change_token IS NOT NULL
         UNION ALL SELECT refund_token FROM sessions WHERE refund_token IS NOT NULL",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// The operations that made tokens which we handed out.
pub(crate) fn change_operations(db: &Connection) -> Result<Vec<Uuid>> {
    let mut statement = db.prepare_cached(
        "SELECT change_operation FROM sales WHERE change_operation IS NOT NULL
         UNION ALL SELECT refund_operation FROM sessions WHERE refund_operation IS NOT NULL",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let texts: Vec<String> = rows.collect::<std::result::Result<_, _>>()?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

const COLUMNS: &str = "id, state, request_sha256, body, token, max_price_sat, max_tokens,
    received_sat, price_sat, answer, summary, change_token, receipt_id, error_code, error_message, offer,
    created_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Sale> {
    let state: String = row.get(1)?;
    let summary: Option<String> = row.get(10)?;
    let code: Option<String> = row.get(13)?;
    let message: Option<String> = row.get(14)?;
    Ok(Sale {
        id: row.get(0)?,
        state: match state.as_str() {
            "redeeming" => SaleState::Redeeming,
            "paid" => SaleState::Paid,
            _ => SaleState::Settled,
        },
        request_sha256: row.get(2)?,
        body: row.get::<_, Option<_>>(3)?.unwrap_or_default(),
        token: row.get::<_, Option<_>>(4)?.unwrap_or_default(),
        max_price_sat: row.get(5)?,
        max_tokens: row.get(6)?,
        received_sat: row.get::<_, Option<_>>(7)?.unwrap_or_default(),
        price_sat: row.get::<_, Option<_>>(8)?.unwrap_or_default(),
        answer: row.get(9)?,
        summary: summary.and_then(|json| serde_json::from_str(&json).ok()),
        change_token: row.get(11)?,
        receipt_id: row.get(12)?,
        error: code.zip(message),
        offer: row.get(15)?,
        created_ms: row.get(16)?,
    })
}

/// What a replayed answer says when its summary is lost; never the case for a sound row.
pub(super) fn no_summary() -> Summary {
    Summary {
        finish_reason: FinishReason::Stop,
        prompt_tokens: 0,
        cached_tokens: 0,
        completion_tokens: 0,
        queue_ms: 0,
        prompt_ms: 0,
        generation_ms: 0,
    }
}
