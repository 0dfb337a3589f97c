//! Payments that were under way when a backup was made, after a restore from it: they are closed, never paid again.
//!
//! An invoice that was about to be paid isn't paid now: it may have been, after the backup.
//!
//! Whether the seller got the token is the mint's to say. A token that nobody has redeemed is swapped for ecash that
//! only we know, and then the payment can be called off; one that was redeemed has paid.

use rusqlite::Connection;
use wallet::ecash::{EcashError, Reclaimed, Recovery};
use wallet::{ledger, sat_to_msat};

use super::{Payment, PaymentState};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

const REASON: &str = "restored from a backup that doesn't know how it ended";

/// Calls off the payments that had no token yet. One may have been made after the backup: then it is missing from the
/// ecash that is found, and the books are brought to that.
pub(crate) fn close_reserved(db: &Connection, now_ms: i64) -> Result<u64> {
    let mut closed = 0;
    for id in Payment::open_ids(db)? {
        let Some(mut payment) = Payment::find(db, &id)? else {
            continue;
        };
        let is_begun = payment.state == PaymentState::Paying && payment.protocol.is_lightning();
        if payment.state == PaymentState::Reserved {
            payment.error = Some(REASON.into());
            close(db, &mut payment, 0, now_ms)?;
            closed += 1;
        } else if is_begun {
            // What the wallet may have paid is closed with the wallet's own record.
            payment.error = Some(REASON.into());
            payment.state = PaymentState::Voided;
            payment.update(db, now_ms)?;
            closed += 1;
        }
    }
    Ok(closed)
}

/// Books a payment's end: what it cost, nothing included.
fn close(db: &Connection, payment: &mut Payment, spent_sat: u64, now_ms: i64) -> Result<()> {
    payment.spent_sat = Some(spent_sat);
    payment.state = match spent_sat {
        0 => PaymentState::Voided,
        _ => PaymentState::Settled,
    };
    ledger::post(db, &payment.transfer_id(), sat_to_msat(spent_sat), now_ms)?;
    payment.update(db, now_ms)
}

impl Node {
    /// Closes the payments whose tokens were made before the backup. Asks the mint.
    pub(crate) async fn close_restored_payments(&self, purses: &Recovery<'_>) -> Result<()> {
        for id in self.inner.db.write(|tx| Payment::open_ids(tx)).await? {
            let Some(mut payment) = self.find_payment(&id).await? else {
                continue;
            };
            // An invoice that was paid stays paid, and its proof can be shown as before.
            if payment.protocol.is_lightning() {
                continue;
            }
            let handed_sat = payment.amount_sat + payment.fee_sat;
            let spent_sat = match payment.state {
                PaymentState::Paying => match reclaimed_sat(purses, &payment.token).await? {
                    Some(_) => 0,
                    None => handed_sat,
                },
                PaymentState::Answered => {
                    let change_sat = reclaimed_sat(purses, &payment.change_token).await?;
                    handed_sat.saturating_sub(change_sat.unwrap_or(0))
                }
                _ => continue,
            };
            payment.error.get_or_insert_with(|| REASON.into());
            self.inner
                .db
                .write(move |tx| close(tx, &mut payment, spent_sat, now_ms()))
                .await?;
        }
        Ok(())
    }
}

/// What of the token is ours now; none if it was redeemed, or never was a token.
async fn reclaimed_sat(purses: &Recovery<'_>, token: &Option<String>) -> Result<Option<u64>> {
    let Some(token) = token else {
        return Ok(None);
    };
    match purses.reclaim_token(token).await {
        Ok(Reclaimed::Ours { amount_sat }) => Ok(Some(amount_sat)),
        Ok(Reclaimed::Theirs) => Ok(None),
        Err(EcashError::Malformed(_) | EcashError::Invalid(_)) => Ok(None),
        Err(error) => Err(NodeError::from(error)),
    }
}
