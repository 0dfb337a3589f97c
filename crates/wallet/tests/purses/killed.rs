//! A purse on the disk whose program dies between any two of its transactions, or in the middle of one.

use std::path::Path;

use rusqlite::Connection;
use wallet::purse::{self, Agent, ApprovalState, Mode, Policy, Reserved};
use wallet::{Db, WalletError};

use crate::world::{asked, assert_sound, code, found, intent, run, scout, spend, spent_msat};

fn open(path: &Path) -> Db {
    Db::open(path).unwrap()
}

fn pay(db: &Db) -> Result<Reserved, WalletError> {
    run(db, |tx| {
        spend(tx, &Agent::from(scout()), "a", &intent("news", 5_000), 2)
    })
}

/// Dies just before the commit: all but that is done.
fn pay_and_die(path: &Path) {
    let db = Connection::open(path).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reserved = spend(&db, &Agent::from(scout()), "a", &intent("news", 5_000), 2);
    assert_eq!(reserved.unwrap(), Reserved::Now);
    drop(db);
}

#[test]
fn an_approval_is_used_with_the_reservation_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("freehold.db");
    let policy = Policy {
        mode: Mode::Supervised,
        ..Policy::autonomous(10_000, 30_000, 60_000)
    };
    run(&open(&path), move |tx| found(tx, &policy)).unwrap();
    let id = asked(pay(&open(&path)));
    // The question outlives its program, and so does the answer.
    run(&open(&path), move |tx| purse::approve(tx, id, 3)).unwrap();
    pay_and_die(&path);
    let db = open(&path);
    let state = |db: &Db| {
        let all = run(db, |tx| purse::approvals(tx, false, 10, 3)).unwrap();
        assert_eq!(all.len(), 1);
        all[0].state
    };
    assert_eq!(state(&db), ApprovalState::Approved, "not used by who died");
    assert_eq!(run(&db, |tx| Ok(spent_msat(tx))).unwrap(), 0);
    assert_eq!(pay(&db).unwrap(), Reserved::Now);
    drop(db);
    let db = open(&path);
    assert_eq!(state(&db), ApprovalState::Used);
    assert_eq!(pay(&db).unwrap(), Reserved::Now, "the same payment");
    assert_eq!(run(&db, |tx| Ok(spent_msat(tx))).unwrap(), 5_000);
    assert_eq!(
        code(run(&db, move |tx| purse::deny(tx, id, 4))),
        "approval_state"
    );
    assert_sound(&db);
}
