//! After a restore, the books are brought to what is really held: explicitly, by transfers that say so.
//!
//! Decisions and SQL only; the mint was asked before.

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::{MSAT_PER_SAT, WalletError, sat_to_msat};

use crate::error::Result;

/// What is in the ecash wallets, ready to be spent or on its way back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// For the owner and the purses.
    pub purses_sat: u64,
    /// From customers.
    pub till_sat: u64,
}

/// What the books were corrected by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrections {
    /// Found beyond what the books knew.
    pub recovered_sat: u64,
    /// Missing from what the books knew: spent after the backup, or not to be had back.
    pub lost_sat: u64,
}

/// One side of the books: what is held, and who owns it.
struct Side {
    asset: Account,
    owner: Account,
    name: &'static str,
}

/// Brings both sides to what is held. The same restore is booked once.
pub(crate) fn reconcile(db: &Connection, id: &str, held: Held, now_ms: i64) -> Result<Corrections> {
    let purses = Side {
        asset: Account::PurseEcash,
        owner: Account::Owner,
        name: "purses",
    };
    let till = Side {
        asset: Account::TillEcash,
        owner: Account::InferenceIncome,
        name: "till",
    };
    let mut sums = Corrections::default();
    for (side, held_sat) in [(purses, held.purses_sat), (till, held.till_sat)] {
        let booked_msat = -ledger::ensure_account(db, &side.asset)?.balance_msat;
        let held_msat = i64::try_from(sat_to_msat(held_sat)).unwrap_or(i64::MAX);
        let missing_msat = booked_msat - held_msat;
        let booking = Booking { db, id, now_ms };
        match missing_msat {
            0 => {}
            1.. => {
                booking.lose(&side, missing_msat.unsigned_abs())?;
                sums.lost_sat += missing_msat.unsigned_abs() / MSAT_PER_SAT;
            }
            _ => {
                booking.recover(&side, missing_msat.unsigned_abs())?;
                sums.recovered_sat += missing_msat.unsigned_abs() / MSAT_PER_SAT;
            }
        }
    }
    Ok(sums)
}

struct Booking<'a> {
    db: &'a Connection,
    id: &'a str,
    now_ms: i64,
}

impl Booking<'_> {
    fn recover(&self, side: &Side, amount_msat: u64) -> Result<()> {
        let what = format!("{}:recovered", side.name);
        let memo = "found again after a restore";
        self.book(&what, &side.asset, &side.owner, amount_msat, memo)
    }

    /// What isn't there can't be spent: it is taken from the owner first, then from the purses, then from what was
    /// earned, which has no floor.
    fn lose(&self, side: &Side, amount_msat: u64) -> Result<()> {
        let memo = "not found again after a restore";
        if side.owner != Account::Owner {
            let what = format!("{}:lost", side.name);
            return self.book(&what, &side.owner, &side.asset, amount_msat, memo);
        }
        self.gather(amount_msat)?;
        let owner_msat = available_msat(self.db, &side.owner)?.min(amount_msat);
        if owner_msat > 0 {
            let what = format!("{}:lost", side.name);
            self.book(&what, &side.owner, &side.asset, owner_msat, memo)?;
        }
        let rest_msat = amount_msat - owner_msat;
        if rest_msat > 0 {
            let what = format!("{}:lost-income", side.name);
            self.book(
                &what,
                &Account::InferenceIncome,
                &side.asset,
                rest_msat,
                memo,
            )?;
        }
        Ok(())
    }

    /// Moves from the purses to the owner what the owner lacks. It goes by way of the owner because it isn't the
    /// purse's spending, and counts against no budget.
    fn gather(&self, amount_msat: u64) -> Result<()> {
        for purse in wallet::purse::list(self.db)? {
            let lacking_msat =
                amount_msat.saturating_sub(available_msat(self.db, &Account::Owner)?);
            let account = Account::Purse(purse.name.clone());
            let part_msat = available_msat(self.db, &account)?.min(lacking_msat);
            if part_msat > 0 {
                let what = format!("purse:{}", purse.name);
                let memo = "after a restore less is there than the purses had";
                self.book(&what, &account, &Account::Owner, part_msat, memo)?;
            }
        }
        Ok(())
    }

    fn book(
        &self,
        what: &str,
        debit: &Account,
        credit: &Account,
        amount_msat: u64,
        memo: &str,
    ) -> Result<()> {
        let transfer = NewTransfer {
            id: &format!("restore:{}:{what}", self.id),
            debit,
            credit,
            amount_msat,
            memo,
            now_ms: self.now_ms,
        };
        Ok(ledger::transfer(self.db, &transfer)?)
    }
}

