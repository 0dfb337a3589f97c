//! An answer as server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, stream};
use node::{Answer, AnswerEvent, FinishReason, Settled};
use serde_json::Value;
use tokio::time::timeout;

use super::error::ApiError;
use crate::sse;

/// How long a stream is silent before it says that it is still there. Writing is also how a
/// client that has gone away is noticed.
const SILENCE_MAX: Duration = Duration::from_secs(15);
const KEEP_ALIVE: &str = ": keep-alive\n\n";

/// The body of a streamed answer. Dropping it drops the answer's events.
pub fn pieces(answer: Answer, first: AnswerEvent) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let writer = Writer {
        answer,
        first: Some(first),
        is_done: false,
    };
    stream::unfold(writer, async |mut writer| {
        let piece = writer.next().await?;
        Some((Ok(Bytes::from(piece)), writer))
    })
}

struct Writer {
    answer: Answer,
    first: Option<AnswerEvent>,
    is_done: bool,
}

impl Writer {
    async fn next(&mut self) -> Option<String> {
        if self.is_done {
            return None;
        }
        if let Some(first) = self.first.take() {
            let opening = sse::event(&self.answer.reply.first_chunk());
            return Some(opening + &self.write(Some(first)));
        }
        match timeout(SILENCE_MAX, self.answer.events.recv()).await {
            Ok(event) => Some(self.write(event)),
            Err(_) => Some(KEEP_ALIVE.to_owned()),
        }
    }

    fn write(&mut self, event: Option<AnswerEvent>) -> String {
        let reply = &self.answer.reply;
        if let Some(AnswerEvent::Text(text)) = event {
            return sse::event(&reply.text_chunk(text));
        }
        self.is_done = true;
        let end = match event {
            Some(AnswerEvent::End(settled)) => self.end(&settled),
            Some(AnswerEvent::Failed(error)) => {
                let payment = error.refund().map(Settled::payment_json);
                failed(&error.into(), payment)
            }
            _ => failed(&ApiError::interrupted(), None),
        };
        end + &sse::done()
    }

    /// Why it ended and what was paid, then the token counts for those who asked: clients
    /// that didn't ask may not know chunks without choices.
    fn end(&self, settled: &Settled) -> String {
        let reply = &self.answer.reply;
        let summary = settled.summary.as_ref();
        let reason = summary.map_or(FinishReason::Stop, |summary| summary.finish_reason);
        let mut last = serde_json::to_value(reply.last_chunk(reason)).unwrap_or_default();
        last["payment"] = settled.payment_json();
        let usage = summary.filter(|_| self.answer.include_usage);
        let usage = usage.map(|summary| sse::event(&reply.usage_chunk(summary)));
        sse::event(&last) + &usage.unwrap_or_default()
    }
}

fn failed(error: &ApiError, payment: Option<Value>) -> String {
    let mut body = error.body();
    if let Some(payment) = payment {
        body["payment"] = payment;
    }
    sse::event(&body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use futures::StreamExt as _;
    use node::{NodeError, Reply, Summary};
    use serde_json::json;
    use tokio::sync::mpsc;

    use super::*;

    fn summary() -> Summary {
        Summary {
            finish_reason: FinishReason::Length,
            prompt_tokens: 3,
            cached_tokens: 0,
            completion_tokens: 2,
            queue_ms: 0,
            prompt_ms: 0,
            generation_ms: 0,
        }
    }

    /// The data of all events, without what all chunks have in common.
    async fn check(events: Vec<AnswerEvent>, include_usage: bool) -> Vec<Value> {
        let (sender, receiver) = mpsc::unbounded_channel();
        for event in events {
            sender.send(event).unwrap();
        }
        drop(sender);
        let mut answer = Answer {
            sale_id: "s".into(),
            reply: Reply::new("1", 0, "m"),
            stream: true,
            include_usage,
            payment_receipt: None,
            events: receiver,
        };
        let first = answer.events.recv().await.unwrap();
        let body: Vec<_> = pieces(answer, first).collect().await;
        let mut reader = sse::Reader::default();
        let data = body
            .iter()
            .flat_map(|piece| reader.push(piece.as_ref().unwrap()));
        let data: Vec<String> = data.collect();
        let (last, chunks) = data.split_last().unwrap();
        assert_eq!(last, sse::DONE);
        let parse = |chunk: &String| serde_json::from_str::<Value>(chunk).unwrap();
        chunks.iter().map(parse).collect()
    }

    fn end(price_sat: u64) -> AnswerEvent {
        AnswerEvent::End(Box::new(Settled {
            summary: Some(summary()),
            price_sat,
            ..Settled::default()
        }))
    }

    #[tokio::test]
    async fn an_answer_comes_in_pieces() {
        let chunks = check(vec![AnswerEvent::Text("Hi".into()), end(0)], false).await;
        assert_eq!(chunks.len(), 3);
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        assert_eq!(chunks[1]["choices"][0]["delta"]["content"], "Hi");
        assert_eq!(chunks[2]["choices"][0]["finish_reason"], "length");
    }

    #[tokio::test]
    async fn token_counts_come_when_asked_for_and_the_payment_always() {
        let chunks = check(vec![end(0)], true).await;
        assert_eq!(chunks[2]["usage"]["total_tokens"], 5);
        assert_eq!(chunks[2]["choices"], json!([]));
        let chunks = check(vec![end(7)], false).await;
        assert_eq!(chunks.len(), 2);
        assert_eq!(chunks[1]["payment"]["price_sat"], 7);
        assert_eq!(chunks[1]["choices"][0]["finish_reason"], "length");
    }

    #[tokio::test]
    async fn a_failure_ends_the_stream() {
        let failed = AnswerEvent::Failed(NodeError::ModelMissing);
        let chunks = check(vec![AnswerEvent::Text("Hi".into()), failed], false).await;
        assert_eq!(chunks[2]["error"]["code"], "model_missing");
        let chunks = check(vec![AnswerEvent::Text("Hi".into())], false).await;
        assert_eq!(chunks[2]["error"]["code"], "answer_interrupted");
    }
}
