//! Lightning in the ledger: whose each payment is, what it cost, and what came in.
//!
//! Bitcoin in channels belongs to three: to the owner, to the embedded mint, which owes it to whoever holds its ecash,
//! and to buyers, who have deposits here. An outgoing payment is reserved here before a channel hears of it, for its
//! amount and the highest fee; what comes in is booked to whoever asked for it. Every function books in the caller's
//! transaction, and may be repeated.

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};

use crate::WalletError;
use crate::ledger::{self, Account, NewTransfer};

/// The tables of this module.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS lightning_invoices (
    payment_hash  TEXT PRIMARY KEY,
    holder        TEXT NOT NULL CHECK (holder IN ('owner', 'mint', 'sessions')),
    amount_msat   INTEGER,
    description   TEXT NOT NULL,
    created_ms    INTEGER NOT NULL,
    received_msat INTEGER CHECK (received_msat > 0),
    received_ms   INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS lightning_payments (
    id            TEXT PRIMARY KEY,
    holder        TEXT NOT NULL CHECK (holder IN ('owner', 'mint', 'sessions')),
    request       TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('pending', 'succeeded', 'failed')),
    amount_msat   INTEGER NOT NULL CHECK (amount_msat > 0),
    fee_max_msat  INTEGER NOT NULL CHECK (fee_max_msat >= 0),
    fee_msat      INTEGER,
    preimage      TEXT,
    reason        TEXT,
    attempts      INTEGER NOT NULL DEFAULT 1,
    created_ms    INTEGER NOT NULL,
    settled_ms    INTEGER
) STRICT;
";

/// Whose Lightning money it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Holder {
    /// The node's owner.
    Owner,
    /// The embedded mint, for those who hold its ecash.
    Mint,
    /// Buyers who made a deposit for a session.
    Sessions,
}

impl Holder {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Mint => "mint",
            Self::Sessions => "sessions",
        }
    }

    fn of(text: &str) -> Self {
        match text {
            "mint" => Self::Mint,
            "sessions" => Self::Sessions,
            _ => Self::Owner,
        }
    }

    const fn account(self) -> Account {
        match self {
            Self::Owner => Account::OwnerLightning,
            Self::Mint => Account::MintIssued,
            Self::Sessions => Account::Sessions,
        }
    }
}

/// Makes the tables of this module. Those of a version that knew fewer holders are copied: SQLite can't change a
/// `CHECK`.
///
/// # Errors
/// If the database fails; then nothing was changed.
pub fn prepare(db: &Connection) -> Result<(), rusqlite::Error> {
    db.execute_batch(SCHEMA)?;
    for table in ["lightning_invoices", "lightning_payments"] {
        let find = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?1";
        let sql: String = db.query_row(find, [table], |row| row.get(0))?;
        if !sql.contains("'sessions'") {
            db.execute_batch(&format!(
                "BEGIN IMMEDIATE;
                 ALTER TABLE {table} RENAME TO {table}_before;
                 {SCHEMA}
                 INSERT INTO {table} SELECT * FROM {table}_before;
                 DROP TABLE {table}_before;
                 COMMIT;"
            ))?;
        }
    }
    Ok(())
}

/// Where an outgoing payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PaymentState {
    /// It may still go either way, and its money is set aside.
    Pending,
    /// It arrived.
    Succeeded,
    /// It can't arrive any more.
    Failed,
}

