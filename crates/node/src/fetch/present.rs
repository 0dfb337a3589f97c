//! Showing the seller that its invoice was paid, until it answers. Nothing here can pay.

use tokio::time::Instant;

use super::answer::was_interrupted;
use super::drive::{PAUSES, deliver};
use super::http::TIMEOUT;
use super::payment::inconsistent;
use super::{Credential, Fetched, HttpAnswer, Payment, PaymentState, Spender, send};
use crate::error::{NodeError, Result};
use crate::node::Node;

/// A seller may learn of a payment a moment after us; after so many refusals it means it.
pub(super) const REFUSALS_MAX: u32 = 2;

/// What showing the proof led to.
pub(super) enum Shown {
    /// The seller's last word.
    Answer(HttpAnswer),
    /// The seller wants to be paid again, or sends us elsewhere.
    Refused(HttpAnswer),
    /// Nothing certain.
    Unclear(String),
}

impl Node {
    /// Repeats the request with its proof of payment, for a while.
    pub(super) async fn present(&self, mut payment: Payment) -> Result<Payment> {
        let (mut reason, mut refusals) = (String::new(), 0);
        let end = Instant::now() + TIMEOUT;
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
            if Instant::now() + pause > end {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        if self.waits_no_longer(&payment) {
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

    /// Takes a payment up again whose id was asked for. One that was made for nothing is shown to the seller once more:
    /// it may have come to its senses.
    pub(super) async fn drive_again(
        &self,
        mut payment: Payment,
        spender: Spender,
    ) -> Result<Fetched> {
        payment.spender = spender;
        payment.may_begin = true;
        if payment.was_for_nothing() && self.unseal(&payment).is_some() {
            let Shown::Answer(answer) = self.show(&payment).await? else {
                return deliver(&payment);
            };
            payment.error = None;
            payment = self.keep_bought(payment, answer).await?;
        }
        self.drive(payment).await
    }

    async fn show(&self, payment: &Payment) -> Result<Shown> {
        let proof = self.unseal(payment).ok_or(NodeError::ProofMissing)?;
        let proof = std::str::from_utf8(&proof).map_err(|_| inconsistent(&payment.id))?;
        let credential = Credential::authorization(payment.carrier, proof);
        let credential = Some(credential.for_call_of(&payment.id));
        let answer = match send(&self.inner.http, &payment.request, credential).await {
            Ok(answer) => answer,
            Err(NodeError::Upstream { reason, .. }) => return Ok(Shown::Unclear(reason)),
            Err(error) => return Err(error),
        };
        Ok(Shown::of(answer))
    }

    /// Keeps what was bought, and what may buy it again.
    async fn keep_bought(&self, mut payment: Payment, answer: HttpAnswer) -> Result<Payment> {
        if answer.status < 400 {
            self.remember_credential(&payment).await?;
        }
        payment.sealed = None;
        self.keep_answer(payment, answer).await
    }
}

impl Shown {
    /// What an answer to a proof means.
    pub fn of(answer: HttpAnswer) -> Self {
        match answer.status {
            _ if answer.is_refusal() => Self::Refused(answer),
            200..=399 if was_interrupted(&answer) => Self::Unclear("the stream broke off".into()),
            408 | 425 | 429 | 500..=599 => {
                Self::Unclear(format!("the seller answers {}", answer.status))
            }
            _ => Self::Answer(answer),
        }
    }
}

impl HttpAnswer {
    /// Whether this, in answer to a proof of payment, is none of what was paid for. A redirect is none either: the proof
    /// goes to no other address than the one that was paid.
    pub fn is_refusal(&self) -> bool {
        matches!(self.status, 401 | 402) || self.is_redirect()
    }

    /// Whether it sends us elsewhere.
    pub fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }
}

impl Payment {
    /// Whether an invoice was paid, and nothing came back for it.
    pub fn was_for_nothing(&self) -> bool {
        let has_answer = |answer: &HttpAnswer| !answer.is_refusal();
        self.state == PaymentState::Settled
            && self.protocol.is_lightning()
            && !self.answer.as_ref().is_some_and(has_answer)
    }

    /// What to tell whoever paid for nothing.
    pub fn regret(&self) -> NodeError {
        let id = self.id.clone();
        match &self.answer {
            Some(answer) if answer.is_redirect() => NodeError::PaidAndRedirected {
                id,
                to: answer.header("location").unwrap_or_default().to_owned(),
            },
            Some(answer) => NodeError::PaidAndRefused {
                id,
                status: answer.status,
            },
            None => NodeError::PaidUnanswered {
                id,
                reason: self.error.clone().unwrap_or_default(),
            },
        }
    }
}