fn available_msat(db: &Connection, account: &Account) -> Result<u64, WalletError> {
    let state = ledger::ensure_account(db, account)?;
    Ok(state.available_msat().max(0).unsigned_abs())
}

/// What couldn't be settled, and was closed on the safe side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// Payments of which it isn't known whether they arrived: booked as paid, so that nothing is paid twice.
    pub payments: u64,
    /// Sales that were paid for and not answered: booked as earned, and not paid back by themselves, since they may
    /// have been answered after the backup.
    pub sales: u64,
    /// Sessions that weren't over: their rests may have gone back after the backup, and don't go back again.
    #[serde(default)]
    pub sessions: u64,
    /// Fundings that were under way.
    pub fundings: u64,
}

/// Why, as it stands in the rows.
const REASON: &str = "restored from a backup that doesn't know how it ended";

/// Closes what was under way when the backup was made, as far as no mint has to be asked: as if it had been paid,
/// because it may have been.
pub(crate) fn close_unknown(db: &Connection, now_ms: i64) -> Result<Closed> {
    // What the owner had approved may have been paid after the backup: it is asked again.
    let sql = "UPDATE approvals SET state = 'expired' WHERE state IN ('waiting', 'approved')";
    db.execute(sql, [])?;
    Ok(Closed {
        payments: close_lightning(db, now_ms)?
            + close_purse_payments(db, now_ms)?
            + crate::fetch::close_reserved(db, now_ms)?,
        sales: close_sales(db, now_ms)?,
        sessions: crate::sell::close_restored(db)?,
        fundings: db.execute("DELETE FROM fundings", [])? as u64,
    })
}

fn close_lightning(db: &Connection, now_ms: i64) -> Result<u64> {
    let open = wallet::cashier::books::payments(db, true, u32::MAX)?;
    for payment in &open {
        // The highest fee: what is left of it comes back when the books follow the chain.
        let fee_msat = payment.fee_max_msat;
        wallet::cashier::books::succeeded(db, &payment.id, fee_msat, None, now_ms)?;
        let sql = "UPDATE lightning_payments SET reason = ?2 WHERE id = ?1";
        db.execute(sql, (&payment.id, REASON))?;
    }
    Ok(open.len() as u64)
}

