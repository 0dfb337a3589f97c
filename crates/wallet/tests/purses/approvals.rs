//! What waits for a human.

use wallet::ledger;
use wallet::purse::{
    self, APPROVAL_MS, ApprovalState, DAY_MS, Mode, Policy, Reserved, WAITING_MAX,
};

use crate::world::{asked, assert_sound, code, pay, run, scout, spent_msat, with_purse};

fn supervised() -> Policy {
    Policy {
        mode: Mode::Supervised,
        ..Policy::autonomous(10_000, 30_000, 60_000)
    }
}

fn budgeted() -> Policy {
    Policy {
        mode: Mode::Budgeted,
        ..supervised()
    }
}

#[test]
fn an_approved_payment_is_made_once() {
    let db = with_purse(supervised());
    let id = asked(pay(&db, "a", "news", 5_000, 1));
    assert_eq!(
        asked(pay(&db, "a", "news", 5_000, 2)),
        id,
        "it is asked once"
    );
    assert_eq!(
        asked(pay(&db, "b", "news", 4_000, 3)),
        id,
        "by another key too"
    );
    assert_eq!(run(&db, |tx| Ok(spent_msat(tx))).unwrap(), 0);
    run(&db, move |tx| purse::approve(tx, id, 4)).unwrap();
    assert_eq!(pay(&db, "a", "news", 5_000, 5).unwrap(), Reserved::Now);
    // A repeat is the same payment; another key is another payment, and another question.
    assert_eq!(pay(&db, "a", "news", 5_000, 6).unwrap(), Reserved::Now);
    let second = asked(pay(&db, "b", "news", 5_000, 7));
    assert_ne!(second, id);
    assert_eq!(run(&db, |tx| Ok(spent_msat(tx))).unwrap(), 5_000);
    let all = run(&db, |tx| purse::approvals(tx, false, 10, 8)).unwrap();
    let states: Vec<_> = all.iter().map(|approval| approval.state).collect();
    assert_eq!(states, [ApprovalState::Waiting, ApprovalState::Used]);
    assert_eq!(all[1].transfer_id.as_deref(), Some("a"));
    assert_sound(&db);
}

#[test]
fn an_approval_is_for_one_request_at_one_price() {
    let db = with_purse(supervised());
    let id = asked(pay(&db, "a", "news", 5_000, 1));
    run(&db, move |tx| purse::approve(tx, id, 2)).unwrap();
    assert_ne!(asked(pay(&db, "b", "shoes", 5_000, 3)), id);
    // Dearer than what was approved: asked again, and the old word is void.
    let dearer = asked(pay(&db, "a", "news", 5_001, 4));
    assert_ne!(dearer, id);
    assert_eq!(asked(pay(&db, "a", "news", 5_000, 5)), dearer);
    assert_eq!(
        code(run(&db, move |tx| purse::approve(tx, id, 6))),
        "approval_state"
    );
    run(&db, move |tx| purse::approve(tx, dearer, 7)).unwrap();
    // Cheaper than what was approved is fine.
    assert_eq!(pay(&db, "a", "news", 4_000, 8).unwrap(), Reserved::Now);
    assert_sound(&db);
}

#[test]
fn a_key_is_for_one_request() {
    let db = with_purse(supervised());
    let _ = asked(pay(&db, "a", "news", 5_000, 1));
    assert_eq!(
        code(pay(&db, "a", "shoes", 5_000, 2)),
        "idempotency_conflict"
    );
}

#[test]
fn a_no_holds_until_the_deadline() {
    let db = with_purse(supervised());
    let id = asked(pay(&db, "a", "news", 5_000, 1));
    run(&db, move |tx| purse::deny(tx, id, 2)).unwrap();
    assert_eq!(code(pay(&db, "a", "news", 5_000, 3)), "approval_denied");
    assert_eq!(code(pay(&db, "b", "news", 9_000, 3)), "approval_denied");
    assert_eq!(
        code(run(&db, move |tx| purse::approve(tx, id, 4))),
        "approval_state"
    );
    let again = asked(pay(&db, "a", "news", 5_000, 1 + APPROVAL_MS));
    assert_ne!(again, id);
}

