//! Step 4: the work.

use inference::{GenerationEvent, Summary};
use tokio::sync::mpsc::UnboundedSender;
use tokio_stream::StreamExt;

use super::order::Order;
use super::{AnswerEvent, Payer};
use crate::error::Result;
use crate::node::Node;

/// What the model said.
pub(super) struct Done {
    pub text: String,
    pub completion_tokens: u32,
    /// None if the client went away before the end.
    pub summary: Option<Summary>,
}

impl Node {
    /// Answers and settles. Whatever happens, the last event is sent; for a payer with
    /// ecash also if nobody listens any more.
    pub(super) async fn work(
        &self,
        order: Order,
        payer: Payer,
        events: UnboundedSender<AnswerEvent>,
    ) {
        let outcome = match payer.refusal() {
            Some(error) => Err(error),
            None => self.generate(&order, &payer, &events).await,
        };
        let last = match self.settle(&order, &payer, outcome).await {
            Ok(settled) => AnswerEvent::End(Box::new(settled)),
            Err(error) => {
                tracing::warn!(code = error.code(), %error, "a request failed");
                AnswerEvent::Failed(error)
            }
        };
        // A client that has gone away finds the stored answer when it comes back.
        let _ = events.send(last);
    }

    async fn generate(
        &self,
        order: &Order,
        payer: &Payer,
        events: &UnboundedSender<AnswerEvent>,
    ) -> Result<Done> {
        let engine = self.inner.engines.get().await?.engine;
        let request = order.request.clone();
        let mut generation = engine
            .generate_scoped(request, order.max_tokens, &payer.scope())
            .await?;
        let mut text = String::new();
        let mut pieces = 0;
        loop {
            let event = tokio::select! {
                event = generation.next() => event,
                // Dropping the generation stops the work.
                () = events.closed(), if payer.may_leave() => None,
            };
            match event.transpose()? {
                Some(GenerationEvent::Token(piece)) => {
                    pieces += 1;
                    text.push_str(&piece);
                    let _ = events.send(AnswerEvent::Text(piece));
                }
                Some(GenerationEvent::Done(summary)) => {
                    let completion_tokens = summary.completion_tokens;
                    return Ok(Done {
                        text,
                        completion_tokens,
                        summary: Some(summary),
                    });
                }
                None => {
                    return Ok(Done {
                        text,
                        completion_tokens: pieces,
                        summary: None,
                    });
                }
            }
        }
    }
}

impl Payer {
    /// Whoever paid in advance gets the whole answer, now or at the next try; anybody
    /// else stops the work by leaving.
    const fn may_leave(&self) -> bool {
        !matches!(self, Self::Ecash { .. })
    }

    /// Whose remembered prompts may make this answer faster.
    fn scope(&self) -> String {
        match self {
            Self::Free { scope } => scope.clone(),
            Self::Lightning { taken } => format!("payment:{}", taken.payment),
            Self::Session { hold } => format!("session:{}", hold.receipt.reference),
            Self::Purse { name, .. } => format!("purse:{name}"),
            Self::Ecash { sale, .. } => format!("sale:{}", sale.id),
        }
    }
}
