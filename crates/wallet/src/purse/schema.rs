//! The purses' tables, and how those of older versions become them.

use rusqlite::Connection;

use super::{Policy, PurseName, history};
use crate::WalletError;

/// Only a token's SHA-256 is kept: a stolen database spends nothing. Policies are kept as they changed, so that the
/// audit knows what held when. What a narrowed token has spent is the sum of its transfers, and no number beside them.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS purses (
    name          TEXT PRIMARY KEY,
    token_sha256  BLOB NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    created_ms    INTEGER NOT NULL,
    revoked_ms    INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS purse_policies (
    purse       TEXT NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0),
    policy      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    after_seq   INTEGER NOT NULL,
    changed_ms  INTEGER NOT NULL,
    PRIMARY KEY (purse, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS approvals (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    purse        TEXT NOT NULL,
    request_key  TEXT NOT NULL,
    fingerprint  BLOB NOT NULL CHECK (length(fingerprint) = 32),
    method       TEXT,
    host         TEXT,
    payee        TEXT,
    what         TEXT NOT NULL,
    amount_msat  INTEGER NOT NULL CHECK (amount_msat > 0),
    reason       TEXT NOT NULL,
    asked_ms     INTEGER NOT NULL,
    deadline_ms  INTEGER NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('waiting', 'approved', 'denied', 'expired', 'used')),
    decided_ms   INTEGER,
    transfer_id  TEXT UNIQUE,
    CHECK ((state = 'used') = (transfer_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS approvals_open ON approvals (purse, fingerprint)
    WHERE state IN ('waiting', 'approved');
CREATE TABLE IF NOT EXISTS purse_disputes (
    transfer_id  TEXT PRIMARY KEY,
    purse        TEXT NOT NULL,
    disputed_by  TEXT NOT NULL CHECK (disputed_by IN ('owner', 'node')),
    reason       TEXT NOT NULL,
    after_seq    INTEGER NOT NULL,
    disputed_ms  INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS delegated_spends (
    token_id     BLOB NOT NULL CHECK (length(token_id) = 32),
    transfer_id  TEXT NOT NULL,
    PRIMARY KEY (token_id, transfer_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS purse_clock (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    latest_ms  INTEGER NOT NULL
) STRICT;
";

/// Until policies came, a purse's three limits were columns of its own.
const OLD_LIMITS: [&str; 3] = ["per_payment_msat", "per_day_msat", "total_msat"];

/// Makes the tables, and brings those of older versions up to date: all of it or nothing.
pub(crate) fn prepare(db: &Connection) -> Result<(), rusqlite::Error> {
    db.execute_batch(SCHEMA)?;
    if !has_old_limits(db)? {
        return Ok(());
    }
    let transaction = db.unchecked_transaction()?;
    // Another process may have been faster.
    if has_old_limits(&transaction)? {
        move_limits(&transaction).map_err(|error| match error {
            WalletError::Database(error) => error,
            other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
        })?;
    }
    transaction.commit()
}

fn has_old_limits(db: &Connection) -> Result<bool, rusqlite::Error> {
    let sql = "SELECT COUNT(*) FROM pragma_table_info('purses') WHERE name = ?1";
    let count: u32 = db.query_row(sql, [OLD_LIMITS[0]], |row| row.get(0))?;
    Ok(count > 0)
}

/// The limits become each purse's first policy, which holds for all that it has spent.
fn move_limits(db: &Connection) -> Result<(), WalletError> {
    let sql = "SELECT name, per_payment_msat, per_day_msat, total_msat, created_ms FROM purses";
    let mut statement = db.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let name: String = row.get(0)?;
        let name: PurseName = name
            .parse()
            .map_err(|_| rusqlite::Error::InvalidColumnName(name))?;
        let policy = Policy::autonomous(row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((name, policy, row.get::<_, i64>(4)?))
    })?;
    let purses: Vec<_> = rows.collect::<Result<_, _>>()?;
    drop(statement);
    for (name, policy, created_ms) in purses {
        history::insert(db, &name, 1, &policy, "the purse was made", created_ms)?;
    }
    db.execute("UPDATE purse_policies SET after_seq = 0", [])?;
    for column in OLD_LIMITS {
        db.execute_batch(&format!("ALTER TABLE purses DROP COLUMN {column}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::purse;

    const OLD: &str = "
        CREATE TABLE purses (
            name              TEXT PRIMARY KEY,
            token_sha256      BLOB NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
            per_payment_msat  INTEGER NOT NULL CHECK (per_payment_msat > 0),
            per_day_msat      INTEGER NOT NULL CHECK (per_day_msat > 0),
            total_msat        INTEGER NOT NULL CHECK (total_msat > 0),
            created_ms        INTEGER NOT NULL,
            revoked_ms        INTEGER
        ) STRICT;
        INSERT INTO purses VALUES ('scout', zeroblob(32), 1, 2, 3, 4, NULL);
        INSERT INTO purses VALUES ('old', randomblob(32), 5, 6, 9223372036854775807, 8, 9);
    ";

    #[test]
    fn purses_of_older_versions_keep_their_limits() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(crate::ledger::SCHEMA).unwrap();
        db.execute_batch(OLD).unwrap();
        db.execute_batch(
            "INSERT INTO accounts VALUES ('a', 'asset', 0, 0), ('b', 'asset', 0, 0);
             INSERT INTO transfers VALUES (1, 'x', 'a', 'b', 1, NULL, 'pending', '', 0, NULL);",
        )
        .unwrap();
        for _ in 0..2 {
            prepare(&db).unwrap();
            let scout = purse::by_token(&db, &[0; 32]).unwrap().unwrap();
            assert_eq!(scout.policy, Policy::autonomous(1, 2, 3));
            assert_eq!((scout.version, scout.created_ms), (1, 4));
            let old = purse::find(&db, &"old".parse().unwrap()).unwrap();
            assert_eq!(
                old.policy,
                Policy::autonomous(5, 6, i64::MAX.unsigned_abs())
            );
            assert_eq!(old.revoked_ms, Some(9));
            let history = purse::history(&db, &scout.name).unwrap();
            assert_eq!(history.len(), 1);
            assert_eq!(history[0].after_seq, 0, "it held for what was spent before");
        }
        let new: PurseName = "new".parse().unwrap();
        purse::create(&db, &new, &Policy::autonomous(1, 1, 1), &[7; 32], 0).unwrap();
    }
}
