//! The wallet's file: what the library keeps, our payments, labels, and where savings go, all in one
//! SQLite database, so that they change together or not at all.

use std::path::Path;
use std::time::Duration;

use bdk_wallet::chain::rusqlite::{Connection, OptionalExtension as _, Row, Transaction as Db};
use bdk_wallet::{ChangeSet, KeychainKind, Wallet};
use bitcoin::consensus::{deserialize, serialize};
use bitcoin::{Network, Transaction, Txid};

use super::views::{SpendKind, SpendState};
use super::{OnchainError, WatchKeys};
use crate::onchain::keys::Keys;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS spends (
    id          TEXT PRIMARY KEY NOT NULL,
    request     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    address     TEXT,
    amount_sat  INTEGER NOT NULL CHECK (amount_sat >= 0),
    fee_sat     INTEGER NOT NULL CHECK (fee_sat >= 0),
    takes_all   INTEGER NOT NULL,
    txid        TEXT NOT NULL,
    tx          BLOB NOT NULL,
    replaces    TEXT,
    state       TEXT NOT NULL CHECK (state IN ('recorded', 'sent', 'refused')),
    reason      TEXT,
    is_over     INTEGER NOT NULL DEFAULT 0,
    created_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS spends_by_txid ON spends (txid);
CREATE INDEX IF NOT EXISTS spends_open ON spends (is_over) WHERE is_over = 0;
CREATE TABLE IF NOT EXISTS labels (
    what   TEXT PRIMARY KEY NOT NULL,
    label  TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS facts (
    name   TEXT PRIMARY KEY NOT NULL,
    value  TEXT NOT NULL
) STRICT;
";

/// Set once all that ever was at any address has been looked for.
pub(crate) const IS_SCANNED: &str = "is_scanned";

/// A payment as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct SpendRow {
    pub id: String,
    pub request: String,
    pub kind: SpendKind,
    pub address: Option<String>,
    pub amount_sat: u64,
    pub fee_sat: u64,
    /// Whether it was to send all there is.
    pub takes_all: bool,
    pub tx: Transaction,
    pub replaces: Option<Txid>,
    pub state: SpendState,
    pub reason: Option<String>,
    pub created_ms: i64,
}

/// Opens the file for this process alone, with commits that survive a power cut.
pub(crate) fn open(path: &Path) -> Result<Connection, OnchainError> {
    make_private(path)?;
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_millis(200))?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    let in_use = |error| match is_busy(&error) {
        true => OnchainError::InUse(path.display().to_string()),
        false => error.into(),
    };
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(in_use)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // The lock is taken with the first write, and kept.
    connection
        .execute_batch(&format!("BEGIN IMMEDIATE; {SCHEMA} COMMIT;"))
        .map_err(in_use)?;
    Ok(connection)
}

/// What we own and whom we pay is for this user's eyes only. SQLite's journals are like the file.
fn make_private(path: &Path) -> Result<(), OnchainError> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .and_then(|file| file.set_permissions(private))
        .map_err(|error| OnchainError::File(format!("{}: {error}", path.display())))
}

fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    let code = error.sqlite_error_code();
    matches!(code, Some(DatabaseBusy | DatabaseLocked))
}

/// Reads the wallet, or makes it. `None` for the keys means: whatever wallet it is.
pub(crate) fn load(
    connection: &mut Connection,
    keys: Descriptions<'_>,
    network: Network,
) -> Result<Wallet, OnchainError> {
    let db = connection.transaction()?;
    ChangeSet::init_sqlite_tables(&db)?;
    let changes = ChangeSet::from_sqlite(&db)?;
    let is_new = changes.descriptor.is_none();
    let wallet = if is_new {
        let mut wallet = create(keys, network)?;
        if let Some(first) = wallet.take_staged() {
            first.persist_to_sqlite(&db)?;
        }
        wallet
    } else {
        reload(changes, keys, network)?
    };
    db.commit()?;
    Ok(wallet)
}

