//! The ledger and the purses through their public API.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use wallet::ledger::{self, Account, NewTransfer, TransferState};
use wallet::purse::{self, Agent, DAY_MS, Intent, Policy, PurseName, Reserved, Spend};
use wallet::{Db, WalletError};

const POLICY: Policy = Policy::autonomous(10_000, 30_000, 60_000);
const TOKEN_SHA256: [u8; 32] = [7; 32];

fn run<T: Send + 'static>(
    db: &Db,
    work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, WalletError> + Send + 'static,
) -> Result<T, WalletError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(db.write(work))
}

fn scout() -> PurseName {
    "scout".parse().unwrap()
}

fn fund(db: &rusqlite::Connection, amount_msat: u64) -> Result<(), WalletError> {
    ledger::transfer(
        db,
        &NewTransfer {
            id: "fund",
            debit: &Account::PurseEcash,
            credit: &Account::Purse(scout()),
            amount_msat,
            memo: "funding",
            now_ms: 0,
        },
    )
}

fn with_purse(funds_msat: u64) -> Db {
    let db = Db::in_memory().unwrap();
    run(&db, move |tx| {
        purse::create(tx, &scout(), &POLICY, &TOKEN_SHA256, 0)?;
        fund(tx, funds_msat)
    })
    .unwrap();
    db
}

fn reserve_in(
    db: &rusqlite::Connection,
    id: &str,
    amount_msat: u64,
    now_ms: i64,
) -> Result<(), WalletError> {
    let intent = Intent {
        amount_msat,
        ..Intent::default()
    };
    let spend = Spend {
        agent: &Agent::from(scout()),
        intent: &intent,
        credit: &Account::PurseEcash,
        draw_from: None,
        id,
        memo: "test",
    };
    let reserved = purse::reserve(db, &spend, now_ms)?;
    assert_eq!(reserved, Reserved::Now, "nobody is asked in this mode");
    Ok(())
}

fn reserve(db: &Db, id: &str, amount_msat: u64, now_ms: i64) -> Result<(), WalletError> {
    let id = id.to_owned();
    run(db, move |tx| reserve_in(tx, &id, amount_msat, now_ms))
}

fn code<T: std::fmt::Debug>(result: Result<T, WalletError>) -> &'static str {
    result.unwrap_err().code()
}

#[test]
fn a_reservation_counts_as_spent_until_it_is_settled() {
    let db = with_purse(15_000);
    reserve(&db, "a", 10_000, 1).unwrap();
    assert_eq!(code(reserve(&db, "b", 6_000, 2)), "insufficient_funds");
    run(&db, |tx| ledger::post(tx, "a", 4_000, 3)).unwrap();
    reserve(&db, "b", 6_000, 4).unwrap();
    run(&db, |tx| ledger::void(tx, "b", 5)).unwrap();
    let state = run(&db, |tx| {
        ledger::ensure_account(tx, &Account::Purse(scout()))
    })
    .unwrap();
    assert_eq!((state.balance_msat, state.reserved_msat), (11_000, 0));
    let report = run(&db, |tx| ledger::check(tx)).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.sum_msat, 0);
}

#[test]
fn every_limit_of_the_budget_holds_and_fees_count() {
    let db = with_purse(1_000_000);
    assert_eq!(code(reserve(&db, "big", 10_001, 0)), "budget_per_payment");
    for (id, now_ms) in [("a", 0), ("b", 1), ("c", 2)] {
        reserve(&db, id, 10_000, now_ms).unwrap();
    }
    assert_eq!(code(reserve(&db, "d", 1, 3)), "budget_per_day");
    // Just inside the window, then just outside.
    assert_eq!(
        code(reserve(&db, "d", 10_000, DAY_MS - 1)),
        "budget_per_day"
    );
    reserve(&db, "d", 10_000, DAY_MS).unwrap();
    reserve(&db, "e", 10_000, DAY_MS + 1).unwrap();
    reserve(&db, "f", 10_000, DAY_MS + 2).unwrap();
    assert_eq!(code(reserve(&db, "g", 1, 3 * DAY_MS)), "budget_total");
    // The clock set back doesn't open the day again.
    assert_eq!(
        code(reserve(&db, "h", 10_000, -5 * DAY_MS)),
        "budget_per_day"
    );
}

#[test]
fn the_same_id_pays_once_and_conflicts_are_refused() {
    let db = with_purse(50_000);
    reserve(&db, "a", 10_000, 0).unwrap();
    reserve(&db, "a", 10_000, 1).unwrap();
    assert_eq!(code(reserve(&db, "a", 9_000, 2)), "idempotency_conflict");
    run(&db, |tx| ledger::post(tx, "a", 10_000, 3)).unwrap();
    run(&db, |tx| ledger::post(tx, "a", 10_000, 4)).unwrap();
    assert_eq!(
        code(run(&db, |tx| ledger::post(tx, "a", 1, 5))),
        "transfer_state"
    );
    assert_eq!(
        code(run(&db, |tx| ledger::void(tx, "a", 6))),
        "transfer_state"
    );
    assert_eq!(
        code(run(&db, |tx| ledger::void(tx, "nothing", 7))),
        "transfer_state"
    );
    // What was called off stays called off: a repeat mustn't believe that it has money.
    reserve(&db, "off", 1_000, 8).unwrap();
    run(&db, |tx| ledger::void(tx, "off", 9)).unwrap();
    assert_eq!(code(reserve(&db, "off", 1_000, 10)), "transfer_state");
    let listed = run(&db, |tx| {
        ledger::list(tx, Some(&Account::Purse(scout())), 10)
    })
    .unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[1].state, TransferState::Posted);
}

