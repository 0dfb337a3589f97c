//! A database with a funded purse, and short words for what the tests do with it.

use rusqlite::Connection;
use wallet::ledger::{self, Account, NewTransfer};
use wallet::purse::{self, Agent, Intent, Policy, PurseName, Reserved, Spend};
use wallet::{Db, WalletError};

/// Enough for whatever the policies allow.
pub const FUNDS_MSAT: u64 = 1_000_000;

pub fn run<T: Send + 'static>(
    db: &Db,
    work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, WalletError> + Send + 'static,
) -> Result<T, WalletError> {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(db.write(work))
}

pub fn scout() -> PurseName {
    "scout".parse().unwrap()
}

/// Makes the purse and its money.
pub fn found(db: &Connection, policy: &Policy) -> Result<(), WalletError> {
    purse::create(db, &scout(), policy, &[7; 32], 0)?;
    let funding = NewTransfer {
        id: "fund",
        debit: &Account::PurseEcash,
        credit: &Account::Purse(scout()),
        amount_msat: FUNDS_MSAT,
        memo: "",
        now_ms: 0,
    };
    ledger::transfer(db, &funding)
}

pub fn with_purse(policy: Policy) -> Db {
    let db = Db::in_memory().unwrap();
    run(&db, move |tx| found(tx, &policy)).unwrap();
    db
}

/// A request, told apart from others by `what`.
pub fn intent(what: &str, amount_msat: u64) -> Intent {
    Intent {
        amount_msat,
        what: what.to_owned(),
        ..Intent::default()
    }
}

pub fn spend(
    db: &Connection,
    agent: &Agent,
    id: &str,
    intent: &Intent,
    now_ms: i64,
) -> Result<Reserved, WalletError> {
    let spend = Spend {
        agent,
        intent,
        credit: &Account::PurseEcash,
        draw_from: None,
        id,
        memo: "test",
    };
    purse::reserve(db, &spend, now_ms)
}

/// The purse itself tries to pay `amount_msat` for `what`.
pub fn pay(
    db: &Db,
    id: &str,
    what: &str,
    amount_msat: u64,
    now_ms: i64,
) -> Result<Reserved, WalletError> {
    let (id, intent) = (id.to_owned(), intent(what, amount_msat));
    run(db, move |tx| {
        spend(tx, &Agent::from(scout()), &id, &intent, now_ms)
    })
}

/// The number of the approval that is waited for.
#[track_caller]
pub fn asked(result: Result<Reserved, WalletError>) -> i64 {
    match result.unwrap() {
        Reserved::Asked(approval) => approval.id,
        Reserved::Now => panic!("nobody was asked"),
    }
}

#[track_caller]
pub fn code<T: std::fmt::Debug>(result: Result<T, WalletError>) -> &'static str {
    result.unwrap_err().code()
}

#[track_caller]
pub fn assert_sound(db: &Db) {
    let report = run(db, |tx| ledger::check(tx)).unwrap();
    assert!(report.is_sound(), "{:?}", report.findings);
}

pub fn spent_msat(db: &Connection) -> u64 {
    let purse = purse::find(db, &scout()).unwrap();
    purse.spent(db, 0).unwrap().total_msat
}
