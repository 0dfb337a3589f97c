//! What each Lightning payment has bought: a row a call, written before the call is made.
//!
//! `begun` → `served`; or `interrupted`, if it isn't known that the buyer was served: then the same payment may try
//! again without being charged again. L402, charges and deposits share the names, so that an invoice that all of
//! them offer is worth something once.

use http402::mpp::session::DepositId;
use rusqlite::{Connection, OptionalExtension as _};

use super::SellError;
use crate::error::Result;

pub(super) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS payment_uses (
    payment     TEXT NOT NULL,
    call        INTEGER NOT NULL,
    purpose     TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('begun', 'interrupted', 'served')),
    attempts    INTEGER NOT NULL DEFAULT 1,
    created_ms  INTEGER NOT NULL,
    PRIMARY KEY (payment, call)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payment_uses_begun ON payment_uses (state) WHERE state = 'begun';
";

/// How often a call may be tried that was cut off: whoever hangs up in time must not make the upstream work for ever.
const ATTEMPTS_MAX: u32 = 5;

/// One call that a payment pays for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub payment: String,
    pub call: u32,
}

impl Use {
    /// Takes one of the `calls` that a payment buys for `purpose`: an interrupted one again, or a new one.
    ///
    /// # Errors
    /// `payment_used`; or `call_under_way`, as long as it may still break off.
    pub fn begin(
        db: &Connection,
        payment: &DepositId,
        purpose: &str,
        calls: u32,
        now_ms: i64,
    ) -> Result<Self> {
        let payment = payment.as_str();
        let interrupted = db
            .query_row(
                "SELECT call FROM payment_uses
                 WHERE payment = ?1 AND purpose = ?2 AND state = 'interrupted' AND attempts < ?3 ORDER BY call LIMIT 1",
                (payment, purpose, ATTEMPTS_MAX),
                |row| row.get::<_, u32>(0),
            )
            .optional()?;
        if let Some(call) = interrupted {
            db.execute(
                "UPDATE payment_uses SET state = 'begun', attempts = attempts + 1 WHERE payment = ?1 AND call = ?2",
                (payment, call),
            )?;
            return Ok(Self {
                payment: payment.to_owned(),
                call,
            });
        }
        let (used, begun, others): (u32, u32, u32) = db.query_row(
            "SELECT count(*), coalesce(sum(state = 'begun'), 0), coalesce(sum(purpose != ?2), 0)
             FROM payment_uses WHERE payment = ?1",
            (payment, purpose),
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        if used >= calls || others > 0 {
            // Whoever lost patience with a call must not take its payment for lost: it may still be cut off.
            return Err(match begun > 0 && others == 0 {
                true => SellError::CallUnderWay,
                false => SellError::PaymentUsed,
            }
            .into());
        }
        db.execute(
            "INSERT INTO payment_uses (payment, call, purpose, state, created_ms) VALUES (?1, ?2, ?3, 'begun', ?4)",
            (payment, used, purpose, now_ms),
        )?;
        Ok(Self {
            payment: payment.to_owned(),
            call: used,
        })
    }

    /// The buyer was served.
    pub fn served(&self, db: &Connection) -> Result<()> {
        self.set(db, "served")
    }

    /// The upstream failed: it was no call. It doesn't count as an attempt either, for it was no fault of the buyer's.
    pub fn failed(&self, db: &Connection) -> Result<()> {
        db.execute(
            "UPDATE payment_uses SET state = 'interrupted', attempts = attempts - 1
             WHERE payment = ?1 AND call = ?2 AND state = 'begun'",
            (&self.payment, self.call),
        )?;
        Ok(())
    }

    /// It isn't known what became of it.
    pub fn interrupted(&self, db: &Connection) -> Result<()> {
        self.set(db, "interrupted")
    }

    fn set(&self, db: &Connection, state: &str) -> Result<()> {
        db.execute(
            "UPDATE payment_uses SET state = ?3 WHERE payment = ?1 AND call = ?2 AND state = 'begun'",
            (&self.payment, self.call, state),
        )?;
        Ok(())
    }
}

/// A deposit, which is used up at once and for ever.
///
/// # Errors
/// `payment_used`.
pub(super) fn consume(
    db: &Connection,
    deposit: &DepositId,
    session: &str,
    now_ms: i64,
) -> Result<()> {
    let taken = Use::begin(db, deposit, &format!("session:{session}"), 1, now_ms)?;
    taken.served(db)
}

/// Whether a payment has bought anything here.
pub(crate) fn is_used(db: &Connection, payment: &DepositId) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT 1 FROM payment_uses WHERE payment = ?1)";
    Ok(db.query_row(sql, [payment.as_str()], |row| row.get(0))?)
}

/// At the start: what was under way when the node died.
pub(super) fn interrupt_all(db: &Connection) -> Result<()> {
    db.execute(
        "UPDATE payment_uses SET state = 'interrupted' WHERE state = 'begun'",
        [],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn db() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db
    }

    fn paid() -> DepositId {
        DepositId::lightning([7; 32].into())
    }

    fn begin(db: &Connection, calls: u32) -> Result<Use> {
        Use::begin(db, &paid(), "offer", calls, 1)
    }

    #[test]
    fn a_payment_buys_so_many_calls() {
        let db = db();
        for call in 0..3 {
            let taken = begin(&db, 3).unwrap();
            assert_eq!(taken.call, call);
            taken.served(&db).unwrap();
        }
        assert_eq!(begin(&db, 3).unwrap_err().code(), "payment_used");
    }

    #[test]
    fn what_was_cut_off_is_tried_again_and_not_for_ever() {
        let db = db();
        let first = begin(&db, 1).unwrap();
        // Not while it is under way: two at once would both be served.
        assert_eq!(begin(&db, 1).unwrap_err().code(), "call_under_way");
        interrupt_all(&db).unwrap();
        let mut tries = 0;
        while let Ok(again) = begin(&db, 1) {
            assert_eq!(again, first);
            again.interrupted(&db).unwrap();
            tries += 1;
        }
        assert_eq!(tries, ATTEMPTS_MAX - 1);
    }

    #[test]
    fn an_upstream_that_fails_costs_no_attempt() {
        let db = db();
        for _ in 0..3 * ATTEMPTS_MAX {
            begin(&db, 1).unwrap().failed(&db).unwrap();
        }
        begin(&db, 1).unwrap().served(&db).unwrap();
        assert!(begin(&db, 1).is_err());
    }

    #[test]
    fn a_payment_for_one_thing_buys_no_other() {
        let db = db();
        begin(&db, 2).unwrap().served(&db).unwrap();
        assert!(Use::begin(&db, &paid(), "other", 9, 1).is_err());
        assert!(consume(&db, &paid(), "s", 1).is_err());
        let deposit = DepositId::lightning([8; 32].into());
        consume(&db, &deposit, "s", 1).unwrap();
        assert!(consume(&db, &deposit, "s", 1).is_err());
        assert!(Use::begin(&db, &deposit, "offer", 9, 1).is_err());
    }
}
