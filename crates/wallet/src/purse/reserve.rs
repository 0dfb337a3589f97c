//! The one door through which an agent's money goes: decision and reservation are one transaction.

use rusqlite::Connection;

use super::approvals::{self, Answer, Approval, Request};
use super::{
    Agent, Cause, DAY_MS, HOUR_MS, Intent, MINUTE_MS, Spent, Verdict, clock, earned, find,
};
use crate::WalletError;
use crate::ledger::{self, Account, NewTransfer, TransferState};

/// A payment to be decided upon, and reserved.
#[derive(Clone, Copy, Debug)]
pub struct Spend<'a> {
    /// Who pays.
    pub agent: &'a Agent,
    /// What the policy looks at, the price among it.
    pub intent: &'a Intent,
    /// The account that gets the money.
    pub credit: &'a Account,
    /// If the purse has no money of its own: where what is needed is drawn from, once the payment is allowed.
    pub draw_from: Option<&'a Account>,
    /// Idempotency key: the same id is reserved once.
    pub id: &'a str,
    /// For people who read the ledger.
    pub memo: &'a str,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is reserved while an approval is waited for"]
pub enum Reserved {
    /// The money is reserved.
    Now,
    /// Nothing is reserved: a human is asked. The transaction must be committed all the same, or the question is lost.
    Asked(Box<Approval>),
}

/// Reserves a payment if token, policy and balance allow it, and a human where one has to. Repeating it does nothing.
///
/// # Errors
/// [`WalletError::Revoked`], [`WalletError::Policy`], [`WalletError::Narrowed`], [`WalletError::Insufficient`],
/// [`WalletError::ApprovalDenied`], [`WalletError::ApprovalsFull`], [`WalletError::TransferState`] if it was voided
/// before, or a database error; then nothing is reserved.
pub fn reserve(db: &Connection, spend: &Spend<'_>, now_ms: i64) -> Result<Reserved, WalletError> {
    let Agent { purse, delegation } = spend.agent;
    let found = find(db, purse)?;
    if found.revoked_ms.is_some() {
        return Err(WalletError::Revoked(purse.to_string()));
    }
    match ledger::get(db, spend.id)?.map(|known| known.state) {
        None => {}
        Some(TransferState::Voided) => {
            return Err(WalletError::TransferState {
                id: spend.id.to_owned(),
                state: "voided".to_owned(),
                wanted: "reserved",
            });
        }
        Some(_) => return book(db, spend, now_ms).map(|()| Reserved::Now),
    }
    let clock_ms = clock::observe(db, now_ms)?;
    let found = earned::raise(db, found, now_ms)?;
    delegation.permits(db, spend.intent, clock_ms)?;
    let spent = found.spent(db, now_ms)?;
    let approval = match found.policy.decides(&spent, spend.intent, clock_ms) {
        Verdict::Allow => None,
        Verdict::Refuse(reason) => {
            let purse = purse.to_string();
            return Err(WalletError::Policy { purse, reason });
        }
        Verdict::NeedsApproval(cause) => match ask(db, spend, cause, clock_ms)? {
            Answer::Approved(approval) => Some(approval.id),
            Answer::Waiting(approval) => return Ok(Reserved::Asked(Box::new(approval))),
        },
    };
    if let Some(source) = spend.draw_from {
        draw(db, spend, source, now_ms)?;
    }
    book(db, spend, now_ms)?;
    delegation.record(db, spend.id)?;
    if let Some(id) = approval {
        approvals::consume(db, id, spend.id)?;
    }
    Ok(Reserved::Now)
}

/// A human isn't asked for what couldn't be paid anyway.
fn ask(
    db: &Connection,
    spend: &Spend<'_>,
    cause: Cause,
    clock_ms: i64,
) -> Result<Answer, WalletError> {
    let account = ledger::ensure_account(db, &Account::Purse(spend.agent.purse.clone()))?;
    let available_msat = account.available_msat();
    let needed_msat = spend.intent.amount_msat;
    if spend.draw_from.is_none() && available_msat.max(0).unsigned_abs() < needed_msat {
        return Err(WalletError::Insufficient {
            account: account.name,
            available_msat,
            needed_msat,
        });
    }
    let request = Request {
        purse: &spend.agent.purse,
        key: spend.id,
        intent: spend.intent,
        reason: cause.to_string(),
        clock_ms,
    };
    approvals::answer(db, &request)
}

fn draw(
    db: &Connection,
    spend: &Spend<'_>,
    source: &Account,
    now_ms: i64,
) -> Result<(), WalletError> {
    let transfer = NewTransfer {
        id: &format!("{}:draw", spend.id),
        debit: source,
        credit: &Account::Purse(spend.agent.purse.clone()),
        amount_msat: spend.intent.amount_msat,
        memo: "drawn for the payment that follows",
        now_ms,
    };
    ledger::transfer(db, &transfer)
}

fn book(db: &Connection, spend: &Spend<'_>, now_ms: i64) -> Result<(), WalletError> {
    let transfer = NewTransfer {
        id: spend.id,
        debit: &Account::Purse(spend.agent.purse.clone()),
        credit: spend.credit,
        amount_msat: spend.intent.amount_msat,
        memo: spend.memo,
        now_ms,
    };
    ledger::reserve(db, &transfer)
}

/// What left the account, reservations included. A transfer dated in the future (the clock was set back) counts as
/// today's.
pub(super) fn spent(db: &Connection, account: &Account, now_ms: i64) -> Result<Spent, WalletError> {
    let sql = "SELECT COALESCE(SUM(msat) FILTER (WHERE created_ms > ?3), 0),
                      COALESCE(SUM(msat) FILTER (WHERE created_ms > ?4), 0),
                      COALESCE(SUM(msat), 0),
                      COUNT(*) FILTER (WHERE created_ms > ?5),
                      COUNT(*) FILTER (WHERE created_ms > ?3)
               FROM (SELECT created_ms,
                            CASE state WHEN 'voided' THEN 0 ELSE COALESCE(posted_msat, amount_msat) END AS msat
                     FROM transfers WHERE debit = ?1 AND credit != ?2)";
    let since = |window_ms: i64| now_ms.saturating_sub(window_ms);
    Ok(db.prepare_cached(sql)?.query_row(
        (
            account.to_string(),
            Account::Owner.to_string(),
            since(HOUR_MS),
            since(DAY_MS),
            since(MINUTE_MS),
        ),
        |row| {
            Ok(Spent {
                hour_msat: row.get(0)?,
                day_msat: row.get(1)?,
                total_msat: row.get(2)?,
                minute_payments: row.get(3)?,
                hour_payments: row.get(4)?,
            })
        },
    )?)
}
