//! Modes that are earned and lost, and changes of a policy.

use wallet::Db;
use wallet::ledger::{self, Account, NewTransfer};
use wallet::purse::{self, Disputant, Mode, Policy, Promotion, Reserved};

use crate::world::{asked, assert_sound, code, pay, run, scout, with_purse};

fn earning(settled_payments: u32) -> Policy {
    Policy {
        mode: Mode::Supervised,
        promotion: Some(Promotion { settled_payments }),
        ..Policy::autonomous(10_000, 100_000, 100_000)
    }
}

fn mode(db: &Db) -> Mode {
    run(db, |tx| purse::find(tx, &scout())).unwrap().policy.mode
}

/// Asks, approves, pays and settles.
fn settle(db: &Db, id: &'static str) {
    if let Reserved::Asked(approval) = pay(db, id, id, 1_000, 1).unwrap() {
        run(db, move |tx| purse::approve(tx, approval.id, 1)).unwrap();
        assert_eq!(pay(db, id, id, 1_000, 1).unwrap(), Reserved::Now);
    }
    run(db, move |tx| ledger::post(tx, id, 1_000, 2)).unwrap();
}

fn dispute(db: &Db, id: &'static str) -> Mode {
    run(db, move |tx| {
        purse::dispute(tx, id, Disputant::Owner, "bad", 3)
    })
    .unwrap()
    .policy
    .mode
}

#[test]
fn a_mode_is_earned_by_payments_and_lost_by_the_first_dispute() {
    let db = with_purse(earning(2));
    settle(&db, "a");
    let _ = asked(pay(&db, "b", "b", 1_000, 1));
    settle(&db, "b");
    // Two are settled: this one goes by itself.
    settle(&db, "c");
    assert_eq!(mode(&db), Mode::Budgeted);
    settle(&db, "d");
    assert_eq!(pay(&db, "e", "e", 1_000, 1).unwrap(), Reserved::Now);
    assert_eq!(
        mode(&db),
        Mode::Autonomous,
        "c and d count, a and b did before"
    );
    assert_eq!(dispute(&db, "a"), Mode::Supervised);
    // It all begins anew; what was paid before doesn't count.
    let _ = asked(pay(&db, "f", "f", 1_000, 1));
    // The same dispute again changes nothing.
    settle(&db, "g");
    settle(&db, "h");
    assert_eq!(pay(&db, "i", "i", 1_000, 1).unwrap(), Reserved::Now);
    assert_eq!(dispute(&db, "a"), Mode::Budgeted);
    let history = run(&db, |tx| purse::history(tx, &scout())).unwrap();
    let modes: Vec<Mode> = history.iter().map(|one| one.policy.mode).collect();
    use Mode::{Autonomous, Budgeted, Supervised};
    assert_eq!(
        modes,
        [Supervised, Budgeted, Autonomous, Supervised, Budgeted]
    );
    assert!(
        history[3]
            .reason
            .contains("a was disputed by the owner: bad")
    );
    assert!(history[4].reason.contains("2 payments"));
    assert_sound(&db);
}

#[test]
fn what_is_only_reserved_or_called_off_earns_nothing() {
    let db = with_purse(Policy {
        mode: Mode::Budgeted,
        ..earning(1)
    });
    assert_eq!(pay(&db, "a", "a", 1_000, 1).unwrap(), Reserved::Now);
    run(&db, |tx| ledger::void(tx, "a", 2)).unwrap();
    assert_eq!(pay(&db, "b", "b", 1_000, 3).unwrap(), Reserved::Now);
    assert_eq!(pay(&db, "c", "c", 1_000, 4).unwrap(), Reserved::Now);
    assert_eq!(mode(&db), Mode::Budgeted);
}

#[test]
fn without_a_rule_a_dispute_is_a_note() {
    let db = with_purse(Policy::autonomous(10_000, 100_000, 100_000));
    settle(&db, "a");
    assert_eq!(dispute(&db, "a"), Mode::Autonomous);
}

#[test]
fn only_a_purses_payment_can_be_disputed() {
    let db = with_purse(earning(1));
    run(&db, |tx| {
        let back = NewTransfer {
            id: "back",
            debit: &Account::Purse(scout()),
            credit: &Account::Owner,
            amount_msat: 1,
            memo: "",
            now_ms: 1,
        };
        ledger::transfer(tx, &back)
    })
    .unwrap();
    for id in ["fund", "back", "nothing"] {
        let disputed = run(&db, move |tx| {
            purse::dispute(tx, id, Disputant::Node, "", 3)
        });
        assert_eq!(code(disputed), "payment_unknown", "{id}");
    }
}

#[test]
fn a_change_that_was_not_seen_is_not_overwritten() {
    let db = with_purse(earning(1));
    let set = |version| {
        run(&db, move |tx| {
            let policy = Policy::autonomous(1, 1, 1);
            purse::set_policy(tx, &scout(), version, &policy, 1)
        })
    };
    assert_eq!(set(1).unwrap().version, 2);
    assert_eq!(code(set(1)), "policy_changed");
    let nonsense = run(&db, |tx| {
        purse::set_policy(tx, &scout(), 2, &Policy::autonomous(0, 1, 1), 1)
    });
    assert_eq!(code(nonsense), "policy_invalid");
}

#[test]
fn the_audit_judges_by_what_held_then() {
    let db = with_purse(Policy::autonomous(10_000, 100_000, 100_000));
    settle(&db, "a");
    run(&db, |tx| {
        purse::set_policy(tx, &scout(), 1, &Policy::autonomous(1, 1, 1), 5)
    })
    .unwrap();
    assert_sound(&db);
    // Somebody raises an amount behind the policy's back.
    run(&db, |tx| {
        tx.execute(
            "UPDATE purse_policies SET policy = replace(policy, '10000,', '999,') WHERE version = 1",
            [],
        )?;
        Ok(())
    })
    .unwrap();
    let report = run(&db, |tx| ledger::check(tx)).unwrap();
    assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
}
