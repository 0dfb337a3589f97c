//! Purses in the database, next to the ledger.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use super::history::{insert, read_policy};
use super::{Policy, PurseName, Spent, approvals, reserve};
use crate::WalletError;
use crate::ledger::{self, Account, NewTransfer};

/// A purse as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Purse {
    /// Its name.
    pub name: PurseName,
    /// What it may spend.
    pub policy: Policy,
    /// How often the policy was set, from 1.
    pub version: u32,
    /// Made at, Unix milliseconds.
    pub created_ms: i64,
    /// Revoked at, Unix milliseconds.
    pub revoked_ms: Option<i64>,
}

/// Makes a purse with no money in it. Of its token only a digest is kept.
///
/// # Errors
/// [`WalletError::PurseExists`], [`WalletError::PolicyInvalid`], or a database error.
pub fn create(
    db: &Connection,
    name: &PurseName,
    policy: &Policy,
    token_sha256: &[u8; 32],
    now_ms: i64,
) -> Result<Purse, WalletError> {
    if find_any(db, name)?.is_some() {
        return Err(WalletError::PurseExists(name.to_string()));
    }
    ledger::ensure_account(db, &Account::Purse(name.clone()))?;
    db.execute(
        "INSERT INTO purses (name, token_sha256, created_ms) VALUES (?1, ?2, ?3)",
        (name.as_str(), token_sha256, now_ms),
    )?;
    insert(db, name, 1, policy, "the purse was made", now_ms)?;
    find(db, name)
}

/// The purse with this name, revoked or not.
///
/// # Errors
/// [`WalletError::UnknownPurse`], or a database error.
pub fn find(db: &Connection, name: &PurseName) -> Result<Purse, WalletError> {
    find_any(db, name)?.ok_or_else(|| WalletError::UnknownPurse(name.to_string()))
}

/// The purse whose token has this digest; none if it was revoked.
///
/// # Errors
/// If the database fails.
pub fn by_token(db: &Connection, token_sha256: &[u8; 32]) -> Result<Option<Purse>, WalletError> {
    let sql = format!("{SELECT} WHERE p.token_sha256 = ?1 AND p.revoked_ms IS NULL");
    Ok(db
        .prepare_cached(&sql)?
        .query_row([token_sha256], read)
        .optional()?)
}

/// All purses, by name.
///
/// # Errors
/// If the database fails.
pub fn list(db: &Connection) -> Result<Vec<Purse>, WalletError> {
    let sql = format!("{SELECT} ORDER BY p.name");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes the token worthless at once, and gives what is available back to the
/// owner. Money that is still reserved follows when revoked again after it settled.
///
/// # Errors
/// [`WalletError::UnknownPurse`], or a database error.
pub fn revoke(
    db: &Connection,
    name: &PurseName,
    id: &str,
    now_ms: i64,
) -> Result<u64, WalletError> {
    find(db, name)?;
    db.execute(
        "UPDATE purses SET revoked_ms = COALESCE(revoked_ms, ?2) WHERE name = ?1",
        (name.as_str(), now_ms),
    )?;
    approvals::close(db, name)?;
    let account = Account::Purse(name.clone());
    let left_msat = ledger::ensure_account(db, &account)?
        .available_msat()
        .max(0)
        .unsigned_abs();
    if left_msat > 0 {
        ledger::transfer(
            db,
            &NewTransfer {
                id,
                debit: &account,
                credit: &Account::Owner,
                amount_msat: left_msat,
                memo: "purse revoked: the rest goes back to the owner",
                now_ms,
            },
        )?;
    }
    Ok(left_msat)
}

impl Purse {
    /// What it spent or reserved so far.
    ///
    /// # Errors
    /// If the database fails.
    pub fn spent(&self, db: &Connection, now_ms: i64) -> Result<Spent, WalletError> {
        reserve::spent(db, &Account::Purse(self.name.clone()), now_ms)
    }
}

fn find_any(db: &Connection, name: &PurseName) -> Result<Option<Purse>, WalletError> {
    let sql = format!("{SELECT} WHERE p.name = ?1");
    Ok(db
        .prepare_cached(&sql)?
        .query_row([name.as_str()], read)
        .optional()?)
}

const SELECT: &str = "SELECT p.name, v.policy, v.version, p.created_ms, p.revoked_ms
    FROM purses p JOIN purse_policies v ON v.purse = p.name
    AND v.version = (SELECT MAX(version) FROM purse_policies WHERE purse = p.name)";

fn read(row: &Row<'_>) -> rusqlite::Result<Purse> {
    let name: String = row.get(0)?;
    Ok(Purse {
        name: name
            .parse()
            .map_err(|_| rusqlite::Error::InvalidColumnName(name))?,
        policy: read_policy(row, 1)?,
        version: row.get(2)?,
        created_ms: row.get(3)?,
        revoked_ms: row.get(4)?,
    })
}
