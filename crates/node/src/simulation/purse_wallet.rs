//! A purse pays an invoice by the mint: as in `lightning/purse.rs`.

use std::cell::RefCell;

use super::*;
use crate::simulation::budgets::Budgets;
use crate::simulation::ground::{Ground, or_ask};

pub(crate) fn find(db: &Connection, payment_hash: &str) -> Result<Option<PursePayment>> {
    super::find(db, payment_hash)
}

/// Pays an order's invoice once, within the purse's policy.
pub(crate) async fn pay_once(
    ground: &Ground,
    order: PurseOrder,
    budgets: &RefCell<Budgets>,
) -> Result<PursePayment> {
    let payable = Payable::parse(&order.invoice)?;
    let hash = payable
        .payment_id()
        .ok_or(LightningError::Invalid("BOLT 11 invoice"))?
        .to_string();
    let _guard = ground.locks.lock(&lock_key(&hash)).await;
    let before = ground.look(|db| find(db, &hash))?;
    let attempt = match Attempt::after(before, &order.agent)? {
        Attempt::Open(before) => return settle(ground, before).await,
        Attempt::Settled(before) => return Ok(before),
        Attempt::New(attempt) => attempt,
    };
    let amount_sat = payable.amount_msat()?.unwrap_or_default().div_ceil(1_000);
    let quote = ground.ecash.quote_payment(&hash, amount_sat).await?;
    let payment = order.payment(hash, quote, attempt)?;
    let intent = invoice_intent(
        order.purpose.as_ref(),
        &payment.payment_hash,
        payable.payee(),
        payment.most_msat(),
    );
    (budgets.borrow_mut()).expect(&payment.transfer_id(), &order.agent, &intent);
    let reserved = ground.commit("an invoice's price is reserved", |tx| {
        order.reserve(tx, &intent, &payment)
    });
    or_ask(reserved.await?)?;
    match ground.ecash.pay(&payment.quote_id).await {
        Ok(melted) => book(ground, payment, melted).await,
        Err(error) if error.is_unknown() => {
            ground.note_ecash(&error);
            Ok(payment)
        }
        Err(error) => {
            book(ground, payment, Melted::Failed).await?;
            Err(error.into())
        }
    }
}

async fn book(ground: &Ground, mut payment: PursePayment, melted: Melted) -> Result<PursePayment> {
    if payment.end(melted) {
        ground
            .commit("a purse's payment is booked", |tx| payment.book(tx))
            .await?;
    }
    Ok(payment)
}

async fn settle(ground: &Ground, payment: PursePayment) -> Result<PursePayment> {
    let melted = ground.ecash.melted(&payment.quote_id).await?;
    book(ground, payment, melted).await
}

/// Finds out what became of a payment, if it is open. Begins none.
pub(crate) async fn look_up(ground: &Ground, payment_hash: &str) -> Result<()> {
    let _guard = ground.locks.lock(&lock_key(payment_hash)).await;
    match ground.look(|db| find(db, payment_hash))? {
        Some(payment) if payment.state == PursePaymentState::Paying => {
            settle(ground, payment).await.map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Settles the payments that a crash or a slow channel left open, as far as the mint knows.
pub(crate) async fn resume(ground: &Ground) -> Result<()> {
    for payment in ground.look(open_payments)? {
        let Some(_guard) = ground.locks.try_lock(&lock_key(&payment.payment_hash)) else {
            continue;
        };
        let _ = settle(ground, payment).await;
    }
    Ok(())
}
