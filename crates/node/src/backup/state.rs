//! What a restored node still has to do, as it stands in its database.

use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

use super::reconcile::Corrections;
use crate::error::{NodeError, Result};

const RETURNING: &str = "returning";
const MINT_CLOSED: &str = "mint_closed";
const WALLETS: &str = "wallet_generations";

/// A restore whose ecash and channels may still be on their way back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returning {
    /// Names the restore, and what it books.
    pub id: String,
    /// When it was, Unix milliseconds.
    pub restored_ms: i64,
    /// When its backup was made, Unix milliseconds; none if only the phrase was there.
    pub backup_created_ms: Option<i64>,
    /// Whether the node has a mint of its own.
    pub is_embedded: bool,
    /// How far it is.
    pub progress: Progress,
}

/// How far a restore is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Set when all ecash was looked for, and the books say what was found.
    pub ecash: Option<EcashFound>,
    /// True when nothing of a closed channel is waited for any more.
    pub channels_done: bool,
}

/// What came of looking for the ecash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EcashFound {
    /// For the owner and the purses.
    pub purses_sat: u64,
    /// From customers.
    pub till_sat: u64,
    /// Handed to somebody before, and not redeemed yet: theirs.
    pub handed_out_sat: u64,
    /// How the books were corrected.
    pub corrections: Corrections,
}

/// Notes a fresh restore. A mint of the node's own is closed by it, and the wallets at it get new secrets: the mint
/// may not know any more which ones it has signed.
pub(super) fn save(db: &Connection, returning: &Returning) -> Result<()> {
    write_json(db, RETURNING, returning)?;
    if returning.is_embedded {
        let mut generations = generations(db)?;
        generations.push(returning.id.clone());
        write_json(db, WALLETS, &generations)?;
        write_json(db, MINT_CLOSED, &true)?;
    }
    Ok(())
}

pub(super) fn update(db: &Connection, returning: &Returning) -> Result<()> {
    write_json(db, RETURNING, returning)
}

pub(super) fn load(db: &Connection) -> Result<Option<Returning>> {
    read_json(db, RETURNING)
}

/// The names of the secrets that the wallets at the node's own mint have had, besides the first ones, oldest first.
pub(super) fn generations(db: &Connection) -> Result<Vec<String>> {
    Ok(read_json(db, WALLETS)?.unwrap_or_default())
}

pub(super) fn is_mint_closed(db: &Connection) -> Result<bool> {
    Ok(read_json(db, MINT_CLOSED)?.unwrap_or(false))
}

pub(super) fn open_mint(db: &Connection) -> Result<()> {
    write_json(db, MINT_CLOSED, &false)
}

fn write_json(db: &Connection, key: &str, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string(value).map_err(|error| unreadable(key, &error))?;
    let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2)
               ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    db.execute(sql, (key, json))?;
    Ok(())
}

fn read_json<T: serde::de::DeserializeOwned>(db: &Connection, key: &str) -> Result<Option<T>> {
    let sql = "SELECT value FROM meta WHERE key = ?1";
    let json: Option<String> = db.query_row(sql, [key], |row| row.get(0)).optional()?;
    json.map(|json| serde_json::from_str(&json).map_err(|error| unreadable(key, &error)))
        .transpose()
}

fn unreadable(key: &str, error: &serde_json::Error) -> NodeError {
    NodeError::Config(format!("the database's note {key:?}: {error}"))
}
