//! The response, the chunks of a stream, the list of models, and errors.

use serde::{Deserialize, Serialize};

use crate::{Error, FinishReason, Summary};

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatResponse {
    /// `chatcmpl-…`.
    pub id: String,
    /// `chat.completion`.
    pub object: String,
    /// Unix seconds.
    pub created: u64,
    /// The model that answered.
    pub model: String,
    /// One choice.
    pub choices: Vec<Choice>,
    /// The token counts.
    pub usage: Usage,
}

/// An answer of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// Always 0.
    pub index: u32,
    /// The answer.
    pub message: ReplyMessage,
    /// Why it ended.
    pub finish_reason: FinishReason,
}

/// The answer as a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyMessage {
    /// `assistant`.
    pub role: String,
    /// The text.
    pub content: String,
}

/// A part of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// `chatcmpl-…`, the same in all chunks.
    pub id: String,
    /// `chat.completion.chunk`.
    pub object: String,
    /// Unix seconds, the same in all chunks.
    pub created: u64,
    /// The model that answers.
    pub model: String,
    /// One choice, or none in the chunk with the token counts.
    pub choices: Vec<ChunkChoice>,
    /// The token counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A part of an answer of the model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkChoice {
    /// Always 0.
    pub index: u32,
    /// What is new.
    pub delta: Delta,
    /// Why it ended, in the last chunk.
    pub finish_reason: Option<FinishReason>,
}

/// What a chunk adds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// `assistant`, in the first chunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The next piece of text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Token counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// The prompt's.
    pub prompt_tokens: u32,
    /// The answer's.
    pub completion_tokens: u32,
    /// Both.
    pub total_tokens: u32,
    /// More about the prompt.
    pub prompt_tokens_details: PromptTokensDetails,
}

/// More about the prompt's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptTokensDetails {
    /// Those that were remembered from an earlier request.
    pub cached_tokens: u32,
}

impl From<&Summary> for Usage {
    fn from(summary: &Summary) -> Self {
        Self {
            prompt_tokens: summary.prompt_tokens,
            completion_tokens: summary.completion_tokens,
            total_tokens: summary
                .prompt_tokens
                .saturating_add(summary.completion_tokens),
            prompt_tokens_details: PromptTokensDetails {
                cached_tokens: summary.cached_tokens,
            },
        }
    }
}

/// The models on offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// `list`.
    pub object: String,
    /// The models.
    pub data: Vec<ModelEntry>,
}

impl ModelList {
    /// A list of these models.
    pub fn new(data: Vec<ModelEntry>) -> Self {
        let object = "list".into();
        Self { object, data }
    }
}

/// One model on offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelEntry {
    /// The name to ask for it.
    pub id: String,
    /// `model`.
    pub object: String,
    /// When it was installed, Unix seconds.
    pub created: u64,
    /// Who runs it.
    pub owned_by: String,
}

impl ModelEntry {
    /// An entry for a model.
    pub fn new(id: impl Into<String>, created: u64, owned_by: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            object: "model".into(),
            created,
            owned_by: owned_by.into(),
        }
    }
}

/// The body of every HTTP answer that isn't a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The error.
    pub error: ErrorDetail,
}

/// An error as OpenAI clients expect it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// What happened, and what to do.
    pub message: String,
    /// The class of error.
    #[serde(rename = "type")]
    pub kind: String,
    /// The parameter that is to blame.
    pub param: Option<String>,
    /// The stable code.
    pub code: Option<String>,
}

impl From<&Error> for ErrorBody {
    fn from(error: &Error) -> Self {
        let kind = match error.http_status() {
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        Self {
            error: ErrorDetail {
                message: format!("{error}. {}", error.hint()),
                kind: kind.into(),
                param: error.param().map(str::to_owned),
                code: Some(error.code().into()),
            },
        }
    }
}
