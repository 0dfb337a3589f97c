//! Transfers: reserve, post, void.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::Serialize;

use super::account::{Account, AccountKind, ensure_account};
use crate::WalletError;

/// A movement to be booked.
#[derive(Clone, Debug)]
pub struct NewTransfer<'a> {
    /// Idempotency key: the same id books once.
    pub id: &'a str,
    /// The account whose balance falls.
    pub debit: &'a Account,
    /// The account whose balance rises.
    pub credit: &'a Account,
    /// How much, above zero.
    pub amount_msat: u64,
    /// For people who read the ledger.
    pub memo: &'a str,
    /// Now, Unix milliseconds.
    pub now_ms: i64,
}

/// Where a transfer stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferState {
    /// Reserved: counts as spent, its end isn't known yet.
    Pending,
    /// Done.
    Posted,
    /// Released.
    Voided,
}

impl TransferState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Posted => "posted",
            Self::Voided => "voided",
        }
    }
}

/// A booked movement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Its place in the ledger, from 1.
    pub seq: i64,
    /// Its idempotency key.
    pub id: String,
    /// The debited account.
    pub debit: String,
    /// The credited account.
    pub credit: String,
    /// What was reserved or asked for.
    pub amount_msat: u64,
    /// What was posted, at most `amount_msat`.
    pub posted_msat: Option<u64>,
    /// Where it stands.
    pub state: TransferState,
    /// For people.
    pub memo: String,
    /// Booked at, Unix milliseconds.
    pub created_ms: i64,
    /// Posted or voided at, Unix milliseconds.
    pub settled_ms: Option<i64>,
}

/// Books a movement at once. Repeating it with the same id and details does nothing.
///
/// # Errors
/// [`WalletError::Insufficient`], [`WalletError::IdempotencyConflict`], or a database error.
pub fn transfer(db: &Connection, new: &NewTransfer<'_>) -> Result<(), WalletError> {
    if insert(db, new, TransferState::Posted)? {
        move_balance(
            db,
            &new.debit.to_string(),
            &new.credit.to_string(),
            new.amount_msat,
        )?;
    }
    Ok(())
}

/// Reserves `amount_msat` on the debited account until [`post`] or [`void`].
///
/// # Errors
/// As for [`transfer`].
pub fn reserve(db: &Connection, new: &NewTransfer<'_>) -> Result<(), WalletError> {
    if insert(db, new, TransferState::Pending)? {
        add_reserved(db, &new.debit.to_string(), as_i64(new.amount_msat)?)?;
    }
    Ok(())
}

/// Settles a reservation with what it really cost; the rest is released. Posting
/// zero voids it. Repeating it with the same amount does nothing.
///
/// # Errors
/// [`WalletError::TransferState`] if it isn't pending, [`WalletError::Amount`] if it
/// cost more than was reserved.
pub fn post(db: &Connection, id: &str, cost_msat: u64, now_ms: i64) -> Result<(), WalletError> {
    let found = require(db, id, "posted")?;
    match found.state {
        TransferState::Posted if found.posted_msat == Some(cost_msat) => return Ok(()),
        TransferState::Pending if cost_msat == 0 => return void(db, id, now_ms),
        TransferState::Pending if cost_msat <= found.amount_msat => {}
        TransferState::Pending => return Err(WalletError::Amount(cost_msat)),
        state => return Err(wrong_state(id, state.as_str(), "posted")),
    }
    add_reserved(db, &found.debit, -as_i64(found.amount_msat)?)?;
    move_balance(db, &found.debit, &found.credit, cost_msat)?;
    settle(db, id, TransferState::Posted, Some(cost_msat), now_ms)
}

/// Releases a reservation. Repeating it does nothing.
///
/// # Errors
/// [`WalletError::TransferState`] if it was posted or doesn't exist.
pub fn void(db: &Connection, id: &str, now_ms: i64) -> Result<(), WalletError> {
    let found = require(db, id, "voided")?;
    match found.state {
        TransferState::Voided => Ok(()),
        TransferState::Posted => Err(wrong_state(id, "posted", "voided")),
        TransferState::Pending => {
            add_reserved(db, &found.debit, -as_i64(found.amount_msat)?)?;
            settle(db, id, TransferState::Voided, None, now_ms)
        }
    }
}

/// One transfer.
///
/// # Errors
/// If the database fails.
pub fn get(db: &Connection, id: &str) -> Result<Option<Transfer>, WalletError> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE id = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([id], read).optional()?)
}

