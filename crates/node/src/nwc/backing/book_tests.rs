//! The books of backed purses.

use wallet::Db;
use wallet::purse::{Mode, Policy};

use super::*;

const POLICY: Policy = Policy::autonomous(200_000, 300_000, 1_000_000);

fn payment(key: &str, amount_msat: u64) -> Payment {
    Payment {
        key: key.into(),
        invoice: format!("lnbc-{key}"),
        payment_hash: format!("hash-{key}"),
        amount_msat,
        expires_s: 1_000,
    }
}

fn scout() -> PurseName {
    "scout".parse().unwrap()
}

async fn with_books<T: Send + 'static>(
    work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let db = Db::in_memory().unwrap();
    db.write(move |tx| -> Result<T> {
        purse::create(tx, &scout(), &POLICY, &[1; 32], 0)?;
        tx.execute_batch(crate::nwc::SCHEMA)?;
        tx.execute_batch("INSERT INTO nwc_backings VALUES ('scout', 'x', 'w', 'r', 0)")?;
        let value = work(tx)?;
        let report = ledger::check(tx)?;
        assert!(report.is_sound(), "{:?}", report.findings);
        Ok(value)
    })
    .await
}

fn account(db: &Connection, account: &Account) -> (i64, i64) {
    let state = ledger::ensure_account(db, account).unwrap();
    (state.balance_msat, state.reserved_msat)
}

fn spent_msat(db: &Connection) -> u64 {
    purse::find(db, &scout())
        .unwrap()
        .spent(db, 0)
        .unwrap()
        .total_msat
}

#[tokio::test]
async fn a_payment_costs_what_it_cost_and_leaves_nothing_behind() {
    with_books(|tx| {
        assert!(matches!(
            begin(tx, &scout(), &payment("a", 50_000), 0)?,
            Begun::Now
        ));
        assert_eq!(spent_msat(tx), 60_000, "the fee's reserve counts");
        assert_eq!(account(tx, &Account::Purse(scout())), (60_000, 60_000));
        let end = End::Paid {
            preimage: Some("p".into()),
            fee_msat: 1_500,
        };
        let paid = settle(tx, "a", &end, 0)?;
        assert!(matches!(
            paid.payment_state(),
            PaymentState::Paid {
                fees_paid_msat: 1_500,
                ..
            }
        ));
        assert_eq!(spent_msat(tx), 51_500);
        for name in [
            Account::Purse(scout()),
            Account::OtherWallets,
            Account::Owner,
        ] {
            assert_eq!(account(tx, &name), (0, 0), "{name}");
        }
        // The first end stands.
        let again = settle(tx, "a", &End::Failed("?".into()), 0)?;
        assert!(matches!(again.payment_state(), PaymentState::Paid { .. }));
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_payment_that_failed_costs_nothing_and_may_be_tried_again() {
    with_books(|tx| {
        begin(tx, &scout(), &payment("a", 50_000), 0)?;
        settle(tx, "a", &End::Failed("no route".into()), 0)?;
        assert_eq!(spent_msat(tx), 0);
        assert_eq!(account(tx, &Account::Purse(scout())), (0, 0));
        let mut again = payment("b", 50_000);
        again.payment_hash = "hash-a".into();
        assert!(matches!(begin(tx, &scout(), &again, 0)?, Begun::Now));
        let mut third = payment("c", 50_000);
        third.payment_hash = "hash-a".into();
        assert!(matches!(
            begin(tx, &scout(), &third, 0),
            Err(NodeError::InvoicePaid)
        ));
        assert!(
            matches!(begin(tx, &scout(), &again, 0)?, Begun::Before(_)),
            "the same key is the same payment"
        );
        settle(tx, "b", &End::Failed(String::new()), 0)?;
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_fee_beyond_the_reserve_is_not_charged_to_the_purse() {
    with_books(|tx| {
        begin(tx, &scout(), &payment("a", 50_000), 0)?;
        let end = End::Paid {
            preimage: None,
            fee_msat: u64::MAX,
        };
        settle(tx, "a", &end, 0)?;
        assert_eq!(spent_msat(tx), 60_000);
        Ok(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_budget_holds_whatever_the_other_wallet_has() {
    let refused = with_books(|tx| begin(tx, &scout(), &payment("a", 195_000), 0)).await;
    assert_eq!(
        refused.map(|_| ()).unwrap_err().code(),
        "budget_per_payment"
    );
    let refused = with_books(|tx| {
        begin(tx, &scout(), &payment("a", 180_000), 0)?;
        begin(tx, &scout(), &payment("b", 180_000), 0)
    })
    .await;
    assert_eq!(refused.map(|_| ()).unwrap_err().code(), "budget_per_day");
}

#[tokio::test]
async fn nothing_is_drawn_before_the_owner_has_approved() {
    with_books(|tx| {
        let policy = Policy {
            mode: Mode::Supervised,
            ..POLICY
        };
        purse::set_policy(tx, &scout(), 1, &policy, 0)?;
        let Begun::Asked(asked) = begin(tx, &scout(), &payment("a", 50_000), 1)? else {
            panic!("nobody was asked");
        };
        assert_eq!(account(tx, &Account::OtherWallets), (0, 0));
        assert!(find(tx, "a")?.is_none());
        purse::approve(tx, asked.id, 2)?;
        assert!(matches!(
            begin(tx, &scout(), &payment("b", 50_000), 3)?,
            Begun::Asked(_)
        ));
        assert!(matches!(
            begin(tx, &scout(), &payment("a", 50_000), 3)?,
            Begun::Now
        ));
        assert_eq!(account(tx, &Account::Purse(scout())), (60_000, 60_000));
        Ok(())
    })
    .await
    .unwrap();
}
