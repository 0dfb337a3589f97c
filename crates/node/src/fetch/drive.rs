//! Drives a payment from state to state. Each step is durable before the next begins, so
//! this is both the live path and the way back from a crash.

use std::time::Duration;

use rusqlite::Connection;
use wallet::ecash::{Redemption, TokenFate};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::sat_to_msat;

use super::answer::{change_of, receipt_of, was_interrupted};
use super::payment::inconsistent;
use super::{Credential, Fetched, HttpAnswer, Payment, PaymentState, send};
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};
use crate::receipts;

/// Pauses between tries to get the answer that was paid for.
pub(super) const PAUSES: [Duration; 4] = [
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];
/// After so long without an answer the money is taken back, if the seller hasn't got it.
pub(super) const PATIENCE_MS: i64 = 15 * 60 * 1_000;

/// What a try to get the answer led to.
pub(super) enum Try {
    /// The seller's last word.
    Final(HttpAnswer),
    /// The seller refuses the token or the request.
    Refused(HttpAnswer),
    /// Nothing certain.
    Unclear(String),
}

impl Node {
    /// Takes the payment as far as it goes. The caller holds its lock.
    pub(super) async fn drive(&self, mut payment: Payment) -> Result<Fetched> {
        loop {
            payment = match payment.state {
                PaymentState::Reserved => self.make_token(payment).await?,
                PaymentState::Paying if payment.protocol.is_lightning() => {
                    self.pay_invoice(payment).await?
                }
                PaymentState::Paying => self.ask_seller(payment).await?,
                PaymentState::Paid => self.present(payment).await?,
                PaymentState::Answered => match self.settle_payment(payment.clone()).await {
                    Ok(settled) => settled,
                    // The answer is here; the change comes in when the mint answers again.
                    Err(NodeError::Ecash(error)) if error.is_unknown() => return deliver(&payment),
                    Err(error) => return Err(error),
                },
                PaymentState::Settled | PaymentState::Voided => return deliver(&payment),
            };
        }
    }

    async fn make_token(&self, mut payment: Payment) -> Result<Payment> {
        // After a crash: a token that was made but never recorded was never sent either,
        // and recovery has taken it back.
        let issued = match self.inner.purses.issue(payment.amount_sat).await {
            Ok(issued) => issued,
            Err(error) => {
                self.note_ecash(&error);
                payment.error = Some(error.to_string());
                self.void_payment(payment).await?;
                return Err(error.into());
            }
        };
        payment.state = PaymentState::Paying;
        payment.operation = Some(issued.operation);
        payment.token = Some(issued.token.clone());
        payment.fee_sat = issued.fee_sat;
        self.save(&payment).await?;
        drop(issued);
        Ok(payment)
    }

    async fn ask_seller(&self, mut payment: Payment) -> Result<Payment> {
        let mut reason = String::new();
        for pause in PAUSES {
            match self.try_seller(&payment).await? {
                Try::Final(answer) => return self.keep_answer(payment, answer).await,
                Try::Refused(answer) => {
                    if self.take_back(&payment).await? == TokenFate::TakenBack {
                        payment.answer = Some(answer);
                        return self.void_payment(payment).await;
                    }
                    // It took the money and refuses: what it says is what was bought.
                    return self.keep_answer(payment, answer).await;
                }
                Try::Unclear(why) => reason = why,
            }
            tokio::time::sleep(pause).await;
        }
        let is_over = self.waits_no_longer(&payment);
        if now_ms() - payment.created_ms > PATIENCE_MS
            && self.take_back(&payment).await? == TokenFate::TakenBack
        {
            payment.error = Some(reason);
            return self.void_payment(payment).await;
        }
        if is_over {
            payment.error = Some(format!("paid, and never answered: {reason}"));
            payment.state = PaymentState::Answered;
            self.save(&payment).await?;
            return Ok(payment);
        }
        Err(NodeError::PaymentPending {
            id: payment.id,
            reason,
        })
    }

    /// A round has brought no answer from a seller that was paid. Whether that was the last.
    pub(super) fn waits_no_longer(&self, payment: &Payment) -> bool {
        let age_ms = now_ms() - payment.created_ms;
        let uptime = self.inner.started.elapsed();
        self.inner.patience.is_over(&payment.id, age_ms, uptime)
    }

    async fn try_seller(&self, payment: &Payment) -> Result<Try> {
        let token = payment
            .token
            .as_deref()
            .ok_or_else(|| inconsistent(&payment.id))?;
        let credential = Some(Credential::token(token).for_call_of(&payment.id));
        let answer = match send(&self.inner.http, &payment.request, credential).await {
            Ok(answer) => answer,
            Err(NodeError::Upstream { reason, .. }) => return Ok(Try::Unclear(reason)),
            Err(error) => return Err(error),
        };
        Ok(Try::of(answer))
    }

    async fn take_back(&self, payment: &Payment) -> Result<TokenFate> {
        let operation = payment.operation.ok_or_else(|| inconsistent(&payment.id))?;
        let fate = self.inner.purses.take_back(operation).await;
        fate.inspect_err(|error| self.note_ecash(error))
            .map_err(NodeError::from)
    }

    /// The answer, the change token and the receipt are durable before anything else.
    pub(super) async fn keep_answer(
        &self,
        mut payment: Payment,
        answer: HttpAnswer,
    ) -> Result<Payment> {
        let receipt = receipt_of(&answer).filter(|proof| match proof.verify(None) {
            Ok(_) => true,
            Err(error) => {
                tracing::warn!(%error, "the seller's receipt doesn't hold");
                false
            }
        });
        payment.receipt_id = receipt
            .as_ref()
            .map(|proof| proof.signed_receipt.receipt.id.clone());
        payment.take_answer(answer);
        let mut row = payment;
        self.inner
            .db
            .write(move |tx| -> Result<Payment> {
                row.refuse_repeated_change(tx)?;
                if let Some(proof) = receipt {
                    receipts::keep_received(tx, &row.id, &proof)?;
                }
                row.update(tx, now_ms())?;
                Ok(row)
            })
            .await
    }

