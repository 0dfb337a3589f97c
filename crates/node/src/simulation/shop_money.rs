//! A session's money, in and out: as in `sell/sessions/act.rs` and `refund.rs`.

use std::sync::Arc;

use http402::mpp::session::{DepositId, RefundTo, Reply, Session};
use rusqlite::Transaction;
use wallet::cashier::books::{self, Holder, NewPayment, PaymentState};
use wallet::ecash::Redemption;
use wallet::sat_to_msat;

use super::{REGTEST, Shop, return_hash};
use crate::error::Result;
use crate::node::now_ms;
use crate::sell::SellError;
use crate::sell::sessions::Live;
use crate::sell::sessions::act::credit_deposit;
use crate::sell::sessions::refund::{handed_back, left_msat, sent_back, tries};
use crate::serve::change_operations;
use crate::serve::simulated as till;

impl Shop {
    pub(super) async fn redeem_deposit(
        &self,
        live: &Arc<Live>,
        deposit: &DepositId,
        token: &str,
        is_again: bool,
    ) -> Result<Reply> {
        let ecash = &self.ground.ecash;
        let before = match is_again {
            true => {
                self.ground.settle_ecash(change_operations).await;
                ecash.redemption(token)?
            }
            false => Redemption::None,
        };
        let received_sat = match before {
            Redemption::Done { amount_sat } => Some(amount_sat),
            Redemption::Lost => None,
            Redemption::Unknown => return Err(SellError::DepositPending.into()),
            Redemption::None => match ecash.redeem(token).await {
                Ok(amount_sat) => Some(amount_sat),
                Err(error) if error.is_unknown() => {
                    self.ground.note_ecash(&error);
                    return Err(SellError::DepositPending.into());
                }
                Err(_) => None,
            },
        };
        let credit = |session: &mut Session, _: u64, tx: &Transaction<'_>| {
            credit_deposit(tx, session, deposit, received_sat)
        };
        self.change(live, "a deposit is credited", credit).await
    }

    pub(super) async fn refund(
        &self,
        live: &Arc<Live>,
        amount_sat: u64,
        to: &RefundTo,
    ) -> Result<Reply> {
        match to {
            RefundTo::Invoice(invoice) => self.refund_invoice(live, amount_sat, invoice).await,
            RefundTo::Token => self.refund_token(live, amount_sat).await,
        }
    }

    async fn refund_invoice(
        &self,
        live: &Arc<Live>,
        amount_sat: u64,
        invoice: &str,
    ) -> Result<Reply> {
        let hash = return_hash(invoice, REGTEST)?;
        let before = self.ground.look(|db| Ok(books::payment(db, &hash)?))?;
        if before.is_some_and(|payment| payment.state == PaymentState::Pending) {
            return Err(SellError::RefundPending.into());
        }
        let rest_msat = sat_to_msat(amount_sat);
        for (amount_msat, fee_max_msat) in tries(rest_msat) {
            let new = NewPayment {
                id: &hash,
                holder: Holder::Sessions,
                request: invoice,
                amount_msat,
                fee_max_msat,
                now_ms: now_ms(),
            };
            match self.ground.pay(&new).await {
                Ok(paid) if paid.state == PaymentState::Succeeded => {
                    let left_msat = left_msat(rest_msat, &paid);
                    let book = |session: &mut Session, _: u64, tx: &Transaction<'_>| {
                        sent_back(tx, session, left_msat)
                    };
                    return self.change(live, "a rest is sent back", book).await;
                }
                Ok(paid) if paid.state == PaymentState::Pending => break,
                Ok(_) | Err(_) => {}
            }
        }
        Err(SellError::RefundPending.into())
    }

    async fn refund_token(&self, live: &Arc<Live>, amount_sat: u64) -> Result<Reply> {
        let issued = till::make_change(&self.ground, amount_sat).await?;
        let record = issued.as_ref().map(|issued| {
            (
                issued.operation,
                issued.token.clone(),
                issued.amount_sat + issued.fee_sat,
            )
        });
        let book = |session: &mut Session, _: u64, tx: &Transaction<'_>| {
            handed_back(tx, session, amount_sat, record)
        };
        let reply = self.change(live, "a rest is handed back", book).await;
        drop(issued);
        reply
    }
}