/// Whose wallet it is.
#[derive(Clone, Copy)]
pub(crate) enum Descriptions<'a> {
    Own(&'a Keys),
    Watched(&'a WatchKeys),
    /// What the file says.
    Stored,
}

fn create(keys: Descriptions<'_>, network: Network) -> Result<Wallet, OnchainError> {
    match keys {
        Descriptions::Own(keys) => Wallet::create(keys.external.clone(), keys.internal.clone())
            .network(network)
            .create_wallet_no_persist()
            .map_err(|error| OnchainError::Descriptor(error.to_string())),
        Descriptions::Watched(keys) => keys.watch_in_memory(),
        Descriptions::Stored => Err(OnchainError::OtherKeys("it is empty".into())),
    }
}

fn reload(
    changes: ChangeSet,
    keys: Descriptions<'_>,
    network: Network,
) -> Result<Wallet, OnchainError> {
    let (external, internal) = match keys {
        Descriptions::Own(keys) => (Some(keys.external.clone()), Some(keys.internal.clone())),
        Descriptions::Watched(keys) => (Some(keys.external.clone()), keys.internal.clone()),
        Descriptions::Stored => (None, None),
    };
    let mut params = Wallet::load().check_network(network);
    if external.is_some() {
        params = params
            .descriptor(KeychainKind::External, external)
            .descriptor(KeychainKind::Internal, internal);
    }
    let other = |why: String| OnchainError::OtherKeys(why);
    let wallet = params
        .load_wallet_no_persist(changes)
        .map_err(|error| match error {
            bdk_wallet::LoadError::Mismatch(bdk_wallet::LoadMismatch::Descriptor { .. }) => {
                other("its descriptors are others".into())
            }
            error => other(error.to_string()),
        })?;
    wallet.ok_or_else(|| other("it is empty".into()))
}

/// Records a payment.
pub(crate) fn insert_spend(db: &Db<'_>, spend: &SpendRow) -> Result<(), OnchainError> {
    db.prepare_cached(
        "INSERT INTO spends (id, request, kind, address, amount_sat, fee_sat, takes_all, txid, tx,
                             replaces, state, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'recorded', ?11)",
    )?
    .execute(rusqlite::params![
        spend.id,
        spend.request,
        spend.kind.as_str(),
        spend.address,
        to_i64(spend.amount_sat),
        to_i64(spend.fee_sat),
        spend.takes_all,
        spend.tx.compute_txid().to_string(),
        serialize(&spend.tx),
        spend.replaces.map(|txid| txid.to_string()),
        spend.created_ms,
    ])?;
    Ok(())
}

/// Says how far a payment is.
pub(crate) fn set_state(
    db: &Db<'_>,
    id: &str,
    state: SpendState,
    reason: Option<&str>,
) -> Result<(), OnchainError> {
    let state = match state {
        SpendState::Refused => "refused",
        SpendState::Recorded => "recorded",
        _ => "sent",
    };
    db.prepare_cached("UPDATE spends SET state = ?2, reason = ?3 WHERE id = ?1")?
        .execute((id, state, reason))?;
    Ok(())
}

/// Says that nothing more can come of a payment.
pub(crate) fn set_over(db: &Db<'_>, id: &str) -> Result<(), OnchainError> {
    db.prepare_cached("UPDATE spends SET is_over = 1 WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

const COLUMNS: &str = "id, request, kind, address, amount_sat, fee_sat, takes_all, tx, replaces, \
                       state, reason, created_ms";

/// The payment with an id.
pub(crate) fn spend(db: &Connection, id: &str) -> Result<Option<SpendRow>, OnchainError> {
    let found = db
        .prepare_cached(&format!("SELECT {COLUMNS} FROM spends WHERE id = ?1"))?
        .query_row([id], read_spend)
        .optional()?;
    Ok(found)
}

/// The payment that made a transaction.
pub(crate) fn spend_by_txid(db: &Connection, txid: Txid) -> Result<Option<SpendRow>, OnchainError> {
    let found = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM spends WHERE txid = ?1 LIMIT 1"
        ))?
        .query_row([txid.to_string()], read_spend)
        .optional()?;
    Ok(found)
}