fn close_purse_payments(db: &Connection, now_ms: i64) -> Result<u64> {
    let mut statement = db.prepare(
        "SELECT payment_hash, attempt, amount_sat + fee_max_sat FROM purse_payments WHERE state = 'paying'",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let open: Vec<(String, u32, u64)> = rows.collect::<std::result::Result<_, _>>()?;
    for (hash, attempt, cost_sat) in &open {
        let id = format!("purse-pay:{hash}:{attempt}");
        ledger::post(db, &id, sat_to_msat(*cost_sat), now_ms)?;
        let sql =
            "UPDATE purse_payments SET state = 'settled', fee_sat = fee_max_sat, settled_ms = ?2
                   WHERE payment_hash = ?1";
        db.execute(sql, (hash, now_ms))?;
    }
    Ok(open.len() as u64)
}

fn close_sales(db: &Connection, now_ms: i64) -> Result<u64> {
    let mut statement =
        db.prepare("SELECT id, COALESCE(received_sat, 0) FROM sales WHERE state = 'paid'")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let open: Vec<(String, u64)> = rows.collect::<std::result::Result<_, _>>()?;
    for (id, received_sat) in &open {
        if *received_sat > 0 {
            let transfer = NewTransfer {
                id: &format!("sale:{id}:restored"),
                debit: &Account::SalesHeld,
                credit: &Account::InferenceIncome,
                amount_msat: sat_to_msat(*received_sat),
                memo: "a sale that was under way when the backup was made",
                now_ms,
            };
            ledger::transfer(db, &transfer)?;
        }
        let sql =
            "UPDATE sales SET state = 'settled', price_sat = received_sat, error_code = 'restored',
                   error_message = ?2, settled_ms = ?3 WHERE id = ?1";
        db.execute(sql, (id, REASON, now_ms))?;
    }
    Ok(open.len() as u64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wallet::Db;
    use wallet::cashier::books;
    use wallet::purse::{self, Agent, Intent, Policy, PurseName, Reserved, Spend};

    use super::*;

    fn name(text: &str) -> PurseName {
        text.parse().unwrap()
    }

    fn move_sat(db: &Connection, id: &str, debit: &Account, credit: &Account, sat: u64) {
        let transfer = NewTransfer {
            id,
            debit,
            credit,
            amount_msat: sat_to_msat(sat),
            memo: "",
            now_ms: 1,
        };
        ledger::transfer(db, &transfer).unwrap();
    }

    /// Runs `test` on books with two purses, in one transaction.
    fn with_books<T: Send + 'static>(test: impl FnOnce(&Connection) -> T + Send + 'static) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let db = Db::in_memory().unwrap();
        runtime
            .block_on(db.write(|tx| -> Result<T> {
                crate::node::create_tables(tx)?;
                for purse in ["ann", "bob"] {
                    let policy = Policy::autonomous(50_000, 50_000, 50_000);
                    let token_sha256 = if purse == "ann" { [1; 32] } else { [2; 32] };
                    purse::create(tx, &name(purse), &policy, &token_sha256, 1)?;
                }
                Ok(test(tx))
            }))
            .unwrap()
    }

    fn balance_sat(db: &Connection, account: &Account) -> i64 {
        ledger::ensure_account(db, account).unwrap().balance_msat / 1_000
    }

    fn assert_sound(db: &Connection) {
        let report = ledger::check(db).unwrap();
        assert!(report.findings.is_empty(), "{report:?}");
    }

    #[test]
    fn what_is_found_is_the_owners_and_what_is_earned_stays_earned() {
        with_books(|db| {
            let held = Held {
                purses_sat: 30,
                till_sat: 12,
            };
            for _ in 0..2 {
                let sums = reconcile(db, "r", held, 5).unwrap();
                assert!(sums.lost_sat == 0 && [42, 0].contains(&sums.recovered_sat));
            }
            assert_eq!(balance_sat(db, &Account::Owner), 30);
            assert_eq!(balance_sat(db, &Account::InferenceIncome), 12);
            assert_sound(db);
        });
    }

    #[test]
    fn a_payment_under_way_counts_as_paid_and_is_never_paid_again() {
        with_books(|db| {
            move_sat(db, "in", &Account::Lightning, &Account::OwnerLightning, 100);
            let new = books::NewPayment {
                id: "aa",
                holder: books::Holder::Owner,
                request: "lnbc1",
                amount_msat: 40_000,
                fee_max_msat: 1_000,
                now_ms: 2,
            };
            assert_eq!(books::begin(db, &new).unwrap(), books::Begun::Now);
            move_sat(db, "paid", &Account::TillEcash, &Account::SalesHeld, 9);
            db.execute(
                "INSERT INTO sales (id, state, request_sha256, max_price_sat, max_tokens, received_sat, created_ms)
                 VALUES ('s', 'paid', '', 9, 1, 9, 1)",
                [],
            )
            .unwrap();
            let closed = close_unknown(db, 3).unwrap();
            assert_eq!((closed.payments, closed.sales), (1, 1));
            assert_eq!(close_unknown(db, 4).unwrap(), Closed::default());
            assert!(matches!(
                books::begin(db, &new).unwrap(),
                books::Begun::Before(_)
            ));
            assert_eq!(balance_sat(db, &Account::OwnerLightning), 59);
            assert_eq!(balance_sat(db, &Account::SalesHeld), 0);
            assert!(ledger::pending(db).unwrap().is_empty());
            assert_sound(db);
        });
    }

    #[test]
    fn what_was_approved_before_a_restore_is_asked_again() {
        with_books(|db| {
            let ann = name("ann");
            let policy = Policy {
                mode: purse::Mode::Supervised,
                ..Policy::autonomous(50_000, 50_000, 50_000)
            };
            purse::set_policy(db, &ann, 1, &policy, 1).unwrap();
            let account = Account::Purse(ann.clone());
            move_sat(db, "in", &Account::PurseEcash, &account, 10);
            let pay = || {
                let spend = Spend {
                    agent: &Agent::from(ann.clone()),
                    intent: &Intent {
                        amount_msat: 5_000,
                        ..Intent::default()
                    },
                    credit: &Account::PurseEcash,
                    draw_from: None,
                    id: "p",
                    memo: "",
                };
                purse::reserve(db, &spend, 2).unwrap()
            };
            let Reserved::Asked(first) = pay() else {
                panic!("nobody was asked");
            };
            purse::approve(db, first.id, 3).unwrap();
            close_unknown(db, 4).unwrap();
            assert!(matches!(pay(), Reserved::Asked(second) if second.id != first.id));
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever the books said and whatever is there: afterwards both agree, and nobody is below zero.
        #[test]
        fn the_books_come_to_what_is_held(
            deposit in 0_u64..2_000,
            parts in (0_u64..50, 0_u64..50, 0_u64..50),
            earned in 0_u64..100,
            purses_sat in 0_u64..3_000,
            till_sat in 0_u64..200,
        ) {
            with_books(move |db| {
                let purse = |text: &str| Account::Purse(name(text));
                if deposit > 0 {
                    move_sat(db, "deposit", &Account::PurseEcash, &Account::Owner, deposit);
                }
                let (to_ann, to_bob) = (parts.0.min(deposit), parts.1.min(deposit - parts.0.min(deposit)));
                for (id, to, sat) in [("a", purse("ann"), to_ann), ("b", purse("bob"), to_bob)] {
                    if sat > 0 {
                        move_sat(db, id, &Account::Owner, &to, sat);
                    }
                }
                // A purse paid the node itself: no ecash moves by that.
                let called = parts.2.min(to_ann);
                if called > 0 {
                    let id = "call";
                    let spend = Spend {
                        agent: &Agent::from(name("ann")),
                        intent: &Intent { amount_msat: sat_to_msat(called), ..Intent::default() },
                        credit: &Account::InferenceIncome,
                        draw_from: None,
                        id,
                        memo: "",
                    };
                    assert_eq!(purse::reserve(db, &spend, 2).unwrap(), Reserved::Now);
                    ledger::post(db, id, sat_to_msat(called), 2).unwrap();
                }
                if earned > 0 {
                    move_sat(db, "e", &Account::TillEcash, &Account::InferenceIncome, earned);
                }
                let sums = reconcile(db, "r", Held { purses_sat, till_sat }, 5).unwrap();
                assert_eq!(
                    i128::from(sums.recovered_sat) - i128::from(sums.lost_sat),
                    i128::from(purses_sat + till_sat) - i128::from(deposit + earned),
                );
                assert_eq!(-balance_sat(db, &Account::PurseEcash), purses_sat as i64);
                assert_eq!(-balance_sat(db, &Account::TillEcash), till_sat as i64);
                assert_sound(db);
            });
        }
    }
}
