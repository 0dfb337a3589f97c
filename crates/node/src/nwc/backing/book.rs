//! The books of payments that another wallet makes: rows and transfers, in one transaction each.

use rusqlite::{Connection, OptionalExtension, Row};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::lightning::Payable;
use wallet::nwc::{
    ErrorCode, Failure, Payment, PaymentState, Transaction, TransactionState, TransactionType,
};
use wallet::purse::{self, Agent, Approval, Intent, PurseName, Reserved, Spend};

use crate::error::{NodeError, Result};

/// A payment as its row has it.
#[derive(Clone, Debug)]
pub(super) struct BackedPayment {
    pub key: String,
    pub purse: PurseName,
    pub payment_hash: String,
    pub invoice: String,
    pub amount_msat: u64,
    reserved_msat: u64,
    pub expires_s: u64,
    state: String,
    preimage: Option<String>,
    fee_msat: u64,
    error: Option<String>,
    created_ms: i64,
    settled_ms: Option<i64>,
}

/// How a payment ended.
#[derive(Clone, Debug)]
pub(super) enum End {
    Paid {
        preimage: Option<String>,
        fee_msat: u64,
    },
    Failed(String),
}

/// What is reserved for the way: what it costs is the other wallet's to decide, and isn't known before.
pub(super) fn fee_reserve_msat(amount_msat: u64) -> u64 {
    (amount_msat / 100).max(10_000)
}

/// What came of the wish to pay.
#[derive(Debug)]
pub(super) enum Begun {
    /// It is recorded, and its money reserved.
    Now,
    /// Its key is known: it was begun before.
    Before(Box<BackedPayment>),
    /// The owner is asked first; nothing is recorded but the question.
    Asked(Box<Approval>),
}

/// Records a payment, draws what it may cost from the wallet that backs the purse, and reserves it.
pub(super) fn begin(
    db: &Connection,
    purse: &PurseName,
    payment: &Payment,
    now_ms: i64,
) -> Result<Begun> {
    if let Some(known) = find(db, &payment.key)? {
        return Ok(Begun::Before(Box::new(known)));
    }
    let same: Option<String> = db
        .prepare_cached(
            "SELECT key FROM nwc_payments WHERE payment_hash = ?1 AND state != 'failed'",
        )?
        .query_row([&payment.payment_hash], |row| row.get(0))
        .optional()?;
    if same.is_some() {
        return Err(NodeError::InvoicePaid);
    }
    let reserved_msat = payment
        .amount_msat
        .saturating_add(fee_reserve_msat(payment.amount_msat));
    let wallet: String = db
        .prepare_cached("SELECT wallet FROM nwc_backings WHERE purse = ?1")?
        .query_row([purse.as_str()], |row| row.get(0))?;
    let spend = Spend {
        agent: &Agent::from(purse.clone()),
        intent: &intent(payment, reserved_msat),
        credit: &Account::OtherWallets,
        draw_from: Some(&Account::OtherWallets),
        id: &transfer_id(&payment.key, ""),
        memo: "a Lightning invoice, paid by the wallet that backs the purse",
    };
    if let Reserved::Asked(approval) = purse::reserve(db, &spend, now_ms)? {
        return Ok(Begun::Asked(approval));
    }
    db.prepare_cached(
        "INSERT INTO nwc_payments (key, purse, wallet, payment_hash, invoice, amount_msat, reserved_msat,
             expires_s, state, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'paying', ?9)",
    )?
    .execute((
        &payment.key,
        purse.as_str(),
        wallet,
        &payment.payment_hash,
        &payment.invoice,
        payment.amount_msat,
        reserved_msat,
        i64::try_from(payment.expires_s).unwrap_or(i64::MAX),
        now_ms,
    ))?;
    Ok(Begun::Now)
}

/// What a policy decides upon: an invoice goes to no host, and to whoever wrote it.
fn intent(payment: &Payment, reserved_msat: u64) -> Intent {
    let payable = Payable::parse(&payment.invoice).ok();
    Intent {
        amount_msat: reserved_msat,
        payee: payable.and_then(|payable| payable.payee()),
        what: format!("Lightning invoice {}", payment.payment_hash),
        ..Intent::default()
    }
}

/// Books the end of a payment; the first end stands.
pub(super) fn settle(db: &Connection, key: &str, end: &End, now_ms: i64) -> Result<BackedPayment> {
    let payment = find(db, key)?.ok_or_else(|| unknown(key))?;
    if payment.state != "paying" {
        return Ok(payment);
    }
    let id = transfer_id(key, "");
    let cost_msat = match end {
        End::Failed(_) => 0,
        End::Paid { fee_msat, .. } => {
            let cost_msat = payment.amount_msat.saturating_add(*fee_msat);
            if cost_msat > payment.reserved_msat {
                // It is the other wallet's money, and gone; the purse isn't charged beyond its budget.
                tracing::warn!(
                    key,
                    fee_msat,
                    "a payment's fee was higher than what was reserved for it"
                );
            }
            cost_msat.min(payment.reserved_msat)
        }
    };
    if cost_msat == 0 {
        ledger::void(db, &id, now_ms)?;
    } else {
        ledger::post(db, &id, cost_msat, now_ms)?;
    }
    give_back(db, &payment, payment.reserved_msat - cost_msat, now_ms)?;
    let (state, preimage, fee_msat, error) = match end {
        End::Paid { preimage, fee_msat } => ("paid", preimage.clone(), *fee_msat, None),
        End::Failed(error) => ("failed", None, 0, Some(error.clone())),
    };
    db.prepare_cached(
        "UPDATE nwc_payments SET state = ?2, preimage = ?3, fee_msat = ?4, error = ?5, settled_ms = ?6
         WHERE key = ?1",
    )?
    .execute((
        key,
        state,
        preimage,
        i64::try_from(fee_msat).unwrap_or(i64::MAX),
        error,
        now_ms,
    ))?;
    find(db, key)?.ok_or_else(|| unknown(key))
}