#[test]
fn a_deadline_that_has_passed_stays_passed() {
    let db = with_purse(supervised());
    let id = asked(pay(&db, "a", "news", 5_000, 1));
    let late = 1 + APPROVAL_MS;
    run(&db, move |tx| purse::pass_time(tx, late)).unwrap();
    // The clock is set back: what was over isn't open again.
    assert_eq!(
        code(run(&db, move |tx| purse::approve(tx, id, 2))),
        "approval_state"
    );
    // An approval that wasn't used in time is over too.
    let id = asked(pay(&db, "b", "news", 5_000, late));
    run(&db, move |tx| purse::approve(tx, id, late + 1)).unwrap();
    assert_ne!(
        asked(pay(&db, "b", "news", 5_000, late + 1 + APPROVAL_MS)),
        id
    );
}

#[test]
fn a_policy_that_has_expired_stays_expired() {
    let db = with_purse(Policy {
        expires_ms: Some(1_000),
        ..Policy::autonomous(10_000, 30_000, 60_000)
    });
    assert_eq!(pay(&db, "a", "x", 1, 999).unwrap(), Reserved::Now);
    run(&db, |tx| purse::pass_time(tx, 1_000)).unwrap();
    assert_eq!(code(pay(&db, "b", "x", 1, 5)), "policy_expired");
}

#[test]
fn a_human_lifts_limits_that_come_again_and_no_others() {
    let db = with_purse(budgeted());
    assert_eq!(pay(&db, "a", "small", 10_000, 1).unwrap(), Reserved::Now);
    let id = asked(pay(&db, "b", "large", 40_000, 2));
    run(&db, move |tx| purse::approve(tx, id, 3)).unwrap();
    assert_eq!(pay(&db, "b", "large", 40_000, 4).unwrap(), Reserved::Now);
    let _ = asked(pay(&db, "c", "over the day", 10_000, 5));
    assert_eq!(
        code(pay(&db, "d", "over all", 10_001, 2 * DAY_MS)),
        "budget_total"
    );
    // What was approved above a limit isn't an audit's finding.
    assert_sound(&db);
}

#[test]
fn an_approval_is_no_way_around_what_changed_since() {
    let db = with_purse(budgeted());
    let id = asked(pay(&db, "a", "large", 40_000, 1));
    run(&db, move |tx| purse::approve(tx, id, 2)).unwrap();
    run(&db, |tx| {
        let purse = purse::find(tx, &scout())?;
        let policy = Policy {
            total_msat: 30_000,
            ..purse.policy
        };
        purse::set_policy(tx, &scout(), purse.version, &policy, 3)
    })
    .unwrap();
    assert_eq!(code(pay(&db, "a", "large", 40_000, 4)), "budget_total");
}

#[test]
fn no_more_wait_than_a_human_reads() {
    let db = with_purse(supervised());
    for n in 0..WAITING_MAX {
        let _ = asked(pay(&db, &n.to_string(), &format!("{n}"), 1_000, 1));
    }
    assert_eq!(code(pay(&db, "x", "x", 1_000, 2)), "approvals_full");
    // Nor is anybody asked for what can't be paid.
    run(&db, |tx| purse::revoke(tx, &scout(), "r", 3)).unwrap();
    assert_eq!(code(pay(&db, "x", "x", 1_000, 4)), "purse_revoked");
    let open = run(&db, |tx| purse::approvals(tx, true, 100, 5)).unwrap();
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn a_question_needs_the_money_for_it() {
    let db = with_purse(Policy {
        mode: Mode::Supervised,
        ..Policy::autonomous(u64::MAX, u64::MAX, u64::MAX)
    });
    assert_eq!(code(pay(&db, "a", "x", 1_000_001, 1)), "insufficient_funds");
    assert_eq!(code(pay(&db, "a", "x", u64::MAX, 1)), "insufficient_funds");
    assert_eq!(code(pay(&db, "a", "x", 0, 1)), "amount_invalid");
    run(&db, |tx| ledger::check(tx)).unwrap();
}
