//! Approvals: payments that wait for a human's word. Each is good for one reservation, and no more than its price.

use rusqlite::{Connection, OptionalExtension, Row};
use serde::{Deserialize, Serialize};

use super::{DAY_MS, Intent, PurseName, clock};
use crate::WalletError;

/// How long a human has to decide, and after that the agent to pay.
pub const APPROVAL_MS: i64 = DAY_MS;
/// The most that may wait for one purse: what a human won't read protects nobody.
pub const WAITING_MAX: u32 = 16;
/// The most that are kept of those that came to nothing, for each purse.
const ENDED_MAX: u32 = 200;

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalState {
    /// For a human.
    Waiting,
    /// For the agent, who may pay now.
    Approved,
    /// A human said no; until the deadline the same isn't asked again.
    Denied,
    /// Nobody decided, or the agent didn't pay, or it now costs more.
    Expired,
    /// It was paid, or is being paid.
    Used,
}

impl ApprovalState {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Waiting, "waiting"),
        (Self::Approved, "approved"),
        (Self::Denied, "denied"),
        (Self::Expired, "expired"),
        (Self::Used, "used"),
    ];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let found = Self::ALL.iter().find(|(state, _)| *state == self);
        found.map_or("", |(_, text)| text)
    }
}

/// A payment that needs, or needed, a human's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Approval {
    /// Its number.
    pub id: i64,
    /// Whose money it is.
    pub purse: PurseName,
    /// The request's HTTP method.
    pub method: Option<String>,
    /// Where the request goes.
    pub host: Option<String>,
    /// Who gets the money, as far as it is known.
    pub payee: Option<String>,
    /// What is paid for.
    pub what: String,
    /// The most that it may cost, fees included.
    pub amount_msat: u64,
    /// Why a human is asked.
    pub reason: String,
    /// Since when, Unix milliseconds.
    pub asked_ms: i64,
    /// Until when it can be decided; once approved, until when it can be paid. Unix milliseconds.
    pub deadline_ms: i64,
    /// Where it stands.
    pub state: ApprovalState,
    /// The payment that used it.
    pub transfer_id: Option<String>,
}

/// A payment that needs an approval.
pub(super) struct Request<'a> {
    pub purse: &'a PurseName,
    /// The payment's idempotency key.
    pub key: &'a str,
    pub intent: &'a Intent,
    pub reason: String,
    /// The latest time that was seen.
    pub clock_ms: i64,
}

/// What there is for a payment that needs an approval.
pub(super) enum Answer {
    /// A human has approved it.
    Approved(Approval),
    /// It waits.
    Waiting(Approval),
}

/// Finds the approval for this payment, or queues it.
pub(super) fn answer(db: &Connection, request: &Request<'_>) -> Result<Answer, WalletError> {
    expire(db, request.clock_ms)?;
    let fingerprint = request.intent.fingerprint();
    let sql = format!(
        "SELECT {COLUMNS} FROM approvals WHERE purse = ?1 AND fingerprint = ?2
         AND (state IN ('waiting', 'approved') OR (state = 'denied' AND deadline_ms > ?3))
         ORDER BY id DESC LIMIT 1"
    );
    let found = db
        .prepare_cached(&sql)?
        .query_row(
            (request.purse.as_str(), fingerprint, request.clock_ms),
            read,
        )
        .optional()?;
    if let Some(found) = found {
        if found.state == ApprovalState::Denied {
            return Err(WalletError::ApprovalDenied(found.id));
        }
        if request.intent.amount_msat <= found.amount_msat {
            return Ok(match found.state {
                ApprovalState::Approved => Answer::Approved(found),
                _ => Answer::Waiting(found),
            });
        }
        // What a human sees never changes under their eyes: a higher price is another question.
        set_state(db, found.id, ApprovalState::Expired, request.clock_ms)?;
    }
    queue(db, request, &fingerprint).map(Answer::Waiting)
}

fn queue(
    db: &Connection,
    request: &Request<'_>,
    fingerprint: &[u8; 32],
) -> Result<Approval, WalletError> {
    let purse = request.purse.as_str();
    let sql = "SELECT COUNT(*) FILTER (WHERE state = 'waiting'),
                      COUNT(*) FILTER (WHERE request_key = ?2 AND state IN ('waiting', 'approved'))
               FROM approvals WHERE purse = ?1";
    let (waiting, same_key): (u32, u32) = db
        .prepare_cached(sql)?
        .query_row((purse, request.key), |row| Ok((row.get(0)?, row.get(1)?)))?;
    if same_key > 0 {
        return Err(WalletError::IdempotencyConflict(request.key.to_owned()));
    }
    if waiting >= WAITING_MAX {
        return Err(WalletError::ApprovalsFull(purse.to_owned()));
    }
    let intent = request.intent;
    let amount =
        i64::try_from(intent.amount_msat).map_err(|_| WalletError::Amount(intent.amount_msat))?;
    if amount == 0 {
        return Err(WalletError::Amount(0));
    }
    let what: String = intent.what.chars().take(500).collect();
    db.prepare_cached(
        "INSERT INTO approvals (purse, request_key, fingerprint, method, host, payee, what, amount_msat, reason,
             asked_ms, deadline_ms, state)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'waiting')",
    )?
    .execute((
        purse,
        request.key,
        fingerprint,
        &intent.method,
        intent.host.as_ref().map(ToString::to_string),
        &intent.payee,
        what,
        amount,
        &request.reason,
        request.clock_ms,
        request.clock_ms.saturating_add(APPROVAL_MS),
    ))?;
    let id = db.last_insert_rowid();
    forget_ended(db, purse)?;
    find_approval(db, id)
}