impl PaymentState {
    fn of(text: &str) -> Self {
        match text {
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

/// An outgoing payment, as it is booked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedPayment {
    /// The payment's id in hex; of a BOLT 11 invoice, its payment hash.
    pub id: String,
    /// Whose money it is.
    pub holder: Holder,
    /// What was paid: an invoice, an offer, or a node's id.
    pub request: String,
    /// Where it stands.
    pub state: PaymentState,
    /// What the recipient gets.
    pub amount_msat: u64,
    /// What the way there may cost.
    pub fee_max_msat: u64,
    /// What the way there did cost.
    pub fee_msat: Option<u64>,
    /// The proof that it arrived, in hex.
    pub preimage: Option<String>,
    /// Why it failed.
    pub reason: Option<String>,
    /// How often it was tried. A payment that failed may be.
    pub attempts: u32,
    /// Begun at, Unix milliseconds.
    pub created_ms: i64,
    /// Over since, Unix milliseconds.
    pub settled_ms: Option<i64>,
}

/// An invoice that was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookedInvoice {
    /// Its payment hash in hex.
    pub payment_hash: String,
    /// Who asked for the money.
    pub holder: Holder,
    /// What was asked for, if that was said.
    pub amount_msat: Option<u64>,
    /// What it is for.
    pub description: String,
    /// Made at, Unix milliseconds.
    pub created_ms: i64,
    /// What came, if it did.
    pub received_msat: Option<u64>,
    /// When it came, Unix milliseconds.
    pub received_ms: Option<i64>,
}

/// What is to be paid.
#[derive(Clone, Debug)]
pub struct NewPayment<'a> {
    /// See [`BookedPayment`].
    pub id: &'a str,
    /// See [`BookedPayment`].
    pub holder: Holder,
    /// See [`BookedPayment`].
    pub request: &'a str,
    /// See [`BookedPayment`].
    pub amount_msat: u64,
    /// See [`BookedPayment`].
    pub fee_max_msat: u64,
    /// Now, Unix milliseconds.
    pub now_ms: i64,
}

/// Notes whose money an invoice brings, before anybody sees the invoice.
///
/// # Errors
/// If the database fails.
pub fn record_invoice(
    db: &Connection,
    payment_hash: &str,
    holder: Holder,
    amount_msat: Option<u64>,
    description: &str,
    now_ms: i64,
) -> Result<(), WalletError> {
    db.execute(
        "INSERT INTO lightning_invoices (payment_hash, holder, amount_msat, description, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        (
            payment_hash,
            holder.as_str(),
            amount_msat,
            description,
            now_ms,
        ),
    )?;
    Ok(())
}

/// Books what came in. What nobody here asked for (a keysend, say) is the owner's.
///
/// # Errors
/// If the database fails.
pub fn received(
    db: &Connection,
    payment_hash: &str,
    amount_msat: u64,
    now_ms: i64,
) -> Result<(), WalletError> {
    record_invoice(db, payment_hash, Holder::Owner, None, "", now_ms)?;
    settle_invoice(db, payment_hash, &Account::Lightning, amount_msat, now_ms)
}

/// Pays an invoice of this very node, if it is one: no channel moves, the money only belongs to somebody else now.
/// `false` if the invoice isn't ours.
///
/// # Errors
/// [`WalletError::Insufficient`], or [`WalletError::IdempotencyConflict`] if it was paid before.
pub fn pay_own(db: &Connection, new: &NewPayment<'_>) -> Result<bool, WalletError> {
    let Some(found) = invoice(db, new.id)? else {
        return Ok(false);
    };
    let before = payment(db, new.id)?;
    if before.is_some_and(|before| before.state == PaymentState::Succeeded) {
        return Ok(true);
    }
    // Who pays itself moves nothing, and who was paid isn't paid again.
    if found.holder == new.holder || found.received_msat.is_some() {
        return Err(WalletError::IdempotencyConflict(new.id.to_owned()));
    }
    settle_invoice(
        db,
        new.id,
        &new.holder.account(),
        new.amount_msat,
        new.now_ms,
    )?;
    db.execute(
        "INSERT INTO lightning_payments
         (id, holder, request, state, amount_msat, fee_max_msat, fee_msat, created_ms, settled_ms)
         VALUES (?1, ?2, ?3, 'succeeded', ?4, 0, 0, ?5, ?5)",
        (
            new.id,
            new.holder.as_str(),
            new.request,
            new.amount_msat,
            new.now_ms,
        ),
    )?;
    Ok(true)
}

fn settle_invoice(
    db: &Connection,
    payment_hash: &str,
    from: &Account,
    amount_msat: u64,
    now_ms: i64,
) -> Result<(), WalletError> {
    let Some(invoice) = invoice(db, payment_hash)? else {
        return Err(WalletError::UnknownInvoice(payment_hash.to_owned()));
    };
    if invoice.received_msat.is_some() {
        return Ok(());
    }
    let transfer = NewTransfer {
        id: &format!("lightning:in:{payment_hash}"),
        debit: from,
        credit: &invoice.holder.account(),
        amount_msat,
        memo: &invoice.description,
        now_ms,
    };
    ledger::transfer(db, &transfer)?;
    db.execute(
        "UPDATE lightning_invoices SET received_msat = ?2, received_ms = ?3 WHERE payment_hash = ?1",
        (payment_hash, amount_msat, now_ms),
    )?;
    Ok(())
}