/// What was drawn and not needed goes back by way of the owner: from a purse to the owner is no
/// spending, so it doesn't count against the budget.
fn give_back(db: &Connection, payment: &BackedPayment, left_msat: u64, now_ms: i64) -> Result<()> {
    if left_msat == 0 {
        return Ok(());
    }
    let purse = Account::Purse(payment.purse.clone());
    let memo = "not needed: back to the wallet that backs the purse";
    let (first, second) = (
        transfer_id(&payment.key, ":left"),
        transfer_id(&payment.key, ":back"),
    );
    book(db, &first, &purse, &Account::Owner, left_msat, memo, now_ms)?;
    book(
        db,
        &second,
        &Account::Owner,
        &Account::OtherWallets,
        left_msat,
        memo,
        now_ms,
    )
}

fn book(
    db: &Connection,
    id: &str,
    debit: &Account,
    credit: &Account,
    amount_msat: u64,
    memo: &str,
    now_ms: i64,
) -> Result<()> {
    let transfer = NewTransfer {
        id,
        debit,
        credit,
        amount_msat,
        memo,
        now_ms,
    };
    Ok(ledger::transfer(db, &transfer)?)
}

fn transfer_id(key: &str, part: &str) -> String {
    format!("nwc:{key}{part}")
}

fn unknown(key: &str) -> NodeError {
    NodeError::NotFound {
        what: "payment",
        id: key.to_owned(),
    }
}

const COLUMNS: &str = "key, purse, payment_hash, invoice, amount_msat, reserved_msat, expires_s, state, \
                       preimage, fee_msat, error, created_ms, settled_ms";

/// The payment with this key.
pub(super) fn find(db: &Connection, key: &str) -> Result<Option<BackedPayment>> {
    let sql = format!("SELECT {COLUMNS} FROM nwc_payments WHERE key = ?1");
    Ok(db.prepare_cached(&sql)?.query_row([key], read).optional()?)
}

/// Payments whose end isn't known, oldest first.
pub(super) fn open(db: &Connection) -> Result<Vec<BackedPayment>> {
    let sql =
        format!("SELECT {COLUMNS} FROM nwc_payments WHERE state = 'paying' ORDER BY created_ms");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

/// The newest payment of a purse with this hash.
pub(super) fn by_hash(
    db: &Connection,
    purse: &PurseName,
    payment_hash: &str,
) -> Result<Option<BackedPayment>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM nwc_payments WHERE purse = ?1 AND payment_hash = ?2
         ORDER BY created_ms DESC LIMIT 1"
    );
    let found = db.prepare_cached(&sql)?;
    let mut found = found;
    Ok(found
        .query_row((purse.as_str(), payment_hash), read)
        .optional()?)
}

/// A purse's payments, newest first.
pub(super) fn list(db: &Connection, purse: &PurseName, limit: u32) -> Result<Vec<BackedPayment>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM nwc_payments WHERE purse = ?1 ORDER BY created_ms DESC LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map((purse.as_str(), limit), read)?;
    Ok(rows.collect::<std::result::Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<BackedPayment> {
    let purse: String = row.get(1)?;
    Ok(BackedPayment {
        key: row.get(0)?,
        purse: purse
            .parse()
            .map_err(|_| rusqlite::Error::InvalidColumnName(purse))?,
        payment_hash: row.get(2)?,
        invoice: row.get(3)?,
        amount_msat: row.get(4)?,
        reserved_msat: row.get(5)?,
        expires_s: row.get(6)?,
        state: row.get(7)?,
        preimage: row.get(8)?,
        fee_msat: row.get(9)?,
        error: row.get(10)?,
        created_ms: row.get(11)?,
        settled_ms: row.get(12)?,
    })
}

impl BackedPayment {
    /// How it stands.
    pub fn payment_state(&self) -> PaymentState {
        match self.state.as_str() {
            // A wallet that paid and shows no preimage has paid all the same.
            "paid" => PaymentState::Paid {
                preimage: self.preimage.clone().unwrap_or_default(),
                fees_paid_msat: self.fee_msat,
            },
            "failed" => {
                let message = self.error.clone().unwrap_or_default();
                PaymentState::Failed(Failure::new(ErrorCode::PaymentFailed, message))
            }
            _ => PaymentState::Pending,
        }
    }

    /// As NIP-47 writes it.
    pub fn transaction(&self) -> Transaction {
        let seconds = |ms: i64| ms.max(0).unsigned_abs() / 1_000;
        let state = match self.state.as_str() {
            "paid" => TransactionState::Settled,
            "failed" => TransactionState::Failed,
            _ => TransactionState::Pending,
        };
        let is_paid = state == TransactionState::Settled;
        Transaction {
            kind: TransactionType::Outgoing,
            state: Some(state),
            invoice: Some(self.invoice.clone()),
            description: None,
            description_hash: None,
            preimage: self.preimage.clone(),
            payment_hash: self.payment_hash.clone(),
            amount_msat: self.amount_msat,
            fees_paid_msat: self.fee_msat,
            created_s: seconds(self.created_ms),
            expires_s: Some(self.expires_s),
            settled_s: self.settled_ms.filter(|_| is_paid).map(seconds),
        }
    }
}

#[cfg(test)]
#[path = "book_tests.rs"]
mod tests;
