//! Modes that are earned by payments that nobody disputes, and lost by the first that somebody does.

use rusqlite::Connection;
use serde::Serialize;

use super::history::{change, history, last_seq};
use super::{Mode, Policy, Purse, PurseName, find};
use crate::WalletError;
use crate::ledger::{self, Account, TransferState};

/// Who says that a payment wasn't worth its money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Disputant {
    /// The owner.
    Owner,
    /// The node: what was paid for never came.
    Node,
}

impl Disputant {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Node => "node",
        }
    }
}

/// Raises the mode if the purse has earned it since its mode last changed.
pub(super) fn raise(db: &Connection, purse: Purse, now_ms: i64) -> Result<Purse, WalletError> {
    let Some(rule) = purse.policy.promotion else {
        return Ok(purse);
    };
    if purse.policy.mode.next().is_none() {
        return Ok(purse);
    }
    let settled = settled_payments(db, &purse)?;
    let Some(mode) = rule.earned(purse.policy.mode, settled) else {
        return Ok(purse);
    };
    let reason = format!("{settled} payments were settled and none disputed");
    let policy = Policy {
        mode,
        ..purse.policy.clone()
    };
    change(db, &purse, policy, &reason, now_ms)
}

/// How many payments count towards the next mode: those that were begun since the mode last changed and since the last
/// dispute, and are settled.
///
/// # Errors
/// If the database fails.
pub fn settled_payments(db: &Connection, purse: &Purse) -> Result<u64, WalletError> {
    let disputed_seq: i64 = db
        .prepare_cached("SELECT COALESCE(MAX(after_seq), 0) FROM purse_disputes WHERE purse = ?1")?
        .query_row([purse.name.as_str()], |row| row.get(0))?;
    let since_seq = mode_since_seq(db, purse)?.max(disputed_seq);
    let account = Account::Purse(purse.name.clone());
    Ok(db
        .prepare_cached(
            "SELECT COUNT(*) FROM transfers
             WHERE debit = ?1 AND credit != ?2 AND state = 'posted' AND seq > ?3",
        )?
        .query_row(
            (account.to_string(), Account::Owner.to_string(), since_seq),
            |row| row.get(0),
        )?)
}

/// The ledger's last transfer before the mode became what it is.
fn mode_since_seq(db: &Connection, purse: &Purse) -> Result<i64, WalletError> {
    let versions = history(db, &purse.name)?;
    let same_mode = versions
        .iter()
        .rev()
        .take_while(|version| version.policy.mode == purse.policy.mode);
    Ok(same_mode.last().map_or(0, |first| first.after_seq))
}

/// Records that a payment wasn't worth its money. With a rule for earned modes, the purse is supervised from now on.
/// A repeated dispute of the same payment changes nothing.
///
/// # Errors
/// [`WalletError::NotAPayment`] if no purse has paid that; or a database error.
pub fn dispute(
    db: &Connection,
    transfer_id: &str,
    by: Disputant,
    reason: &str,
    now_ms: i64,
) -> Result<Purse, WalletError> {
    let missing = || WalletError::NotAPayment(transfer_id.to_owned());
    let paid = ledger::get(db, transfer_id)?.ok_or_else(missing)?;
    let name: Option<PurseName> = paid
        .debit
        .strip_prefix("purse:")
        .and_then(|name| name.parse().ok());
    let is_payment =
        paid.state != TransferState::Voided && paid.credit != Account::Owner.to_string();
    let purse = find(db, &name.filter(|_| is_payment).ok_or_else(missing)?)?;
    let reason: String = reason.chars().take(500).collect();
    let is_new = db
        .prepare_cached(
            "INSERT INTO purse_disputes (transfer_id, purse, disputed_by, reason, after_seq, disputed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute((
            transfer_id,
            purse.name.as_str(),
            by.as_str(),
            &reason,
            last_seq(db)?,
            now_ms,
        ))?;
    let is_ruled = purse.policy.promotion.is_some();
    if is_new == 0 || !is_ruled || purse.policy.mode == Mode::Supervised {
        return Ok(purse);
    }
    let policy = Policy {
        mode: Mode::Supervised,
        ..purse.policy.clone()
    };
    let why = format!(
        "payment {transfer_id} was disputed by the {}: {reason}",
        by.as_str()
    );
    change(db, &purse, policy, &why, now_ms)
}
