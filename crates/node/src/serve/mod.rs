//! The main road: one paid request, from its price to its receipt.

mod door;
mod events;
mod order;
mod replay;
mod sale;
mod settle;
#[cfg(test)]
#[path = "../simulation/till.rs"]
pub(crate) mod simulated;
mod till;
mod work;

use std::sync::Arc;

use http402::xcashu::TokenOutline;
use tokio::sync::mpsc;
use wallet::purse::{Agent, PurseName};

use crate::boxed;
use crate::energy::Place;
use crate::error::Result;
use crate::locks::Guard;
use crate::node::{Caller, Node};
use crate::sell::{Hold, Use};

pub use door::PaymentRequired;
pub(crate) use door::most_sat;
pub use events::{Answer, AnswerEvent, Settled};
pub(crate) use order::Order;
pub(crate) use sale::{Quote, SCHEMA, Sale, change_operations, change_tokens, widen};
pub(crate) use till::CALL_PREFIX;

/// What a request led to.
#[derive(Debug)]
pub enum Served {
    /// No payment, or one that was refused: how to pay.
    PaymentRequired(PaymentRequired),
    /// The answer, as it comes.
    Answer(Answer),
}

/// Who is let in, before anything was taken.
enum Admitted {
    Free { scope: String },
    Purse(Agent),
    Ecash(TokenOutline),
}

/// Who pays for the work, durably taken or reserved.
pub(crate) enum Payer {
    Free {
        scope: String,
    },
    Purse {
        name: PurseName,
        transfer_id: String,
    },
    Ecash {
        sale: Box<Sale>,
        _guard: Guard,
    },
    /// A Lightning payment, whole.
    Lightning {
        taken: Use,
    },
    Session {
        hold: Hold,
    },
}

impl Node {
    /// Serves a chat completion: prices it, asks for payment, takes it, answers, and hands
    /// out receipt and change. Each step happens once, in this order; nothing is worked
    /// on before its payment is durable.
    ///
    /// A repeated request with the same token is answered from what was stored: the
    /// token pays once.
    ///
    /// # Errors
    /// A request that can't be served, before anything was taken; or a payment whose
    /// outcome isn't known yet (repeat it).
    #[boxed]
    pub async fn serve(
        &self,
        caller: Caller,
        x_cashu: Option<String>,
        body: Vec<u8>,
    ) -> Result<Served> {
        let mut order = self.price(body).await?;
        order.place = self.place_for(&caller, x_cashu.as_deref(), &order).await?;
        let admitted = match self.admit(caller, x_cashu.as_deref(), &order)? {
            Ok(admitted) => admitted,
            // A token that paid for this request before its price rose is still good.
            Err(challenge) => match self
                .paid_before(x_cashu.as_deref(), &order.body_sha256.to_string())
                .await?
            {
                Some(outline) => Admitted::Ecash(outline),
                None => return Ok(Served::PaymentRequired(challenge)),
            },
        };
        let node = self.clone();
        self.uninterrupted(async move { node.sell(admitted, order).await })
            .await
    }

    /// A place for whoever isn't the owner. What was paid already is answered whether there is power or not.
    async fn place_for(
        &self,
        caller: &Caller,
        x_cashu: Option<&str>,
        order: &Order,
    ) -> Result<Option<Arc<Place>>> {
        if *caller == Caller::Owner {
            return Ok(None);
        }
        let request = order.body_sha256.to_string();
        match self.place() {
            Ok(place) => Ok(Some(place)),
            Err(short) => match self.paid_before(x_cashu, &request).await? {
                Some(_) => Ok(None),
                None => Err(short),
            },
        }
    }

    /// Steps 3 to 6, once it is clear who pays.
    async fn sell(&self, admitted: Admitted, order: Order) -> Result<Served> {
        match self.collect(admitted, &order).await {
            Ok(payer) => Ok(Served::Answer(self.answer(order, payer)?)),
            Err(error) => self.refuse(error, &order).map(Served::PaymentRequired),
        }
    }

    /// Takes or reserves the money, durably.
    async fn collect(&self, admitted: Admitted, order: &Order) -> Result<Payer> {
        match admitted {
            Admitted::Free { scope } => Ok(Payer::Free { scope }),
            Admitted::Purse(agent) => self.reserve_from_purse(agent, order).await,
            Admitted::Ecash(outline) => {
                let guard = self.inner.sales.lock(&outline.id.to_string()).await;
                let sale = self.take_payment(outline, order.quote()).await?;
                Ok(Payer::Ecash {
                    sale: Box::new(sale),
                    _guard: guard,
                })
            }
        }
    }

    /// Works in the background, and hands out the answer as it comes.
    pub(crate) fn answer(&self, mut order: Order, payer: Payer) -> Result<Answer> {
        if let Payer::Ecash { sale, .. } = &payer {
            order.restore_terms(sale);
        }
        let (sender, events) = mpsc::unbounded_channel();
        let answer = Answer {
            sale_id: payer.id(&order),
            reply: order.reply(),
            stream: order.request.stream,
            include_usage: order.request.wants_stream_usage(),
            payment_receipt: None,
            events,
        };
        match payer {
            Payer::Ecash { sale, .. } if sale.is_settled() => self.replay(&sale, &sender)?,
            payer => {
                let node = self.clone();
                self.inner
                    .tasks
                    .spawn(async move { node.work(order, payer, sender).await });
            }
        }
        Ok(answer)
    }
}

impl Payer {
    fn id(&self, order: &Order) -> String {
        match self {
            Self::Free { .. } | Self::Lightning { .. } | Self::Session { .. } => order.id.clone(),
            Self::Purse { transfer_id, .. } => transfer_id.clone(),
            Self::Ecash { sale, .. } => sale.id.clone(),
        }
    }
}
