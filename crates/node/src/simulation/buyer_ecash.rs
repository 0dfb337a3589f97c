//! Paying with ecash, and everybody's last steps: as in `fetch/drive.rs`.

use std::rc::Rc;

use wallet::ecash::{Redemption, TokenFate};
use wallet::purse::Intent;
use wallet::sat_to_msat;

use super::Buyer;
use crate::error::{NodeError, Result};
use crate::fetch::drive::{PATIENCE_MS, PAUSES, Try, deliver};
use crate::fetch::payment::inconsistent;
use crate::fetch::{Fetched, HttpAnswer, Payment, PaymentState, Spender, payment_operations};
use crate::node::now_ms;
use crate::simulation::faults::Mutation;
use crate::simulation::ground::or_ask;
use crate::simulation::mint::{FEE_MAX_SAT, MINT};

impl Buyer {
    /// Decides by policy, and reserves.
    pub(super) async fn reserve_ecash(&self, payment: Payment) -> Result<Payment> {
        let intent = Intent {
            amount_msat: sat_to_msat(payment.amount_sat.saturating_add(FEE_MAX_SAT)),
            payee: Some(MINT.to_owned()),
            ..payment.purpose()?
        };
        if let Spender::Purse(agent) = &payment.spender {
            (self.budgets.borrow_mut()).expect(&payment.transfer_id(), agent, &intent);
        }
        let reserved = self
            .ground
            .commit("ecash is reserved", |tx| payment.reserve(tx, &intent));
        or_ask(reserved.await?)?;
        self.ground.note(&format!(
            "{} reserves {} sat of ecash",
            payment.id, payment.amount_sat
        ));
        Ok(payment)
    }

    /// Takes the payment as far as it goes.
    pub(super) async fn drive(self: &Rc<Self>, mut payment: Payment) -> Result<Fetched> {
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
                    Err(NodeError::Ecash(error)) if error.is_unknown() => return deliver(&payment),
                    Err(error) => return Err(error),
                },
                PaymentState::Settled | PaymentState::Voided => return deliver(&payment),
            };
        }
    }

    async fn make_token(&self, mut payment: Payment) -> Result<Payment> {
        let issued = match self.ground.ecash.issue(payment.amount_sat).await {
            Ok(issued) => issued,
            Err(error) => {
                self.ground.note_ecash(&error);
                payment.error = Some(error.to_string());
                self.void_payment(payment).await?;
                return Err(error.into());
            }
        };
        payment.state = PaymentState::Paying;
        payment.operation = Some(issued.operation);
        payment.token = Some(issued.token.clone());
        payment.fee_sat = issued.fee_sat;
        let token = self.ground.ecash.token_id(issued.operation).unwrap();
        (self.ground.world.deeds.borrow_mut()).pays_for(&token, &payment.id);
        self.save("a token is recorded", &payment).await?;
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
                    return self.keep_answer(payment, answer).await;
                }
                Try::Unclear(why) => reason = why,
            }
            self.ground.sleep(pause.as_millis() as i64).await;
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
            self.save("no answer is waited for any more", &payment)
                .await?;
            return Ok(payment);
        }
        Err(NodeError::PaymentPending {
            id: payment.id,
            reason,
        })
    }

    async fn try_seller(&self, payment: &Payment) -> Result<Try> {
        let token = payment
            .token
            .as_deref()
            .ok_or_else(|| inconsistent(&payment.id))?;
        match self.send_paid(payment, "X-Cashu", token).await {
            Ok(answer) => Ok(Try::of(answer)),
            Err(NodeError::Upstream { reason, .. }) => Ok(Try::Unclear(reason)),
            Err(error) => Err(error),
        }
    }

    async fn take_back(&self, payment: &Payment) -> Result<TokenFate> {
        if self.ground.world.is_mutated(Mutation::BelievesRefusals) {
            return Ok(TokenFate::TakenBack);
        }
        let operation = payment.operation.ok_or_else(|| inconsistent(&payment.id))?;
        let fate = self.ground.ecash.take_back(operation).await;
        fate.inspect_err(|error| self.ground.note_ecash(error))
            .map_err(NodeError::from)
    }

    /// The answer and the change token are durable before anything else.
    pub(super) async fn keep_answer(
        &self,
        mut payment: Payment,
        answer: HttpAnswer,
    ) -> Result<Payment> {
        self.ground
            .note(&format!("{} is answered {}", payment.id, answer.status));
        payment.take_answer(answer);
        let keep = self.ground.commit("an answer is kept", |tx| {
            payment.refuse_repeated_change(tx)?;
            payment.update(tx, now_ms())
        });
        keep.await?;
        Ok(payment)
    }

    async fn settle_payment(&self, mut payment: Payment) -> Result<Payment> {
        let change_sat = match &payment.change_token {
            Some(token) => self.redeem_change(token).await?,
            None => 0,
        };
        payment.settle(change_sat);
        let settle = self.ground.commit("a payment is settled", |tx| {
            payment.book_settled(tx, change_sat)
        });
        settle.await?;
        self.ground.note(&format!(
            "{} is settled, {change_sat} sat came back",
            payment.id
        ));
        Ok(payment)
    }

    async fn redeem_change(&self, token: &str) -> Result<u64> {
        let ecash = &self.ground.ecash;
        match ecash.redemption(token)? {
            Redemption::Done { amount_sat } => return Ok(amount_sat),
            Redemption::Lost => return Ok(0),
            Redemption::Unknown => {
                self.ground.settle_ecash(payment_operations).await;
                if let Redemption::Done { amount_sat } = ecash.redemption(token)? {
                    return Ok(amount_sat);
                }
            }
            Redemption::None => {}
        }
        match ecash.redeem(token).await {
            Ok(amount_sat) => Ok(amount_sat),
            Err(error) if error.is_unknown() => {
                self.ground.note_ecash(&error);
                Err(error.into())
            }
            Err(_) => Ok(0),
        }
    }

    async fn void_payment(&self, mut payment: Payment) -> Result<Payment> {
        payment.void();
        let void = self
            .ground
            .commit("a payment is voided", |tx| payment.book_voided(tx));
        void.await?;
        self.ground.note(&format!("{} is voided", payment.id));
        Ok(payment)
    }
}
