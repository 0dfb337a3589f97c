//! Paying an invoice once, and showing the proof: as in `fetch/invoice.rs` and `fetch/present.rs`.

use std::rc::Rc;

use tokio::sync::oneshot;
use wallet::cashier::books::{self, Holder, NewPayment};
use wallet::ledger::Account;
use wallet::lightning::{LightningError, Payable};
use wallet::sat_to_msat;

use super::{Buyer, purse_wallet};
use crate::error::{NodeError, Result};
use crate::fetch::drive::{PAUSES, deliver};
use crate::fetch::http::TIMEOUT;
use crate::fetch::invoice::{WALLET_TIME_MAX, pending, whole_price};
use crate::fetch::payment::inconsistent;
use crate::fetch::present::{REFUSALS_MAX, Shown};
use crate::fetch::standing::{Asked, Next, Standing, after_asking, before_asking};
use crate::fetch::{Fetched, HttpAnswer, Payment, PaymentState, Spender, ways};
use crate::lightning::{self, PurseOrder};
use crate::node::{now_ms, now_s};
use crate::simulation::faults::Mutation;

impl Buyer {
    /// Records what is about to be paid, and what for.
    pub(super) async fn note_invoice(
        &self,
        mut payment: Payment,
        challenge: &ways::Headers,
    ) -> Result<Payment> {
        payment.seal_challenge(&self.key, challenge)?;
        let insert = self.ground.commit("an invoice is recorded", |tx| {
            payment.refuse_repeated_invoice(tx)?;
            payment.insert(tx)
        });
        insert.await?;
        let hash = &payment.bill()?.payment_hash;
        (self.ground.world.deeds.borrow_mut()).pays_for(hash, &payment.id);
        self.ground.note(&format!(
            "{} is to pay {hash:.8}, {} sat",
            payment.id, payment.amount_sat
        ));
        Ok(payment)
    }

    /// Has the invoice paid, unless it was.
    pub(super) async fn pay_invoice(self: &Rc<Self>, payment: Payment) -> Result<Payment> {
        let Some(alone) = self.ground.locks.try_lock(&payment.asking_key()) else {
            return Err(pending(payment, "the wallet hasn't answered"));
        };
        let standing = self.standing(&payment)?;
        let (mut next, mut why) = (before_asking(standing, payment.may_begin), None);
        if next == Next::Ask {
            let (tell, told) = oneshot::channel();
            let (buyer, asking) = (Rc::clone(self), payment.clone());
            self.ground.world.spawn(self.ground.machine, async move {
                let _alone = alone;
                let _ = tell.send(buyer.ask_wallet(&asking).await);
            });
            let most_ms = WALLET_TIME_MAX.as_millis() as i64;
            let asked = match self.ground.world.timeout(most_ms, told).await {
                Some(Ok(Ok(()))) => Asked::Answered,
                Some(Ok(Err(error))) => {
                    why = Some(error);
                    Asked::Refused
                }
                Some(Err(_)) | None => Asked::Silent,
            };
            let is_silent = asked == Asked::Silent;
            next = after_asking(asked, self.standing(&payment)?);
            if is_silent && self.ground.world.is_mutated(Mutation::ForgetsTheSilent) {
                next = Next::Forget;
            }
        }
        self.conclude(payment, next, why).await
    }

    async fn conclude(
        &self,
        payment: Payment,
        next: Next,
        why: Option<NodeError>,
    ) -> Result<Payment> {
        match next {
            Next::Keep { preimage, fee_msat } => {
                self.keep_proof(payment, &preimage, fee_msat).await
            }
            Next::CallOff | Next::Forget => {
                let unpaid = || NodeError::PaymentFailed("the invoice couldn't be paid".into());
                let why = why.unwrap_or_else(unpaid);
                self.call_off(payment, next == Next::Forget, why).await
            }
            Next::Ask | Next::Wait => {
                let why = why.map(|error| error.to_string());
                Err(pending(
                    payment,
                    why.as_deref().unwrap_or("it is being paid"),
                ))
            }
        }
    }

    fn standing(&self, payment: &Payment) -> Result<Standing> {
        let hash = &payment.bill()?.payment_hash;
        self.ground.look(|db| match &payment.spender {
            Spender::Owner => {
                let booked = books::payment(db, hash)?;
                Ok(booked.map_or(Standing::None, Standing::from))
            }
            Spender::Purse(_) => {
                let payer = payment.spender.account();
                let found = purse_wallet::find(db, hash)?;
                let ours = found.filter(|paid| Account::Purse(paid.purse.clone()) == payer);
                Ok(ours.map_or(Standing::None, Standing::from))
            }
        })
    }