/// Sets money aside for a payment, before a channel hears of it. A payment that failed may begin again; one that is
/// under way or arrived is left as it is, and comes back as it stands.
///
/// # Errors
/// [`WalletError::Insufficient`], [`WalletError::IdempotencyConflict`] if the id was used for another payment, or a
/// database error.
pub fn begin(db: &Connection, new: &NewPayment<'_>) -> Result<Begun, WalletError> {
    let attempt = match payment(db, new.id)? {
        Some(old) if old.request != new.request || old.holder != new.holder => {
            return Err(WalletError::IdempotencyConflict(new.id.to_owned()));
        }
        Some(old) if old.state != PaymentState::Failed => return Ok(Begun::Before(old)),
        Some(old) => old.attempts + 1,
        None => 1,
    };
    let transfer = NewTransfer {
        id: &transfer_id(new.id, attempt),
        debit: &new.holder.account(),
        credit: &Account::Lightning,
        amount_msat: new.amount_msat.saturating_add(new.fee_max_msat),
        memo: "Lightning payment",
        now_ms: new.now_ms,
    };
    ledger::reserve(db, &transfer)?;
    db.execute(
        "INSERT INTO lightning_payments
         (id, holder, request, state, amount_msat, fee_max_msat, attempts, created_ms)
         VALUES (?1, ?2, ?3, 'pending', ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO UPDATE SET state = 'pending', amount_msat = ?4, fee_max_msat = ?5,
             attempts = ?6, reason = NULL, settled_ms = NULL",
        (
            new.id,
            new.holder.as_str(),
            new.request,
            new.amount_msat,
            new.fee_max_msat,
            attempt,
            new.now_ms,
        ),
    )?;
    Ok(Begun::Now)
}

/// What [`begin`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The money is set aside: pay.
    Now,
    /// It was begun before, and didn't fail.
    Before(BookedPayment),
}

/// Books a payment that arrived. One that isn't booked as begun is none of ours to book.
///
/// # Errors
/// If the database fails, or it was booked as failed.
pub fn succeeded(
    db: &Connection,
    id: &str,
    fee_msat: u64,
    preimage: Option<&str>,
    now_ms: i64,
) -> Result<(), WalletError> {
    let Some(found) = payment(db, id)? else {
        return Ok(());
    };
    if found.state == PaymentState::Succeeded {
        return Ok(());
    }
    let transfer = transfer_id(id, found.attempts);
    // A fee above the limit can't be; if it could, the books would have to follow the channels all the same.
    let cost_msat = found
        .amount_msat
        .saturating_add(fee_msat.min(found.fee_max_msat));
    ledger::post(db, &transfer, cost_msat, now_ms)?;
    db.execute(
        "UPDATE lightning_payments SET state = 'succeeded', fee_msat = ?2, preimage = ?3, settled_ms = ?4
         WHERE id = ?1",
        (id, fee_msat, preimage, now_ms),
    )?;
    Ok(())
}

/// Gives back what was set aside for a payment that can't arrive any more.
///
/// # Errors
/// If the database fails, or it was booked as arrived.
pub fn failed(db: &Connection, id: &str, reason: &str, now_ms: i64) -> Result<(), WalletError> {
    let Some(found) = payment(db, id)? else {
        return Ok(());
    };
    if found.state == PaymentState::Failed {
        return Ok(());
    }
    ledger::void(db, &transfer_id(id, found.attempts), now_ms)?;
    db.execute(
        "UPDATE lightning_payments SET state = 'failed', reason = ?2, settled_ms = ?3 WHERE id = ?1",
        (id, reason, now_ms),
    )?;
    Ok(())
}