/// Payments that something can still become of, oldest first.
pub(crate) fn open_spends(db: &Connection) -> Result<Vec<SpendRow>, OnchainError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM spends WHERE is_over = 0 AND state != 'refused'
         ORDER BY created_ms, rowid"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], read_spend)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest payments, newest first.
pub(crate) fn newest_spends(db: &Connection, limit: u32) -> Result<Vec<SpendRow>, OnchainError> {
    let sql = format!("SELECT {COLUMNS} FROM spends ORDER BY created_ms DESC, rowid DESC LIMIT ?1");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([limit], read_spend)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_spend(row: &Row<'_>) -> rusqlite::Result<SpendRow> {
    let damaged = |at: usize| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::InvalidColumnType(at, "damaged".into(), kind)
    };
    let kind: String = row.get(2)?;
    let tx: Vec<u8> = row.get(7)?;
    let replaces: Option<String> = row.get(8)?;
    let state: String = row.get(9)?;
    Ok(SpendRow {
        id: row.get(0)?,
        request: row.get(1)?,
        kind: SpendKind::read(&kind).ok_or_else(|| damaged(2))?,
        address: row.get(3)?,
        amount_sat: to_u64(row.get(4)?),
        fee_sat: to_u64(row.get(5)?),
        takes_all: row.get(6)?,
        tx: deserialize(&tx).map_err(|_| damaged(7))?,
        replaces: replaces
            .map(|txid| txid.parse().map_err(|_| damaged(8)))
            .transpose()?,
        state: match state.as_str() {
            "recorded" => SpendState::Recorded,
            "sent" => SpendState::Sent,
            _ => SpendState::Refused,
        },
        reason: row.get(10)?,
        created_ms: row.get(11)?,
    })
}

/// Calls something by a name, or by none.
pub(crate) fn set_label(db: &Db<'_>, what: &str, label: &str) -> Result<(), OnchainError> {
    if label.is_empty() {
        db.execute("DELETE FROM labels WHERE what = ?1", [what])?;
    } else {
        db.execute(
            "INSERT INTO labels (what, label) VALUES (?1, ?2)
             ON CONFLICT DO UPDATE SET label = excluded.label",
            [what, label],
        )?;
    }
    Ok(())
}

/// What something is called.
pub(crate) fn label(db: &Connection, what: &str) -> Result<Option<String>, OnchainError> {
    let found = db
        .prepare_cached("SELECT label FROM labels WHERE what = ?1")?
        .query_row([what], |row| row.get(0))
        .optional()?;
    Ok(found)
}

/// Keeps a fact.
pub(crate) fn set_fact(db: &Db<'_>, name: &str, value: &str) -> Result<(), OnchainError> {
    db.execute(
        "INSERT INTO facts (name, value) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET value = excluded.value",
        [name, value],
    )?;
    Ok(())
}

/// Forgets a fact.
pub(crate) fn remove_fact(db: &Db<'_>, name: &str) -> Result<(), OnchainError> {
    db.execute("DELETE FROM facts WHERE name = ?1", [name])?;
    Ok(())
}

/// A fact that was kept.
pub(crate) fn fact(db: &Connection, name: &str) -> Result<Option<String>, OnchainError> {
    let found = db
        .query_row("SELECT value FROM facts WHERE name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()?;
    Ok(found)
}

/// Amounts of bitcoin are far below the limit.
fn to_i64(amount_sat: u64) -> i64 {
    i64::try_from(amount_sat).unwrap_or(i64::MAX)
}

fn to_u64(amount_sat: i64) -> u64 {
    u64::try_from(amount_sat).unwrap_or(0)
}
