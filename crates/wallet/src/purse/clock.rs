//! The latest time that was ever seen: with a clock that was set back, nothing that was over begins again.
//!
//! It holds for what ends (policies, tokens, approvals). Windows such as "the last 24 hours" take the clock as it is,
//! and count what is dated in its future: that errs on the safe side both ways.

use rusqlite::{Connection, OptionalExtension};

use crate::WalletError;

/// Remembers `now_ms`; the latest time that was seen.
pub(super) fn observe(db: &Connection, now_ms: i64) -> Result<i64, WalletError> {
    let sql = "INSERT INTO purse_clock (id, latest_ms) VALUES (1, ?1)
               ON CONFLICT (id) DO UPDATE SET latest_ms = MAX(latest_ms, ?1)";
    db.prepare_cached(sql)?.execute([now_ms])?;
    latest(db, now_ms)
}

/// The latest time that was seen, `now_ms` included.
pub(super) fn latest(db: &Connection, now_ms: i64) -> Result<i64, WalletError> {
    let seen: Option<i64> = db
        .prepare_cached("SELECT latest_ms FROM purse_clock")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(seen.map_or(now_ms, |seen| seen.max(now_ms)))
}
