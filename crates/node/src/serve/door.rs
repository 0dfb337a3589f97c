//! Step 2: who is let in, and how everybody else can pay.

use http402::xcashu::{Decision, Offer};
use http402::{PROBLEM_CONTENT_TYPE, Problem};
use serde_json::{Value, json};

use super::Admitted;
use super::order::Order;
use crate::backup::BackupError;
use crate::error::{NodeError, Result};
use crate::node::{Caller, Node};

/// The answer to a request without a payment, or with one that was refused.
#[derive(Clone, Debug)]
pub struct PaymentRequired {
    /// 402; 400 when a payment was refused, nothing taken.
    pub status: u16,
    /// The fresh challenge for ecash.
    pub header: (&'static str, String),
    /// What the request costs at most.
    pub price_sat: u64,
    /// A problem (RFC 9457) with an OpenAI-style `error` in it.
    pub body: Value,
    /// The body's media type.
    pub content_type: &'static str,
}

impl Node {
    /// Owner and purses are let in; a visitor needs a token of our mint over the price.
    /// The inner `Err` is the challenge for whoever isn't let in.
    pub(super) fn admit(
        &self,
        caller: Caller,
        x_cashu: Option<&str>,
        order: &Order,
    ) -> Result<std::result::Result<Admitted, PaymentRequired>> {
        let name = match caller {
            Caller::Owner => {
                return Ok(Ok(Admitted::Free {
                    scope: "owner".into(),
                }));
            }
            Caller::Purse(agent) if order.max_price_sat > 0 => {
                return Ok(Ok(Admitted::Purse(agent)));
            }
            Caller::Purse(agent) => format!("purse:{}", agent.purse),
            // Nobody learns from an answer's speed what another visitor asked.
            Caller::Visitor => format!("visitor:{}", order.id),
        };
        if order.max_price_sat == 0 {
            return Ok(Ok(Admitted::Free { scope: name }));
        }
        if self.is_mint_closed() {
            // It may have forgotten what was spent: its ecash pays for nothing.
            return Err(BackupError::MintClosed.into());
        }
        let offer = self.offer(order)?;
        Ok(match offer.decide(x_cashu) {
            Decision::Challenge(_) => Err(required(&offer, offer.problem(None))),
            Decision::Refuse { error, .. } => Err(required(&offer, offer.problem(Some(&error)))),
            Decision::Redeem(outline) if outline.amount > most_sat(order.max_price_sat) => {
                let (given_sat, price_sat) = (outline.amount, order.max_price_sat);
                Err(self.refuse(
                    NodeError::PaymentTooMuch {
                        given_sat,
                        price_sat,
                    },
                    order,
                )?)
            }
            Decision::Redeem(outline) => Ok(Admitted::Ecash(outline)),
        })
    }

    /// A payment that was refused is answered with a fresh challenge; anything else
    /// that went wrong stays an error.
    pub(super) fn refuse(&self, error: NodeError, order: &Order) -> Result<PaymentRequired> {
        let about_the_token = match &error {
            NodeError::Ecash(error) => !error.is_unknown(),
            NodeError::PaymentUsed | NodeError::PaymentTooMuch { .. } => true,
            _ => false,
        };
        if !about_the_token {
            return Err(error);
        }
        let offer = self.offer(order)?;
        let mut refused = required(&offer, offer.problem(None));
        refused.status = 400;
        let (code, message, hint) = (error.code(), error.to_string(), error.hint());
        for (key, value) in [
            ("title", json!("Bad Request")),
            ("status", json!(400)),
            ("detail", json!(message)),
            ("code", json!(code)),
            ("hint", json!(hint)),
            ("error", openai_error(&message, code, &hint)),
        ] {
            refused.body[key] = value;
        }
        Ok(refused)
    }

    fn offer(&self, order: &Order) -> Result<Offer> {
        Ok(Offer::new(
            order.max_price_sat,
            "sat",
            &[self.inner.till.mint_url()],
        )?)
    }
}

/// Far more than the price is a slip that nobody wants to be swapped.
pub(crate) fn most_sat(price_sat: u64) -> u64 {
    price_sat
        .saturating_mul(10)
        .max(price_sat.saturating_add(1_000))
}

fn required(offer: &Offer, problem: Problem) -> PaymentRequired {
    let challenge = offer.challenge();
    let error = openai_error(&problem.detail, problem.code, problem.hint);
    let mut body = serde_json::to_value(&problem).unwrap_or_default();
    body["error"] = error;
    PaymentRequired {
        status: problem.status,
        header: (challenge.name, challenge.value),
        price_sat: offer.price_sat(),
        body,
        content_type: PROBLEM_CONTENT_TYPE,
    }
}

fn openai_error(message: &str, code: &str, hint: &str) -> Value {
    json!({ "message": message, "type": "payment_error", "param": null, "code": code, "hint": hint })
}
