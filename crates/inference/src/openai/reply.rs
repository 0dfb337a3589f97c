//! Builds the parts of an answer.

use super::{ChatResponse, Choice, Chunk, ChunkChoice, Delta, ReplyMessage, Usage};
use crate::{FinishReason, Summary};

/// What all parts of one answer have in common; it builds them.
#[derive(Debug, Clone)]
pub struct Reply {
    id: String,
    created: u64,
    model: String,
}

impl Reply {
    /// A reply with an id that is unique among the server's, made at a time (Unix seconds).
    pub fn new(unique: impl std::fmt::Display, created: u64, model: impl Into<String>) -> Self {
        Self {
            id: format!("chatcmpl-{unique}"),
            created,
            model: model.into(),
        }
    }

    /// The whole answer at once.
    pub fn response(&self, text: impl Into<String>, summary: &Summary) -> ChatResponse {
        ChatResponse {
            id: self.id.clone(),
            object: "chat.completion".into(),
            created: self.created,
            model: self.model.clone(),
            choices: vec![Choice {
                index: 0,
                message: ReplyMessage {
                    role: "assistant".into(),
                    content: text.into(),
                },
                finish_reason: summary.finish_reason,
            }],
            usage: Usage::from(summary),
        }
    }

    /// The chunk that opens a stream.
    pub fn first_chunk(&self) -> Chunk {
        let delta = Delta {
            role: Some("assistant".into()),
            content: Some(String::new()),
        };
        self.chunk(delta, None)
    }

    /// A piece of the answer.
    pub fn text_chunk(&self, text: impl Into<String>) -> Chunk {
        let delta = Delta {
            role: None,
            content: Some(text.into()),
        };
        self.chunk(delta, None)
    }

    /// The chunk that says why the answer ended.
    pub fn last_chunk(&self, finish_reason: FinishReason) -> Chunk {
        self.chunk(Delta::default(), Some(finish_reason))
    }

    /// The chunk with the token counts, after the last one, for those who asked for it.
    pub fn usage_chunk(&self, summary: &Summary) -> Chunk {
        Chunk {
            choices: Vec::new(),
            usage: Some(Usage::from(summary)),
            ..self.chunk(Delta::default(), None)
        }
    }

    fn chunk(&self, delta: Delta, finish_reason: Option<FinishReason>) -> Chunk {
        Chunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".into(),
            created: self.created,
            model: self.model.clone(),
            choices: vec![ChunkChoice {
                index: 0,
                delta,
                finish_reason,
            }],
            usage: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Error, openai::ErrorBody};

    const SUMMARY: Summary = Summary {
        finish_reason: FinishReason::Length,
        prompt_tokens: 5,
        cached_tokens: 2,
        completion_tokens: 3,
        queue_ms: 0,
        prompt_ms: 1,
        generation_ms: 2,
    };

    #[test]
    fn a_response_has_openais_shape() {
        let response = Reply::new("7", 9, "m").response("Hi", &SUMMARY);
        let expected = json!({
            "id": "chatcmpl-7", "object": "chat.completion", "created": 9, "model": "m",
            "choices": [{
                "index": 0, "message": {"role": "assistant", "content": "Hi"},
                "finish_reason": "length",
            }],
            "usage": {
                "prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 2},
            },
        });
        assert_eq!(serde_json::to_value(response).unwrap(), expected);
    }

    #[test]
    fn a_stream_has_openais_shape() {
        let reply = Reply::new("7", 9, "m");
        let choices = |chunk: Chunk| serde_json::to_value(chunk).unwrap()["choices"].clone();
        let first = json!({"role": "assistant", "content": ""});
        assert_eq!(
            choices(reply.first_chunk()),
            json!([{"index": 0, "delta": first, "finish_reason": null}])
        );
        assert_eq!(
            choices(reply.text_chunk("Hi")),
            json!([{"index": 0, "delta": {"content": "Hi"}, "finish_reason": null}])
        );
        assert_eq!(
            choices(reply.last_chunk(FinishReason::Stop)),
            json!([{"index": 0, "delta": {}, "finish_reason": "stop"}])
        );
        assert_eq!(choices(reply.usage_chunk(&SUMMARY)), json!([]));
    }

    #[test]
    fn an_error_has_openais_shape() {
        let error = Error::TooManyStopStrings { count: 5, limit: 4 };
        let body = serde_json::to_value(ErrorBody::from(&error)).unwrap();
        assert_eq!(body["error"]["type"], "invalid_request_error");
        assert_eq!(body["error"]["code"], "too_many_stop_strings");
        assert_eq!(body["error"]["param"], "stop");
    }
}
