//! Steps 5 and 6: receipt, price, change, in one transaction.

use rusqlite::Connection;
use timestamp::Hash;
use timestamp::proof::ReceiptProof;
use wallet::ecash::Issued;
use wallet::ledger::{self, Account, NewTransfer};
use wallet::sat_to_msat;

use super::order::Order;
use super::sale::{Ending, Sale};
use super::work::Done;
use super::{Payer, Settled};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};
use crate::receipts::{Leaf, Receipts, Statement};
use crate::sell::Use;

impl Payer {
    /// Why the work must not begin although the money is here: after the mint's fee
    /// too little is left.
    pub(super) fn refusal(&self) -> Option<NodeError> {
        match self {
            Self::Ecash { sale, .. } if sale.received_sat < sale.max_price_sat => {
                let (given_sat, price_sat) = (sale.received_sat, sale.max_price_sat);
                Some(
                    http402::Error::PaymentTooLittle {
                        given_sat,
                        price_sat,
                    }
                    .into(),
                )
            }
            _ => None,
        }
    }
}

/// What is written with the receipt.
enum Booking {
    /// Nothing: it cost nothing, or a session meters it.
    Nothing,
    /// A purse's reservation.
    Reserved(String),
    /// A Lightning payment that bought this.
    Used(Use),
}

impl Node {
    /// Books what the work cost, or gives everything back if it failed.
    pub(super) async fn settle(
        &self,
        order: &Order,
        payer: &Payer,
        outcome: Result<Done>,
    ) -> Result<Settled> {
        match (payer, outcome) {
            (Payer::Ecash { sale, .. }, Ok(done)) => self.settle_sale(order, sale, done).await,
            (Payer::Ecash { sale, .. }, Err(error)) => Err(self.refund_sale(sale, error).await?),
            (Payer::Purse { transfer_id, .. }, Ok(done)) => {
                let price_sat = self.cost_sat(order, &done);
                let booking = Booking::Reserved(transfer_id.clone());
                self.settle_call(order, price_sat, booking, done).await
            }
            (Payer::Purse { transfer_id, .. }, Err(error)) => {
                let id = transfer_id.clone();
                self.inner
                    .db
                    .write(move |tx| ledger::void(tx, &id, now_ms()))
                    .await?;
                Err(error)
            }
            (Payer::Free { .. }, Ok(done)) => {
                self.settle_call(order, 0, Booking::Nothing, done).await
            }
            (Payer::Lightning { taken }, Ok(done)) => {
                let booking = Booking::Used(taken.clone());
                self.settle_call(order, order.max_price_sat, booking, done)
                    .await
            }
            (Payer::Lightning { taken }, Err(error)) => {
                let taken = taken.clone();
                self.inner.db.write(move |tx| taken.failed(tx)).await?;
                Err(error)
            }
            (Payer::Session { hold }, Ok(done)) => {
                let price_sat = self.cost_sat(order, &done);
                hold.take_sat(price_sat)?;
                self.settle_call(order, price_sat, Booking::Nothing, done)
                    .await
            }
            // What was set aside of a session goes back when the hold is dropped.
            (Payer::Free { .. } | Payer::Session { .. }, Err(error)) => Err(error),
        }
    }