    /// Has the wallet pay. What it answers is in its record too.
    async fn ask_wallet(&self, payment: &Payment) -> Result<()> {
        let bill = payment.bill()?;
        if bill.expires_s <= now_s() && self.standing(payment)? == Standing::None {
            return Err(LightningError::InvoiceExpired.into());
        }
        if self.ground.world.fails("wallet unreachable", 15) {
            return Err(NodeError::NoLightning);
        }
        match &payment.spender {
            Spender::Owner => self.pay_from_channels(payment).await,
            Spender::Purse(_) if !payment.may_begin => {
                purse_wallet::look_up(&self.ground, &bill.payment_hash).await
            }
            Spender::Purse(agent) => {
                let order = PurseOrder {
                    agent: agent.clone(),
                    invoice: bill.invoice.clone(),
                    fee_max_sat: payment.fee_max_sat,
                    key: Some(payment.wallet_key()),
                    purpose: Some(payment.purpose()?),
                };
                let paid = purse_wallet::pay_once(&self.ground, order, &self.budgets).await;
                paid.map(|_| ())
                    .map_err(|error| whole_price(error, payment))
            }
        }
    }

    async fn pay_from_channels(&self, payment: &Payment) -> Result<()> {
        let bill = payment.bill()?;
        let amount_msat = Payable::parse(&bill.invoice)?
            .amount_msat()?
            .unwrap_or_default();
        let usual_msat = lightning::fee_max_msat(sat_to_msat(payment.amount_sat));
        let new = NewPayment {
            id: &bill.payment_hash,
            holder: Holder::Owner,
            request: &bill.invoice,
            amount_msat,
            fee_max_msat: payment.fee_max_msat().unwrap_or(usual_msat),
            now_ms: now_ms(),
        };
        self.ground.pay(&new).await.map(|_| ())
    }

    /// The proof is durable before the seller sees it.
    async fn keep_proof(
        &self,
        mut payment: Payment,
        preimage: &str,
        fee_msat: u64,
    ) -> Result<Payment> {
        payment.take_proof(&self.key, preimage, fee_msat)?;
        self.save("a proof is kept", &payment).await?;
        self.ground.note(&format!("{} is paid", payment.id));
        Ok(payment)
    }

    async fn call_off(
        &self,
        mut payment: Payment,
        is_forgotten: bool,
        why: NodeError,
    ) -> Result<Payment> {
        payment.void();
        payment.error = Some(why.to_string());
        match is_forgotten {
            true => {
                let delete = self
                    .ground
                    .commit("a payment is forgotten", |tx| payment.delete(tx));
                delete.await?;
            }
            false => self.save("a payment is called off", &payment).await?,
        }
        self.ground
            .note(&format!("{} is called off: {}", payment.id, why.code()));
        Err(why)
    }

    /// Repeats the request with its proof of payment, for a while.
    pub(super) async fn present(&self, mut payment: Payment) -> Result<Payment> {
        let (mut reason, mut refusals) = (String::new(), 0);
        let world = &self.ground.world;
        let end_ms = world.now_ms() + TIMEOUT.as_millis() as i64;
        for pause in PAUSES {
            match self.show(&payment).await? {
                Shown::Answer(answer) => return self.keep_bought(payment, answer).await,
                Shown::Refused(answer) => {
                    refusals += 1;
                    reason = format!("the seller answers {}", answer.status);
                    if refusals == REFUSALS_MAX {
                        payment.error = Some(format!("paid, and {reason}"));
                        return self.keep_answer(payment, answer).await;
                    }
                }
                Shown::Unclear(why) => reason = why,
            }
            let pause_ms = pause.as_millis() as i64;
            if world.now_ms() + pause_ms > end_ms {
                break;
            }
            self.ground.sleep(pause_ms).await;
        }
        if self.waits_no_longer(&payment) {
            payment.error = Some(format!("paid, and never answered: {reason}"));
            payment.state = PaymentState::Answered;
            self.save("no answer is waited for any more", &payment)
                .await?;
            return Ok(payment);
        }
        Err(pending(payment, &reason))
    }

    /// Takes a payment up again whose id was asked for.
    pub(super) async fn drive_again(
        self: &Rc<Self>,
        mut payment: Payment,
        spender: Spender,
    ) -> Result<Fetched> {
        payment.spender = spender;
        payment.may_begin = true;
        if payment.was_for_nothing() && payment.unseal(&self.key).is_some() {
            let Shown::Answer(answer) = self.show(&payment).await? else {
                return deliver(&payment);
            };
            payment.error = None;
            payment = self.keep_bought(payment, answer).await?;
        }
        self.drive(payment).await
    }

    async fn show(&self, payment: &Payment) -> Result<Shown> {
        let proof = payment.unseal(&self.key).ok_or(NodeError::ProofMissing)?;
        let proof = std::str::from_utf8(&proof).map_err(|_| inconsistent(&payment.id))?;
        match self.send_paid(payment, "Authorization", proof).await {
            Ok(answer) => Ok(Shown::of(answer)),
            Err(NodeError::Upstream { reason, .. }) => Ok(Shown::Unclear(reason)),
            Err(error) => Err(error),
        }
    }

    async fn keep_bought(&self, mut payment: Payment, answer: HttpAnswer) -> Result<Payment> {
        if answer.status < 400 {
            self.remember_credential(&payment).await?;
        }
        payment.sealed = None;
        self.keep_answer(payment, answer).await
    }
}
