//! What an answer is made of, on its way out.

use inference::Summary;
use inference::openai::Reply;
use serde_json::{Value, json};
use timestamp::proof::ReceiptProof;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::error::NodeError;

/// An answer in the making.
#[derive(Debug)]
pub struct Answer {
    /// Names the sale, the call or the reservation behind it.
    pub sale_id: String,
    /// Builds the OpenAI objects.
    pub reply: Reply,
    /// True if the client wants a stream.
    pub stream: bool,
    /// True if the client wants token counts at the stream's end.
    pub include_usage: bool,
    /// The header `Payment-Receipt`, if the payment's protocol has it.
    pub payment_receipt: Option<String>,
    /// Text, and then [`AnswerEvent::End`] or [`AnswerEvent::Failed`]. Dropping it stops an
    /// answer that isn't paid with ecash; a paid one is finished, and kept for a retry.
    pub events: UnboundedReceiver<AnswerEvent>,
}

/// A piece of an answer.
#[derive(Debug)]
pub enum AnswerEvent {
    /// Text, whole characters only.
    Text(String),
    /// The end, with what it cost. The last event.
    End(Box<Settled>),
    /// It failed; [`NodeError::refund`] has what goes back. The last event.
    Failed(NodeError),
}

/// How a request was settled.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// What the model did; none if it failed.
    pub summary: Option<Summary>,
    /// What the request cost.
    pub price_sat: u64,
    /// A token over the difference to what was paid.
    pub change: Option<String>,
    /// The proof of what was asked, answered and paid.
    pub receipt: Option<ReceiptProof>,
}

impl Settled {
    /// The object `payment` in an answer's body, or in the last chunk of its stream. The receipt
    /// is nowhere else: with signatures that outlive elliptic curves it is longer than what
    /// proxies and clients let pass in a header.
    #[must_use]
    pub fn payment_json(&self) -> Value {
        json!({ "price_sat": self.price_sat, "change": self.change, "receipt": self.receipt })
    }

    /// The headers of an answer that isn't streamed: `X-Cashu` with the change (NUT-24) and
    /// `Freehold-Price-Sat`.
    #[must_use]
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("Freehold-Price-Sat", self.price_sat.to_string())];
        if let Some(change) = &self.change {
            headers.push((http402::xcashu::X_CASHU, change.clone()));
        }
        headers
    }
}