/// Brings the books to what the chain did: deposits, and what opening and closing cost. Returns the difference.
///
/// # Errors
/// [`WalletError::Insufficient`] if more is gone than the owner has there.
pub fn follow(
    db: &Connection,
    asset: &Account,
    owner: &Account,
    actual_msat: u64,
    id: &str,
    now_ms: i64,
) -> Result<i64, WalletError> {
    let booked_msat = -ledger::ensure_account(db, asset)?.balance_msat;
    let difference_msat = i64::try_from(actual_msat).unwrap_or(i64::MAX) - booked_msat;
    let (debit, credit, memo) = match difference_msat {
        0 => return Ok(0),
        1.. => (asset, owner, "came by the chain"),
        _ => (owner, asset, "went to the chain"),
    };
    let transfer = NewTransfer {
        id,
        debit,
        credit,
        amount_msat: difference_msat.unsigned_abs(),
        memo,
        now_ms,
    };
    ledger::transfer(db, &transfer)?;
    Ok(difference_msat)
}

/// One outgoing payment.
///
/// # Errors
/// If the database fails.
pub fn payment(db: &Connection, id: &str) -> Result<Option<BookedPayment>, WalletError> {
    let sql = format!("SELECT {PAYMENT} FROM lightning_payments WHERE id = ?1");
    Ok(db
        .prepare_cached(&sql)?
        .query_row([id], read_payment)
        .optional()?)
}

/// The newest outgoing payments, oldest first; or those that aren't over.
///
/// # Errors
/// If the database fails.
pub fn payments(
    db: &Connection,
    only_pending: bool,
    limit: u32,
) -> Result<Vec<BookedPayment>, WalletError> {
    let sql = format!(
        "SELECT {PAYMENT} FROM lightning_payments WHERE state = 'pending' OR NOT ?1
         ORDER BY created_ms DESC LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map((only_pending, limit), read_payment)?;
    let mut payments: Vec<_> = rows.collect::<Result<_, _>>()?;
    payments.reverse();
    Ok(payments)
}

/// One invoice.
///
/// # Errors
/// If the database fails.
pub fn invoice(db: &Connection, payment_hash: &str) -> Result<Option<BookedInvoice>, WalletError> {
    let sql = format!("SELECT {INVOICE} FROM lightning_invoices WHERE payment_hash = ?1");
    Ok(db
        .prepare_cached(&sql)?
        .query_row([payment_hash], read_invoice)
        .optional()?)
}

/// The newest invoices, oldest first.
///
/// # Errors
/// If the database fails.
pub fn invoices(db: &Connection, limit: u32) -> Result<Vec<BookedInvoice>, WalletError> {
    let sql = format!("SELECT {INVOICE} FROM lightning_invoices ORDER BY created_ms DESC LIMIT ?1");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([limit], read_invoice)?;
    let mut invoices: Vec<_> = rows.collect::<Result<_, _>>()?;
    invoices.reverse();
    Ok(invoices)
}

/// The ledger's name of an attempt.
fn transfer_id(id: &str, attempt: u32) -> String {
    format!("lightning:out:{id}:{attempt}")
}

const PAYMENT: &str = "id, holder, request, state, amount_msat, fee_max_msat, fee_msat, preimage, reason, attempts, \
                       created_ms, settled_ms";
const INVOICE: &str =
    "payment_hash, holder, amount_msat, description, created_ms, received_msat, received_ms";

fn read_payment(row: &Row<'_>) -> rusqlite::Result<BookedPayment> {
    let (holder, state): (String, String) = (row.get(1)?, row.get(3)?);
    Ok(BookedPayment {
        id: row.get(0)?,
        holder: Holder::of(&holder),
        request: row.get(2)?,
        state: PaymentState::of(&state),
        amount_msat: row.get(4)?,
        fee_max_msat: row.get(5)?,
        fee_msat: row.get(6)?,
        preimage: row.get(7)?,
        reason: row.get(8)?,
        attempts: row.get(9)?,
        created_ms: row.get(10)?,
        settled_ms: row.get(11)?,
    })
}

fn read_invoice(row: &Row<'_>) -> rusqlite::Result<BookedInvoice> {
    let holder: String = row.get(1)?;
    Ok(BookedInvoice {
        payment_hash: row.get(0)?,
        holder: Holder::of(&holder),
        amount_msat: row.get(2)?,
        description: row.get(3)?,
        created_ms: row.get(4)?,
        received_msat: row.get(5)?,
        received_ms: row.get(6)?,
    })
}

#[cfg(test)]
mod tests;
