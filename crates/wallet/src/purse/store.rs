//! Purses in the database, next to the ledger.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use super::{Budget, DAY_MS, PurseName, PurseToken, Spent};
use crate::WalletError;
use crate::ledger::{self, Account, NewTransfer};

/// A purse as it stands.
#[derive(Clone, Debug, Serialize)]
pub struct Purse {
    /// Its name.
    pub name: PurseName,
    /// Its limits.
    pub budget: Budget,
    /// Made at, Unix milliseconds.
    pub created_ms: i64,
    /// Revoked at, Unix milliseconds.
    pub revoked_ms: Option<i64>,
}

/// Makes a purse with no money in it.
///
/// # Errors
/// [`WalletError::PurseExists`], or a database error.
pub fn create(
    db: &Connection,
    name: &PurseName,
    budget: &Budget,
    token: &PurseToken,
    now_ms: i64,
) -> Result<Purse, WalletError> {
    if find_any(db, name)?.is_some() {
        return Err(WalletError::PurseExists(name.to_string()));
    }
    ledger::ensure_account(db, &Account::Purse(name.clone()))?;
    db.execute(
        "INSERT INTO purses
         (name, token_sha256, per_payment_msat, per_day_msat, total_msat, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (
            name.as_str(),
            PurseToken::digest(token.expose()),
            clamp(budget.per_payment_msat),
            clamp(budget.per_day_msat),
            clamp(budget.total_msat),
            now_ms,
        ),
    )?;
    find(db, name)
}

/// The purse with this name, revoked or not.
///
/// # Errors
/// [`WalletError::UnknownPurse`], or a database error.
pub fn find(db: &Connection, name: &PurseName) -> Result<Purse, WalletError> {
    find_any(db, name)?.ok_or_else(|| WalletError::UnknownPurse(name.to_string()))
}

/// The purse that this bearer token opens; none if it was revoked.
///
/// # Errors
/// If the database fails.
pub fn by_token(db: &Connection, token: &str) -> Result<Option<Purse>, WalletError> {
    if !PurseToken::looks_like(token) {
        return Ok(None);
    }
    let sql =
        format!("SELECT {COLUMNS} FROM purses WHERE token_sha256 = ?1 AND revoked_ms IS NULL");
    Ok(db
        .prepare_cached(&sql)?
        .query_row([PurseToken::digest(token)], read)
        .optional()?)
}

/// All purses, by name.
///
/// # Errors
/// If the database fails.
pub fn list(db: &Connection) -> Result<Vec<Purse>, WalletError> {
    let sql = format!("SELECT {COLUMNS} FROM purses ORDER BY name");
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

/// Reserves a payment if the purse's budget and balance allow it: the one door
/// through which an agent's money goes.
///
/// # Errors
/// [`WalletError::Revoked`], [`WalletError::Budget`], [`WalletError::Insufficient`], or a
/// database error; then nothing is reserved.
pub fn reserve(
    db: &Connection,
    name: &PurseName,
    credit: &Account,
    id: &str,
    amount_msat: u64,
    memo: &str,
    now_ms: i64,
) -> Result<(), WalletError> {
    let purse = find(db, name)?;
    if purse.revoked_ms.is_some() {
        return Err(WalletError::Revoked(name.to_string()));
    }
    let account = Account::Purse(name.clone());
    if ledger::get(db, id)?.is_none() {
        let spent = spent(db, &account, now_ms)?;
        purse
            .budget
            .allows(spent, amount_msat)
            .map_err(|reason| WalletError::Budget {
                purse: name.to_string(),
                reason,
            })?;
    }
    ledger::reserve(
        db,
        &NewTransfer {
            id,
            debit: &account,
            credit,
            amount_msat,
            memo,
            now_ms,
        },
    )
}

/// What left the account, reservations included. A transfer dated in the future
/// (the clock was set back) counts as today's.
pub(super) fn spent(db: &Connection, account: &Account, now_ms: i64) -> Result<Spent, WalletError> {
    let (day_msat, total_msat): (u64, u64) = db
        .prepare_cached(
            "SELECT COALESCE(SUM(COALESCE(posted_msat, amount_msat)) FILTER (WHERE created_ms > ?2), 0),
                    COALESCE(SUM(COALESCE(posted_msat, amount_msat)), 0)
             FROM transfers WHERE debit = ?1 AND state != 'voided' AND credit != ?3",
        )?
        .query_row((account.to_string(), now_ms - DAY_MS, Account::Owner.to_string()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Spent {
        day_msat,
        total_msat,
    })
}

impl Purse {
    /// What it spent or reserved so far.
    ///
    /// # Errors
    /// If the database fails.
    pub fn spent(&self, db: &Connection, now_ms: i64) -> Result<Spent, WalletError> {
        spent(db, &Account::Purse(self.name.clone()), now_ms)
    }
}

fn find_any(db: &Connection, name: &PurseName) -> Result<Option<Purse>, WalletError> {
    let sql = format!("SELECT {COLUMNS} FROM purses WHERE name = ?1");
    Ok(db
        .prepare_cached(&sql)?
        .query_row([name.as_str()], read)
        .optional()?)
}

const COLUMNS: &str = "name, per_payment_msat, per_day_msat, total_msat, created_ms, revoked_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Purse> {
    let name: String = row.get(0)?;
    Ok(Purse {
        name: name
            .parse()
            .map_err(|_| rusqlite::Error::InvalidColumnName(name))?,
        budget: Budget {
            per_payment_msat: row.get(1)?,
            per_day_msat: row.get(2)?,
            total_msat: row.get(3)?,
        },
        created_ms: row.get(4)?,
        revoked_ms: row.get(5)?,
    })
}

/// SQLite's integers end at `i64::MAX`; a larger limit is no limit anyway.
fn clamp(msat: u64) -> i64 {
    i64::try_from(msat).unwrap_or(i64::MAX)
}