    /// Redeems the change, and books what the answer really cost. What an invoice cost was booked by the wallet that paid
    /// it, so there the change is booked by itself.
    async fn settle_payment(&self, mut payment: Payment) -> Result<Payment> {
        let change_sat = match &payment.change_token {
            Some(token) => self.redeem_change(&payment.id, token).await?,
            None => 0,
        };
        payment.settle(change_sat);
        let row = payment.clone();
        self.inner
            .db
            .write(move |tx| row.book_settled(tx, change_sat))
            .await?;
        self.close_operation(&payment);
        Ok(payment)
    }

    /// What the change brought in; nothing if the seller cheated with it.
    async fn redeem_change(&self, payment_id: &str, token: &str) -> Result<u64> {
        match self.inner.purses.redemption(token).await? {
            Redemption::Done { amount_sat } => return Ok(amount_sat),
            Redemption::Lost => return Ok(0),
            Redemption::Unknown => {
                // A crash or a silent mint in the middle of it: settle, then look again.
                self.settle_purses().await?;
                if let Redemption::Done { amount_sat } = self.inner.purses.redemption(token).await?
                {
                    return Ok(amount_sat);
                }
            }
            Redemption::None => {}
        }
        match self.inner.purses.redeem(token).await {
            Ok(amount_sat) => Ok(amount_sat),
            Err(error) if error.is_unknown() => {
                self.note_ecash(&error);
                Err(error.into())
            }
            Err(error) => {
                tracing::warn!(%error, payment_id, "the seller's change is worthless");
                Ok(0)
            }
        }
    }

    async fn void_payment(&self, mut payment: Payment) -> Result<Payment> {
        payment.void();
        let row = payment.clone();
        self.inner.db.write(move |tx| row.book_voided(tx)).await?;
        Ok(payment)
    }

    pub(super) async fn save(&self, payment: &Payment) -> Result<()> {
        let row = payment.clone();
        self.inner
            .db
            .write(move |tx| row.update(tx, now_ms()))
            .await
    }

    /// Tells the wallet that the token was claimed, so that it forgets the operation. In
    /// the background: nobody waits for it, and recovery does it too.
    fn close_operation(&self, payment: &Payment) {
        let Some(operation) = payment.operation else {
            return;
        };
        let node = self.clone();
        self.inner.tasks.spawn(async move {
            if let Err(error) = node.inner.purses.fate(operation).await {
                tracing::debug!(%error, "a claimed token is checked again later");
            }
        });
    }
}

impl Try {
    /// What an answer to a token means.
    pub fn of(answer: HttpAnswer) -> Self {
        let says_what_it_cost = change_of(&answer).is_some() || receipt_of(&answer).is_some();
        match answer.status {
            200..=399 if was_interrupted(&answer) => Self::Unclear("the stream broke off".into()),
            200..=399 => Self::Final(answer),
            _ if says_what_it_cost => Self::Final(answer),
            429 | 500..=599 => Self::Unclear(format!("the seller answers {}", answer.status)),
            _ => Self::Refused(answer),
        }
    }
}

impl Payment {
    /// The seller's last word, and the change in it.
    pub(super) fn take_answer(&mut self, answer: HttpAnswer) {
        self.state = PaymentState::Answered;
        self.change_token = change_of(&answer);
        self.answer = Some(answer);
    }

    /// It is over, and so much came back.
    pub(super) fn settle(&mut self, change_sat: u64) {
        let handed_sat = self.amount_sat + self.fee_sat;
        self.spent_sat = Some(handed_sat.saturating_sub(change_sat));
        self.state = PaymentState::Settled;
    }

    /// Books what it really cost, together with its end.
    pub(super) fn book_settled(&self, db: &Connection, change_sat: u64) -> Result<()> {
        if !self.protocol.is_lightning() {
            let spent_msat = sat_to_msat(self.spent_sat.unwrap_or_default());
            ledger::post(db, &self.transfer_id(), spent_msat, now_ms())?;
        } else if change_sat > 0 {
            let transfer = NewTransfer {
                id: &format!("pay-change:{}", self.id),
                debit: &Account::PurseEcash,
                credit: &self.spender.account(),
                amount_msat: sat_to_msat(change_sat),
                memo: "change",
                now_ms: now_ms(),
            };
            ledger::transfer(db, &transfer)?;
        }
        self.dispute_if_unanswered(db)?;
        self.update(db, now_ms())
    }

    /// It is over, and nothing was paid.
    pub(super) fn void(&mut self) {
        self.state = PaymentState::Voided;
        self.spent_sat = Some(0);
    }

    /// Releases what was reserved, together with its end.
    pub(super) fn book_voided(&self, db: &Connection) -> Result<()> {
        ledger::void(db, &self.transfer_id(), now_ms())?;
        self.update(db, now_ms())
    }
}

/// What the caller of `fetch` gets to see.
pub(super) fn deliver(payment: &Payment) -> Result<Fetched> {
    if payment.was_for_nothing() {
        return Err(payment.regret());
    }
    let view = payment.view();
    match &payment.answer {
        Some(answer) => Ok(Fetched {
            payment: Some(view),
            ..answer.clone().into_fetched()
        }),
        None => Err(NodeError::Upstream {
            url: payment.request.url.clone(),
            reason: payment.error.clone().unwrap_or_else(|| "no answer".into()),
        }),
    }
}
