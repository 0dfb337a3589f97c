//! Answers that were paid for, for whoever lost them on the way.
//!
//! A payment that is shown twice is refused: it may be meant for another call. A buyer that names its call by an
//! `Idempotency-Key` says that it is the same one; then a short answer is kept with what paid for it, and sent again.

use rusqlite::{Connection, OptionalExtension as _};

use crate::boxed;
use crate::error::Result;
use crate::node::{Node, now_ms};

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS kept_answers (
    payment     TEXT NOT NULL,
    key         TEXT NOT NULL,
    status      INTEGER NOT NULL,
    headers     TEXT NOT NULL,
    body        BLOB NOT NULL,
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (payment, key)
) STRICT;
CREATE INDEX IF NOT EXISTS kept_answers_age ON kept_answers (created_ms);
";

/// The longest body that is kept.
pub const KEPT_BYTES_MAX: u64 = 64 << 10;
/// The longest `Idempotency-Key`.
pub const KEY_BYTES_MAX: usize = 255;
/// So many answers are kept at most, the newest.
const KEPT_MAX: i64 = 10_000;
const KEPT_FOR_MS: i64 = 24 * 60 * 60 * 1_000;

/// An answer as its buyer was sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers; those that aren't text are left out.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl KeptAnswer {
    /// Keeps it for a payment, with the name of the call.
    pub(super) fn insert(
        &self,
        db: &Connection,
        payment: &str,
        key: &str,
        now_ms: i64,
    ) -> Result<()> {
        let headers = serde_json::to_string(&self.headers).unwrap_or_default();
        db.prepare_cached(
            "INSERT OR REPLACE INTO kept_answers (payment, key, status, headers, body, created_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((payment, key, self.status, headers, &self.body, now_ms))?;
        Ok(())
    }

    /// What was kept for this payment and this name.
    pub(super) fn find(db: &Connection, payment: &str, key: &str) -> Result<Option<Self>> {
        let sql = "SELECT status, headers, body FROM kept_answers WHERE payment = ?1 AND key = ?2";
        let found = db
            .prepare_cached(sql)?
            .query_row((payment, key), |row| {
                Ok((row.get(0)?, row.get::<_, String>(1)?, row.get(2)?))
            })
            .optional()?;
        Ok(found.map(|(status, headers, body)| Self {
            status,
            headers: serde_json::from_str(&headers).unwrap_or_default(),
            body,
        }))
    }
}

/// How an ecash payment is named here.
pub(super) fn of_sale(id: &str) -> String {
    format!("cashu:{id}")
}

/// Forgets what is old, and what is too much.
fn forget(db: &Connection, before_ms: i64) -> Result<()> {
    db.execute(
        "DELETE FROM kept_answers WHERE created_ms < max(?1,
             coalesce((SELECT created_ms FROM kept_answers ORDER BY created_ms DESC LIMIT 1 OFFSET ?2), 0))",
        (before_ms, KEPT_MAX),
    )?;
    Ok(())
}

impl Node {
    /// Forgets answers that nobody asks for any more.
    #[boxed]
    pub(crate) async fn forget_kept_answers(&self) -> Result<()> {
        let before_ms = now_ms() - KEPT_FOR_MS;
        self.inner.db.write(move |tx| forget(tx, before_ms)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db
    }

    fn answer(body: &str) -> KeptAnswer {
        KeptAnswer {
            status: 200,
            headers: vec![("content-type".into(), "text/plain".into())],
            body: body.into(),
        }
    }

    #[test]
    fn an_answer_is_for_its_payment_and_its_name() {
        let db = db();
        answer("a").insert(&db, "lightning:1", "x", 1).unwrap();
        assert_eq!(
            KeptAnswer::find(&db, "lightning:1", "x").unwrap(),
            Some(answer("a"))
        );
        for (payment, key) in [("lightning:1", "y"), ("lightning:2", "x")] {
            assert_eq!(KeptAnswer::find(&db, payment, key).unwrap(), None);
        }
    }

    #[test]
    fn the_old_and_the_many_are_forgotten() {
        let db = db();
        for n in 0..KEPT_MAX + 5 {
            answer("a").insert(&db, &n.to_string(), "x", n).unwrap();
        }
        let count = || -> i64 {
            db.query_row("SELECT count(*) FROM kept_answers", [], |row| row.get(0))
                .unwrap()
        };
        forget(&db, 0).unwrap();
        assert_eq!(count(), KEPT_MAX + 1);
        forget(&db, KEPT_MAX + 3).unwrap();
        assert_eq!(count(), 2);
    }
}