/// All reservations whose end isn't known yet, oldest first.
///
/// # Errors
/// If the database fails.
pub fn pending(db: &Connection) -> Result<Vec<Transfer>, WalletError> {
    let sql = format!("SELECT {COLUMNS} FROM transfers WHERE state = 'pending' ORDER BY seq");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The newest `limit` transfers, oldest first, of one account or of all.
///
/// # Errors
/// If the database fails.
pub fn list(
    db: &Connection,
    account: Option<&Account>,
    limit: u32,
) -> Result<Vec<Transfer>, WalletError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM transfers WHERE ?1 IS NULL OR debit = ?1 OR credit = ?1
         ORDER BY seq DESC LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map((account.map(ToString::to_string), limit), read)?;
    let mut transfers: Vec<_> = rows.collect::<Result<_, _>>()?;
    transfers.reverse();
    Ok(transfers)
}

/// Writes the row. `false` if the very same transfer was there already.
fn insert(
    db: &Connection,
    new: &NewTransfer<'_>,
    state: TransferState,
) -> Result<bool, WalletError> {
    let amount = as_i64(new.amount_msat)?;
    if amount == 0 {
        return Err(WalletError::Amount(0));
    }
    if let Some(old) = get(db, new.id)? {
        let same = old.debit == new.debit.to_string()
            && old.credit == new.credit.to_string()
            && old.amount_msat == new.amount_msat;
        return if same {
            Ok(false)
        } else {
            Err(WalletError::IdempotencyConflict(new.id.into()))
        };
    }
    let debit = ensure_account(db, new.debit)?;
    ensure_account(db, new.credit)?;
    if new.debit.kind() == AccountKind::Liability && debit.available_msat() < amount {
        return Err(WalletError::Insufficient {
            available_msat: debit.available_msat(),
            account: debit.name,
            needed_msat: new.amount_msat,
        });
    }
    let posted = (state == TransferState::Posted).then_some((amount, new.now_ms));
    db.prepare_cached(
        "INSERT INTO transfers
         (id, debit, credit, amount_msat, posted_msat, state, memo, created_ms, settled_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute((
        new.id,
        new.debit.to_string(),
        new.credit.to_string(),
        amount,
        posted.map(|(amount, _)| amount),
        state.as_str(),
        new.memo,
        new.now_ms,
        posted.map(|(_, now_ms)| now_ms),
    ))?;
    Ok(true)
}

fn move_balance(db: &Connection, debit: &str, credit: &str, msat: u64) -> Result<(), WalletError> {
    let msat = as_i64(msat)?;
    let mut update =
        db.prepare_cached("UPDATE accounts SET balance_msat = balance_msat + ?2 WHERE name = ?1")?;
    update.execute((debit, -msat))?;
    update.execute((credit, msat))?;
    Ok(())
}

fn add_reserved(db: &Connection, account: &str, msat: i64) -> Result<(), WalletError> {
    db.prepare_cached("UPDATE accounts SET reserved_msat = reserved_msat + ?2 WHERE name = ?1")?
        .execute((account, msat))?;
    Ok(())
}

fn settle(
    db: &Connection,
    id: &str,
    state: TransferState,
    posted_msat: Option<u64>,
    now_ms: i64,
) -> Result<(), WalletError> {
    db.prepare_cached(
        "UPDATE transfers SET state = ?2, posted_msat = ?3, settled_ms = ?4 WHERE id = ?1",
    )?
    .execute((
        id,
        state.as_str(),
        posted_msat.map(as_i64).transpose()?,
        now_ms,
    ))?;
    Ok(())
}

fn require(db: &Connection, id: &str, wanted: &'static str) -> Result<Transfer, WalletError> {
    get(db, id)?.ok_or_else(|| wrong_state(id, "missing", wanted))
}

fn wrong_state(id: &str, state: &str, wanted: &'static str) -> WalletError {
    WalletError::TransferState {
        id: id.into(),
        state: state.into(),
        wanted,
    }
}

fn as_i64(msat: u64) -> Result<i64, WalletError> {
    i64::try_from(msat).map_err(|_| WalletError::Amount(msat))
}

const COLUMNS: &str =
    "seq, id, debit, credit, amount_msat, posted_msat, state, memo, created_ms, settled_ms";

fn read(row: &Row<'_>) -> rusqlite::Result<Transfer> {
    let state: String = row.get(6)?;
    Ok(Transfer {
        seq: row.get(0)?,
        id: row.get(1)?,
        debit: row.get(2)?,
        credit: row.get(3)?,
        amount_msat: row.get(4)?,
        posted_msat: row.get(5)?,
        state: match state.as_str() {
            "pending" => TransferState::Pending,
            "posted" => TransferState::Posted,
            _ => TransferState::Voided,
        },
        memo: row.get(7)?,
        created_ms: row.get(8)?,
        settled_ms: row.get(9)?,
    })
}
