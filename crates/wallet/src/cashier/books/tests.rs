//! What the books do, on SQLite in memory.

use super::*;

fn books() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(ledger::SCHEMA).unwrap();
    crate::purse::prepare(&db).unwrap();
    db.execute_batch(SCHEMA).unwrap();
    follow(
        &db,
        &Account::Lightning,
        &Account::OwnerLightning,
        100_000,
        "deposit",
        1,
    )
    .unwrap();
    db
}

fn balance(db: &Connection, account: &Account) -> (i64, i64) {
    let state = ledger::ensure_account(db, account).unwrap();
    (state.balance_msat, state.reserved_msat)
}

fn new(id: &str, holder: Holder) -> NewPayment<'_> {
    NewPayment {
        id,
        holder,
        request: "lnbc1",
        amount_msat: 30_000,
        fee_max_msat: 1_000,
        now_ms: 2,
    }
}

#[test]
fn a_payment_is_set_aside_and_booked_once() {
    let db = books();
    assert_eq!(begin(&db, &new("a", Holder::Owner)).unwrap(), Begun::Now);
    assert_eq!(balance(&db, &Account::OwnerLightning), (100_000, 31_000));
    let again = begin(&db, &new("a", Holder::Owner)).unwrap();
    assert!(matches!(again, Begun::Before(payment) if payment.state == PaymentState::Pending));
    for _ in 0..2 {
        succeeded(&db, "a", 7, Some("00"), 3).unwrap();
    }
    assert_eq!(balance(&db, &Account::OwnerLightning), (69_993, 0));
    assert_eq!(balance(&db, &Account::Lightning), (-69_993, 0));
    assert!(failed(&db, "a", "too late", 4).is_err());
    assert!(ledger::check(&db).unwrap().findings.is_empty());
}

#[test]
fn what_failed_is_given_back_and_may_begin_again() {
    let db = books();
    for _ in 0..3 {
        assert_eq!(begin(&db, &new("a", Holder::Owner)).unwrap(), Begun::Now);
        failed(&db, "a", "no route", 3).unwrap();
        failed(&db, "a", "no route", 3).unwrap();
        assert_eq!(balance(&db, &Account::OwnerLightning), (100_000, 0));
    }
    assert_eq!(payment(&db, "a").unwrap().unwrap().attempts, 3);
    assert!(ledger::check(&db).unwrap().findings.is_empty());
}

#[test]
fn the_owner_and_the_mint_cannot_spend_each_others_money() {
    let db = books();
    assert!(begin(&db, &new("a", Holder::Mint)).is_err());
    record_invoice(&db, "h", Holder::Mint, Some(90_000), "ecash", 2).unwrap();
    let own = NewPayment {
        amount_msat: 90_000,
        ..new("h", Holder::Owner)
    };
    assert!(!pay_own(&db, &new("elsewhere", Holder::Owner)).unwrap());
    assert!(pay_own(&db, &new("h", Holder::Mint)).is_err());
    assert!(pay_own(&db, &own).unwrap());
    assert!(pay_own(&db, &own).unwrap());
    assert_eq!(balance(&db, &Account::OwnerLightning), (10_000, 0));
    assert_eq!(balance(&db, &Account::MintIssued), (90_000, 0));
    assert!(begin(&db, &new("b", Holder::Owner)).is_err());
    assert_eq!(begin(&db, &new("a", Holder::Mint)).unwrap(), Begun::Now);
    let other = NewPayment {
        request: "lnbc2",
        ..new("a", Holder::Mint)
    };
    assert!(begin(&db, &other).is_err());
}

#[test]
fn what_nobody_asked_for_is_the_owners() {
    let db = books();
    received(&db, "keysend", 5_000, 2).unwrap();
    received(&db, "keysend", 5_000, 3).unwrap();
    assert_eq!(balance(&db, &Account::OwnerLightning), (105_000, 0));
    record_invoice(&db, "h", Holder::Mint, None, "ecash", 2).unwrap();
    received(&db, "h", 1_000, 3).unwrap();
    assert_eq!(balance(&db, &Account::MintIssued), (1_000, 0));
    assert_eq!(balance(&db, &Account::Lightning), (-106_000, 0));
}

#[test]
fn tables_that_knew_fewer_holders_are_widened_with_what_is_in_them() {
    let db = Connection::open_in_memory().unwrap();
    let before = SCHEMA.replace(", 'sessions'", "");
    db.execute_batch(&before).unwrap();
    record_invoice(&db, "aa", Holder::Mint, Some(7), "bread", 1).unwrap();
    assert!(record_invoice(&db, "bb", Holder::Sessions, Some(7), "", 1).is_err());
    prepare(&db).unwrap();
    prepare(&db).unwrap();
    record_invoice(&db, "bb", Holder::Sessions, Some(7), "", 1).unwrap();
    let found = |hash: &str| invoice(&db, hash).unwrap().unwrap();
    assert_eq!(found("aa").holder, Holder::Mint);
    assert_eq!(found("aa").description, "bread");
    assert_eq!(found("bb").holder, Holder::Sessions);
}

#[test]
fn a_deposit_is_the_buyers_until_it_is_earned_or_goes_back() {
    let db = books();
    record_invoice(&db, "aa", Holder::Sessions, Some(50_000), "", 1).unwrap();
    received(&db, "aa", 50_000, 2).unwrap();
    received(&db, "aa", 50_000, 3).unwrap();
    assert_eq!(balance(&db, &Account::Sessions), (50_000, 0));
    assert_eq!(balance(&db, &Account::OwnerLightning), (100_000, 0));
    let refund = new("bb", Holder::Sessions);
    begin(&db, &refund).unwrap();
    succeeded(&db, "bb", 0, None, 4).unwrap();
    assert_eq!(balance(&db, &Account::Sessions), (20_000, 0));
    // No more than there is goes back, whatever is asked.
    assert!(begin(&db, &new("cc", Holder::Sessions)).is_err());
}