    /// For all who don't pay with ecash.
    async fn settle_call(
        &self,
        order: &Order,
        price_sat: u64,
        booking: Booking,
        done: Done,
    ) -> Result<Settled> {
        let mut receipts = self.inner.receipts.lock().await;
        let leaf = receipts.sign(statement(order, &done, price_sat))?;
        let row = leaf.clone();
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                match booking {
                    Booking::Nothing => {}
                    Booking::Reserved(id) => {
                        ledger::post(tx, &id, sat_to_msat(price_sat), now_ms())?
                    }
                    Booking::Used(taken) => taken.served(tx)?,
                }
                row.insert(tx)
            })
            .await?;
        let receipt = Some(self.log(&mut receipts, leaf)?);
        Ok(Settled {
            summary: done.summary,
            price_sat,
            change: None,
            receipt,
        })
    }

    async fn settle_sale(&self, order: &Order, sale: &Sale, done: Done) -> Result<Settled> {
        let price_sat = self.cost_sat(order, &done);
        let change = self
            .make_change(sale.received_sat.saturating_sub(price_sat))
            .await?;
        let mut receipts = self.inner.receipts.lock().await;
        let leaf = receipts.sign(statement(order, &done, price_sat))?;
        let row = leaf.clone();
        let ending = Ending {
            price_sat,
            answer: Some(done.text),
            summary: done.summary,
            receipt_id: Some(order.id.clone()),
            ..Ending::default()
        };
        let token = self
            .close_sale(sale, ending, change, move |tx| row.insert(tx))
            .await?;
        let receipt = Some(self.log(&mut receipts, leaf)?);
        Ok(Settled {
            summary: done.summary,
            price_sat,
            change: token,
            receipt,
        })
    }

    /// Ends the sale of a call that was answered; the change, if there is any.
    pub(crate) async fn settle_call_sale(&self, sale: &Sale) -> Result<Option<String>> {
        let due_sat = sale.received_sat.saturating_sub(sale.max_price_sat);
        let change = self.make_change(due_sat).await?;
        let ending = Ending {
            price_sat: sale.max_price_sat,
            ..Ending::default()
        };
        self.close_sale(sale, ending, change, |_| Ok(())).await
    }

    /// Gives everything back, and remembers why.
    pub(crate) async fn refund_sale(&self, sale: &Sale, error: NodeError) -> Result<NodeError> {
        let change = self.make_change(sale.received_sat).await?;
        let ending = Ending {
            error: Some((error.code().to_owned(), error.to_string())),
            ..Ending::default()
        };
        let change = self.close_sale(sale, ending, change, |_| Ok(())).await?;
        let settled = Box::new(Settled {
            change,
            ..Settled::default()
        });
        Ok(NodeError::Refunded {
            error: Box::new(error),
            settled,
        })
    }

    /// A token over what is due, less the mint's fee for making it.
    pub(crate) async fn make_change(&self, due_sat: u64) -> Result<Option<Issued>> {
        if due_sat == 0 {
            return Ok(None);
        }
        let change_sat = due_sat.saturating_sub(self.inner.till.fee_bound_sat().await?);
        if change_sat == 0 {
            return Ok(None);
        }
        let issued = self.inner.till.issue(change_sat).await;
        Ok(Some(issued.inspect_err(|error| self.note_ecash(error))?))
    }

    /// Books the sale's end in one transaction, `also` included. The change token is let
    /// go only when it is durable.
    async fn close_sale(
        &self,
        sale: &Sale,
        mut ending: Ending,
        change: Option<Issued>,
        also: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<()> + Send + 'static,
    ) -> Result<Option<String>> {
        let out_sat = change
            .as_ref()
            .map_or(0, |issued| issued.amount_sat + issued.fee_sat);
        let token = change.as_ref().map(|issued| issued.token.clone());
        ending.change = change
            .as_ref()
            .map(|issued| (issued.operation, issued.token.clone()));
        let sale = sale.clone();
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                book_ending(tx, &sale, &ending, out_sat)?;
                also(tx)
            })
            .await?;
        drop(change);
        Ok(token)
    }

    /// Takes a stored leaf into the log. It is anchored later: nobody waits for that.
    fn log(&self, receipts: &mut Receipts, leaf: Leaf) -> Result<ReceiptProof> {
        let proof = receipts.push(leaf)?;
        self.inner.log_grew.notify_one();
        Ok(proof)
    }

    /// What was used, never above what was quoted.
    fn cost_sat(&self, order: &Order, done: &Done) -> u64 {
        let price = &self.inner.config.price;
        price
            .price_sat(order.prompt_tokens, done.completion_tokens)
            .min(order.max_price_sat)
    }
}

/// Books how a sale ended: what was earned, and what went back.
pub(super) fn book_ending(
    db: &Connection,
    sale: &Sale,
    ending: &Ending,
    out_sat: u64,
) -> Result<()> {
    let id = &sale.id;
    let earned_sat = sale.received_sat.saturating_sub(out_sat);
    let (income, memo) = match &sale.offer {
        None => (Account::InferenceIncome, "earned by answering".to_owned()),
        Some(offer) => (Account::ServiceIncome, format!("earned by selling {offer}")),
    };
    let back = "change to the customer";
    let movements = [
        ("earned", income, earned_sat, memo.as_str()),
        ("change", Account::TillEcash, out_sat, back),
    ];
    for (what, credit, amount_sat, memo) in movements {
        if amount_sat > 0 {
            let transfer = NewTransfer {
                id: &format!("sale:{id}:{what}"),
                debit: &Account::SalesHeld,
                credit: &credit,
                amount_msat: sat_to_msat(amount_sat),
                memo,
                now_ms: now_ms(),
            };
            ledger::transfer(db, &transfer)?;
        }
    }
    Sale::mark_settled(db, id, ending, now_ms())
}

fn statement(order: &Order, done: &Done, price_sat: u64) -> Statement {
    Statement {
        id: order.id.clone(),
        request_sha256: order.body_sha256,
        answer_sha256: Hash::of(done.text.as_bytes()),
        model: order.model.clone(),
        model_sha256: order.model_sha256,
        price_msat: sat_to_msat(price_sat),
        prompt_tokens: order.prompt_tokens.into(),
        completion_tokens: done.completion_tokens.into(),
    }
}
