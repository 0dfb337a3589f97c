//! Sessions on the disk.

use http402::mpp::PaymentHash;
use http402::mpp::session::{Effect, Session, SessionState};
use rusqlite::{Connection, OptionalExtension as _, Row};
use uuid::Uuid;

use super::{Live, SessionView};
use crate::error::{NodeError, Result};
use crate::sell::SellError;

/// `session` is the state machine as JSON. What it spent in the last tenth of a second may be missing in it.
pub(in crate::sell) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS sessions (
    id                TEXT PRIMARY KEY,
    offer             TEXT NOT NULL,
    state             TEXT NOT NULL CHECK (state IN ('open', 'redeeming', 'refunding', 'closed', 'restored')),
    session           TEXT NOT NULL,
    booked_sat        INTEGER NOT NULL DEFAULT 0,
    return_hash       TEXT UNIQUE,
    refund_operation  TEXT,
    refund_token      TEXT,
    created_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_open ON sessions (state) WHERE state NOT IN ('closed', 'restored');
";

/// Where a session is, in one word.
fn word(session: &Session) -> &'static str {
    let unfinished = session.unfinished();
    match unfinished.first() {
        Some(Effect::Redeem { .. }) => "redeeming",
        Some(Effect::Refund { .. }) => "refunding",
        _ if matches!(session.state(), SessionState::Open | SessionState::Opening) => "open",
        _ => "closed",
    }
}

/// Writes a new session. An invoice for the rest belongs to one session.
pub(super) fn insert(
    db: &Connection,
    offer: &str,
    session: &Session,
    return_hash: Option<&str>,
    now_ms: i64,
) -> Result<()> {
    if let Some(hash) = return_hash {
        let sql = "SELECT EXISTS (SELECT 1 FROM sessions WHERE return_hash = ?1)
                       OR EXISTS (SELECT 1 FROM lightning_payments WHERE id = ?1)";
        if db.query_row(sql, [hash], |row| row.get(0))? {
            return Err(SellError::ReturnInvoiceUsed.into());
        }
    }
    db.execute(
        "INSERT INTO sessions (id, offer, state, session, return_hash, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (session.id().to_string(), offer, word(session), json(session)?, return_hash, now_ms),
    )?;
    Ok(())
}

/// Writes how a session stands, and how much of what it spent is in the ledger.
pub(super) fn update(db: &Connection, session: &Session, booked_sat: u64) -> Result<()> {
    db.prepare_cached(
        "UPDATE sessions SET state = ?2, session = ?3, booked_sat = ?4 WHERE id = ?1",
    )?
    .execute((
        session.id().to_string(),
        word(session),
        json(session)?,
        booked_sat,
    ))?;
    Ok(())
}

/// Notes the token that a session's rest went back as, so that recovery leaves it alone.
pub(super) fn note_token(
    db: &Connection,
    id: PaymentHash,
    operation: Uuid,
    token: &str,
) -> Result<()> {
    db.execute(
        "UPDATE sessions SET refund_operation = ?2, refund_token = ?3 WHERE id = ?1",
        (id.to_string(), operation.to_string(), token),
    )?;
    Ok(())
}

/// One session, over or not. One that a backup doesn't know the end of is gone.
pub(super) fn find(db: &Connection, id: PaymentHash) -> Result<Option<Live>> {
    let sql =
        "SELECT offer, session, booked_sat FROM sessions WHERE id = ?1 AND state != 'restored'";
    let row = db.query_row(sql, [id.to_string()], read).optional()?;
    row.map(live).transpose()
}

/// Those that aren't over.
pub(super) fn unfinished(db: &Connection) -> Result<Vec<Live>> {
    let mut statement = db.prepare(
        "SELECT offer, session, booked_sat FROM sessions WHERE state NOT IN ('closed', 'restored')",
    )?;
    let rows: Vec<_> = statement
        .query_map([], read)?
        .collect::<std::result::Result<_, _>>()?;
    rows.into_iter().map(live).collect()
}

/// The newest, oldest first.
pub(super) fn list(db: &Connection, limit: u32) -> Result<Vec<SessionView>> {
    let mut statement =
        db.prepare("SELECT id, offer, state, session, created_ms FROM sessions ORDER BY created_ms DESC LIMIT ?1")?;
    let rows = statement.query_map([limit], |row| {
        let session: String = row.get(3)?;
        let session = serde_json::from_str::<Session>(&session).ok();
        Ok(SessionView {
            id: row.get(0)?,
            offer: row.get(1)?,
            state: row.get(2)?,
            deposits_sat: session.as_ref().map_or(0, Session::deposits_sat),
            spent_sat: session.as_ref().map_or(0, Session::spent_sat),
            created_ms: row.get(4)?,
        })
    })?;
    let mut views: Vec<_> = rows.collect::<std::result::Result<_, _>>()?;
    views.reverse();
    Ok(views)
}

/// After a restore: a rest may have gone back since the backup was made, so it doesn't go back by itself. It stays in
/// the account of deposits.
pub(crate) fn close_restored(db: &Connection) -> Result<u64> {
    let sql = "UPDATE sessions SET state = 'restored' WHERE state NOT IN ('closed', 'restored')";
    Ok(db.execute(sql, [])? as u64)
}

fn json(session: &Session) -> Result<String> {
    serde_json::to_string(session)
        .map_err(|error| NodeError::Config(format!("a session can't be written: {error}")))
}

fn read(row: &Row<'_>) -> rusqlite::Result<(String, String, u64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn live((offer, session, booked_sat): (String, String, u64)) -> Result<Live> {
    let session = serde_json::from_str(&session).map_err(|error| {
        NodeError::Config(format!("a session in the database can't be read: {error}"))
    })?;
    Ok(Live::new(&offer, session, booked_sat))
}