#[test]
fn a_settlement_never_exceeds_its_reservation() {
    let db = with_purse(50_000);
    reserve(&db, "a", 5_000, 0).unwrap();
    assert_eq!(
        code(run(&db, |tx| ledger::post(tx, "a", 5_001, 1))),
        "amount_invalid"
    );
    assert_eq!(code(reserve(&db, "zero", 0, 1)), "amount_invalid");
    assert_eq!(code(reserve(&db, "max", u64::MAX, 1)), "budget_per_payment");
}

#[test]
fn a_revoked_purse_pays_nothing_and_its_money_returns_to_the_owner() {
    let db = with_purse(50_000);
    reserve(&db, "a", 5_000, 0).unwrap();
    let by_token = || run(&db, |tx| purse::by_token(tx, &TOKEN_SHA256)).unwrap();
    assert!(by_token().is_some());
    let left = run(&db, |tx| purse::revoke(tx, &scout(), "revoke", 1)).unwrap();
    assert_eq!(left, 45_000);
    assert!(by_token().is_none());
    assert_eq!(code(reserve(&db, "b", 1_000, 2)), "purse_revoked");
    let owner = run(&db, |tx| ledger::ensure_account(tx, &Account::Owner)).unwrap();
    assert_eq!(owner.balance_msat, 45_000);
    assert!(run(&db, |tx| ledger::check(tx)).unwrap().is_sound());
}

#[test]
fn a_failed_transaction_leaves_nothing_behind() {
    let db = with_purse(50_000);
    let failed = run(&db, |tx| {
        reserve_in(tx, "a", 5_000, 0)?;
        Err::<(), _>(WalletError::Amount(0))
    });
    assert!(failed.is_err());
    assert_eq!(run(&db, |tx| ledger::get(tx, "a")).unwrap(), None);
}

#[test]
fn the_audit_finds_what_was_tampered_with() {
    let db = with_purse(50_000);
    reserve(&db, "a", 5_000, 0).unwrap();
    run(&db, |tx| ledger::post(tx, "a", 5_000, 1)).unwrap();
    run(&db, |tx| {
        tx.execute("UPDATE accounts SET balance_msat = balance_msat + 1 WHERE name = 'owner' OR name = 'purse:scout'", [])?;
        Ok(())
    })
    .unwrap();
    let report = run(&db, |tx| ledger::check(tx)).unwrap();
    assert!(!report.is_sound());
    assert_eq!(report.sum_msat, 1);
}

#[test]
fn concurrent_reservations_never_exceed_the_budget() {
    let db = with_purse(1_000_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .build()
        .unwrap();
    let granted = runtime.block_on(async {
        let tasks: Vec<_> = (0..64)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move {
                    db.write(move |tx| {
                        let id = format!("p{n}");
                        reserve_in(tx, &id, 1_000, n)
                    })
                    .await
                })
            })
            .collect();
        let mut granted = 0;
        for task in tasks {
            granted += u32::from(task.await.unwrap().is_ok());
        }
        granted
    });
    assert_eq!(granted, 30, "30,000 msat a day, 1,000 msat each");
}

#[derive(Clone, Debug)]
enum Step {
    Reserve(u64),
    Post(usize, u64),
    Void(usize),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..12_000_u64).prop_map(Step::Reserve),
        2 => (0..40_usize, 0..12_000_u64).prop_map(|(n, cost)| Step::Post(n, cost)),
        1 => (0..40_usize).prop_map(Step::Void),
        1 => (0..DAY_MS).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever an agent does, in whatever order: the sum is zero, no limit breaks,
    /// and the audit agrees.
    #[test]
    fn no_sequence_of_operations_breaks_the_invariants(steps in steps()) {
        let db = with_purse(45_000);
        let mut now_ms = 1;
        for (n, step) in steps.into_iter().enumerate() {
            // Refusals are fine; what must hold is checked below.
            let _ = match step {
                Step::Reserve(amount) => reserve(&db, &n.to_string(), amount, now_ms),
                Step::Post(id, cost) => run(&db, move |tx| ledger::post(tx, &id.to_string(), cost, now_ms)),
                Step::Void(id) => run(&db, move |tx| ledger::void(tx, &id.to_string(), now_ms)),
                Step::Wait(ms) => { now_ms += ms; Ok(()) }
            };
            let report = run(&db, |tx| ledger::check(tx)).unwrap();
            prop_assert!(report.is_sound(), "{:?}", report.findings);
        }
    }
}