/// Binds an approval to the one payment that it is good for.
pub(super) fn consume(db: &Connection, id: i64, transfer_id: &str) -> Result<(), WalletError> {
    let sql = "UPDATE approvals SET state = 'used', transfer_id = ?2 WHERE id = ?1 AND state = 'approved'";
    match db.prepare_cached(sql)?.execute((id, transfer_id))? {
        1 => Ok(()),
        _ => Err(WalletError::UnknownApproval(id)),
    }
}

/// Says yes: the agent may pay this once, at this price or less.
///
/// # Errors
/// [`WalletError::UnknownApproval`]; [`WalletError::ApprovalState`] if it isn't waiting any more.
pub fn approve(db: &Connection, id: i64, now_ms: i64) -> Result<Approval, WalletError> {
    let clock_ms = clock::observe(db, now_ms)?;
    expire(db, clock_ms)?;
    let found = find_approval(db, id)?;
    match found.state {
        ApprovalState::Approved => return Ok(found),
        ApprovalState::Waiting => {}
        state => return Err(WalletError::ApprovalState { id, state }),
    }
    let sql =
        "UPDATE approvals SET state = 'approved', decided_ms = ?2, deadline_ms = ?3 WHERE id = ?1";
    let deadline_ms = clock_ms.saturating_add(APPROVAL_MS);
    db.prepare_cached(sql)?
        .execute((id, clock_ms, deadline_ms))?;
    find_approval(db, id)
}

/// Says no, also to what was approved and isn't paid yet.
///
/// # Errors
/// [`WalletError::UnknownApproval`]; [`WalletError::ApprovalState`] if it is too late.
pub fn deny(db: &Connection, id: i64, now_ms: i64) -> Result<Approval, WalletError> {
    let clock_ms = clock::observe(db, now_ms)?;
    expire(db, clock_ms)?;
    let found = find_approval(db, id)?;
    match found.state {
        ApprovalState::Denied => return Ok(found),
        ApprovalState::Waiting | ApprovalState::Approved => {}
        state => return Err(WalletError::ApprovalState { id, state }),
    }
    set_state(db, id, ApprovalState::Denied, clock_ms)?;
    find_approval(db, id)
}

/// The newest approvals, newest first; only those that are still open, or all.
///
/// # Errors
/// If the database fails.
pub fn approvals(
    db: &Connection,
    only_open: bool,
    limit: u32,
    now_ms: i64,
) -> Result<Vec<Approval>, WalletError> {
    expire(db, clock::latest(db, now_ms)?)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM approvals WHERE NOT ?1 OR state IN ('waiting', 'approved')
         ORDER BY id DESC LIMIT ?2"
    );
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map((only_open, limit), read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ends what nobody decided or used in time; remembers the time.
///
/// # Errors
/// If the database fails.
pub fn pass_time(db: &Connection, now_ms: i64) -> Result<(), WalletError> {
    let clock_ms = clock::observe(db, now_ms)?;
    expire(db, clock_ms)
}

/// Ends what is open for a purse that was revoked.
pub(super) fn close(db: &Connection, purse: &PurseName) -> Result<(), WalletError> {
    let sql = "UPDATE approvals SET state = 'expired' WHERE purse = ?1 AND state IN ('waiting', 'approved')";
    db.prepare_cached(sql)?.execute([purse.as_str()])?;
    Ok(())
}

fn expire(db: &Connection, clock_ms: i64) -> Result<(), WalletError> {
    let sql = "UPDATE approvals SET state = 'expired' WHERE state IN ('waiting', 'approved') AND deadline_ms <= ?1";
    db.prepare_cached(sql)?.execute([clock_ms])?;
    Ok(())
}

fn set_state(
    db: &Connection,
    id: i64,
    state: ApprovalState,
    decided_ms: i64,
) -> Result<(), WalletError> {
    db.prepare_cached("UPDATE approvals SET state = ?2, decided_ms = ?3 WHERE id = ?1")?
        .execute((id, state.as_str(), decided_ms))?;
    Ok(())
}

/// Those that were used stay: the audit asks for them.
fn forget_ended(db: &Connection, purse: &str) -> Result<(), WalletError> {
    let sql = "DELETE FROM approvals WHERE id IN (
                   SELECT id FROM approvals WHERE purse = ?1 AND state IN ('denied', 'expired')
                   ORDER BY id DESC LIMIT -1 OFFSET ?2)";
    db.prepare_cached(sql)?.execute((purse, ENDED_MAX))?;
    Ok(())
}

fn find_approval(db: &Connection, id: i64) -> Result<Approval, WalletError> {
    let sql = format!("SELECT {COLUMNS} FROM approvals WHERE id = ?1");
    let found = db.prepare_cached(&sql)?.query_row([id], read).optional()?;
    found.ok_or(WalletError::UnknownApproval(id))
}

const COLUMNS: &str =
    "id, purse, method, host, payee, what, amount_msat, reason, asked_ms, deadline_ms, state,
    transfer_id";

fn read(row: &Row<'_>) -> rusqlite::Result<Approval> {
    let (purse, state): (String, String) = (row.get(1)?, row.get(10)?);
    let known = ApprovalState::ALL.iter().find(|(_, text)| *text == state);
    Ok(Approval {
        id: row.get(0)?,
        purse: purse
            .parse()
            .map_err(|_| rusqlite::Error::InvalidColumnName(purse))?,
        method: row.get(2)?,
        host: row.get(3)?,
        payee: row.get(4)?,
        what: row.get(5)?,
        amount_msat: row.get(6)?,
        reason: row.get(7)?,
        asked_ms: row.get(8)?,
        deadline_ms: row.get(9)?,
        state: known.map_or(ApprovalState::Expired, |(state, _)| *state),
        transfer_id: row.get(11)?,
    })
}
