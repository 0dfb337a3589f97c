//! The model's answers, paid by macaroon, charge or session. Ecash by the call goes the main road (`serve/`).
//!
//! A session pays what an answer really costs. A Lightning payment can't be given back in part: it pays the highest
//! price, and for any question that costs no more.

use http402::l402;
use http402::mpp;

use super::door::{Presented, read};
use super::sessions::Acted;
use super::{Answer, Call, Offer, SellError, Unit, challenge};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_s};
use crate::serve::{self, Order, Payer};

/// What is sold, for macaroons and challenges.
const CHAT: &str = "chat-completions";
const PATH: &str = "/v1/chat/completions";
/// The deposit of a session, in sat, unless a single answer costs more.
const DEPOSIT_SAT: u64 = 1_000;

/// What a paid request for an answer of the model led to.
#[derive(Debug)]
pub enum Chat {
    /// An answer of the door itself.
    Door(Answer),
    /// The model's answer, as it comes.
    Answer(serve::Answer),
}

impl Node {
    /// Serves a chat completion that is paid by the `Authorization` header of `call`.
    ///
    /// # Errors
    /// A request that can't be served, before anything was taken.
    #[boxed]
    pub async fn serve_proven(&self, call: Call, body: Vec<u8>) -> Result<Chat> {
        let node = self.clone();
        // What is taken must not be left half done by whoever hangs up.
        self.uninterrupted(Box::pin(async move {
            node.serve_proven_alone(&call, body).await
        }))
        .await
    }

    /// The challenges over Lightning and by session for an answer of at most this price.
    #[boxed]
    pub async fn chat_challenges(
        &self,
        price_sat: u64,
        address: std::net::IpAddr,
        accept_payment: Option<&str>,
    ) -> Vec<(&'static str, String)> {
        let answer = self
            .ask_for_payment(&chat(price_sat), Some(address), accept_payment)
            .await;
        answer
            .headers
            .into_iter()
            .filter(|(name, _)| *name == "WWW-Authenticate")
            .collect()
    }

    async fn serve_proven_alone(&self, call: &Call, body: Vec<u8>) -> Result<Chat> {
        let presented = match read(call) {
            Ok(presented) => presented,
            Err(error) => return Ok(Chat::Door(Answer::problem(&error, None))),
        };
        if let Presented::Payment(credential) = &presented
            && credential.challenge.intent == mpp::SESSION
        {
            return match self.chat_by_session(credential, body).await {
                Err(NodeError::Sell(error)) => Ok(Chat::Door(
                    self.refuse_call(&chat(1), call.address, &error).await,
                )),
                chat => chat,
            };
        }
        let mut order = self.price(body).await?;
        order.place = Some(self.place()?);
        let offer = chat(order.max_price_sat.max(1));
        match self.chat_by_payment(&offer, call, &presented, order).await {
            Err(NodeError::Sell(error)) => Ok(Chat::Door(
                self.refuse_call(&offer, call.address, &error).await,
            )),
            chat => chat,
        }
    }

    async fn chat_by_session(&self, credential: &mpp::Credential, body: Vec<u8>) -> Result<Chat> {
        let hold = match self.act(CHAT, credential).await? {
            Acted::Call(hold) => hold,
            Acted::ToppedUp(receipt) => return Ok(Chat::Door(super::door::topped_up(&receipt))),
            Acted::Closed(reply) => return Ok(Chat::Door(super::door::closed(reply))),
        };
        let mut order = self.price(body).await?;
        order.place = Some(self.place()?);
        hold.reserve(order.max_price_sat)?;
        let receipt = hold.receipt.encode();
        let mut answer = self.answer(order, Payer::Session { hold })?;
        answer.payment_receipt = Some(receipt);
        Ok(Chat::Answer(answer))
    }

    async fn chat_by_payment(
        &self,
        offer: &Offer,
        call: &Call,
        presented: &Presented,
        order: Order,
    ) -> Result<Chat> {
        let (taken, receipt) = match presented {
            Presented::Macaroon(credential) => (
                self.take_chat_macaroon(offer, call, credential).await?,
                None,
            ),
            Presented::Payment(credential) => {
                let charge = self.charge_offer(offer);
                let at_s = self.charged_at_s(credential).await?;
                let paid = charge
                    .verify(&self.inner.selling.keys, credential, &[], at_s)
                    .map_err(SellError::from)?;
                let taken = self.take_lightning(paid.payment_hash, CHAT, 1).await?;
                (taken, Some(paid.receipt(now_s()).encode()))
            }
            Presented::Ecash(_) | Presented::Nothing => {
                return Err(SellError::HeaderMalformed("Authorization").into());
            }
        };
        let mut answer = self.answer(order, Payer::Lightning { taken })?;
        answer.payment_receipt = receipt;
        Ok(Chat::Answer(answer))
    }

    async fn take_chat_macaroon(
        &self,
        offer: &Offer,
        call: &Call,
        credential: &l402::Credential,
    ) -> Result<super::Use> {
        let grant = self.verify_macaroon(offer, call, credential)?;
        let (given_sat, price_sat) = (
            challenge::sat_bought(grant.capabilities.as_deref()),
            offer.price_sat,
        );
        if given_sat < price_sat {
            return Err(SellError::Mpp(mpp::Error::PaidTooLittle {
                given_sat,
                price_sat,
            })
            .into());
        }
        self.take_lightning(grant.payment_hash.into(), CHAT, 1)
            .await
    }
}

/// What is sold at this price, at most.
pub(super) fn chat(price_sat: u64) -> Offer {
    Offer {
        id: CHAT.to_owned(),
        upstream: String::new(),
        path: PATH.to_owned(),
        method: Some("POST".to_owned()),
        price_sat,
        unit: Unit::Call,
        calls: 1,
        free_per_day: 0,
        description: "Answer of a local model".to_owned(),
        deposit_sat: DEPOSIT_SAT.max(price_sat.saturating_mul(10)),
        haggle: None,
        tools: None,
        created_ms: 0,
        agreed: None,
    }
}

impl Offer {
    /// Whether it is the model's answers, whose price depends on the question.
    pub(super) fn is_chat(&self) -> bool {
        self.id == CHAT
    }
}
