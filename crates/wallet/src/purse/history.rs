//! A purse's policies, each as long as it was in force: which one holds, why it changed, and what held back then.

use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use serde::Serialize;

use super::{Policy, Purse, PurseName, find};
use crate::WalletError;

/// A policy as it came into force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyVersion {
    /// From 1.
    pub version: u32,
    /// What held.
    pub policy: Policy,
    /// Why it came.
    pub reason: String,
    /// The ledger's last transfer before it.
    pub after_seq: i64,
    /// Since when, Unix milliseconds.
    pub changed_ms: i64,
}

/// All policies that a purse has had, first to last.
///
/// # Errors
/// If the database fails.
pub fn history(db: &Connection, name: &PurseName) -> Result<Vec<PolicyVersion>, WalletError> {
    let mut statement = db.prepare_cached(
        "SELECT version, policy, reason, after_seq, changed_ms FROM purse_policies
         WHERE purse = ?1 ORDER BY version",
    )?;
    let rows = statement.query_map([name.as_str()], |row| {
        Ok(PolicyVersion {
            version: row.get(0)?,
            policy: read_policy(row, 1)?,
            reason: row.get(2)?,
            after_seq: row.get(3)?,
            changed_ms: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Replaces a purse's policy, for the owner. `version` is the one that the owner has seen: a change that came between
/// (such as a mode that fell after a dispute) isn't overwritten.
///
/// # Errors
/// [`WalletError::PolicyInvalid`], [`WalletError::PolicyChanged`], [`WalletError::UnknownPurse`], or a database error.
pub fn set_policy(
    db: &Connection,
    name: &PurseName,
    version: u32,
    policy: &Policy,
    now_ms: i64,
) -> Result<Purse, WalletError> {
    let purse = find(db, name)?;
    if purse.version != version {
        return Err(WalletError::PolicyChanged(name.to_string()));
    }
    change(db, &purse, policy.clone(), "changed by the owner", now_ms)
}

/// Puts the next policy into force.
pub(super) fn change(
    db: &Connection,
    purse: &Purse,
    policy: Policy,
    reason: &str,
    now_ms: i64,
) -> Result<Purse, WalletError> {
    let version = purse.version + 1;
    insert(db, &purse.name, version, &policy, reason, now_ms)?;
    Ok(Purse {
        policy,
        version,
        ..purse.clone()
    })
}

pub(super) fn insert(
    db: &Connection,
    name: &PurseName,
    version: u32,
    policy: &Policy,
    reason: &str,
    now_ms: i64,
) -> Result<(), WalletError> {
    policy.check().map_err(WalletError::PolicyInvalid)?;
    let json = serde_json::to_string(policy)
        .map_err(|error| WalletError::PolicyInvalid(error.to_string()))?;
    db.prepare_cached(
        "INSERT INTO purse_policies (purse, version, policy, reason, after_seq, changed_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((name.as_str(), version, json, reason, last_seq(db)?, now_ms))?;
    Ok(())
}

/// The ledger's last transfer.
pub(super) fn last_seq(db: &Connection) -> Result<i64, WalletError> {
    Ok(db
        .prepare_cached("SELECT COALESCE(MAX(seq), 0) FROM transfers")?
        .query_row([], |row| row.get(0))?)
}

/// A policy that can't be read allows nothing: it is an error.
pub(super) fn read_policy(row: &Row<'_>, column: usize) -> rusqlite::Result<Policy> {
    let json: String = row.get(column)?;
    serde_json::from_str(&json).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}
