//! What the two processes say to each other.

use serde::{Deserialize, Serialize};

use crate::{Error, openai::ChatRequest};

/// Names one request on the pipe; chosen by the parent, never reused in a worker's life.
pub type RequestId = u64;

/// What the parent asks of the worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Load a model. It must be the first command, and comes once in a worker's life.
    Load(LoadOptions),
    /// Count the prompt's tokens.
    Prepare {
        /// Names the answer.
        id: RequestId,
        /// The request to measure.
        request: Box<ChatRequest>,
    },
    /// Answer a chat request.
    Generate {
        /// Names the answer's events.
        id: RequestId,
        /// The request to answer.
        request: Box<ChatRequest>,
        /// The longest answer wanted; the room in the context may shorten it.
        max_tokens: u32,
        /// Requests share cached prompts with others of the same scope only.
        scope: String,
    },
    /// Stop working on a request. There is no answer.
    Cancel {
        /// The request to forget.
        id: RequestId,
    },
    /// Say that you are alive.
    Ping,
}

/// How to load a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadOptions {
    /// The GGUF file.
    pub path: String,
    /// Prompt and answer of one request together, if not the default.
    pub context_tokens: Option<u32>,
    /// Threads that compute.
    pub threads: u32,
    /// Requests that are answered at the same time.
    pub parallel: u32,
}

/// What the worker tells the parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The model is ready.
    Loaded(ModelInfo),
    /// The model couldn't be loaded.
    LoadFailed {
        /// Why.
        error: Error,
    },
    /// The answer to [`Command::Prepare`].
    Prepared {
        /// The request.
        id: RequestId,
        /// Its size.
        prepared: Prepared,
    },
    /// A [`Command::Generate`] was taken on: it fits, and there is a place in the queue.
    Accepted {
        /// The request.
        id: RequestId,
        /// Its size, with the limit that will be applied.
        prepared: Prepared,
    },
    /// A piece of the answer, whole characters only.
    Token {
        /// The request.
        id: RequestId,
        /// The piece; pieces in their order make the answer.
        text: String,
    },
    /// The answer is complete.
    Done {
        /// The request.
        id: RequestId,
        /// How it ended.
        summary: Summary,
    },
    /// The request failed.
    Failed {
        /// The request.
        id: RequestId,
        /// Why.
        error: Error,
    },
    /// The answer to [`Command::Ping`].
    Pong(Activity),
}

/// What is known about the loaded model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The name in the model's own metadata, or else the file's.
    pub name: String,
    /// Prompt and answer of one request together.
    pub context_tokens: u32,
    /// The context that the model was trained with.
    pub trained_context_tokens: u32,
    /// The number of weights.
    pub parameters: u64,
    /// The size of all weights in memory.
    pub size_bytes: u64,
    /// Whether the model can chat at all.
    pub has_chat_template: bool,
}

/// The size of a request, known before any work is done: enough to price it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The tokens of the prompt.
    pub prompt_tokens: u32,
    /// Prompt and answer of one request together.
    pub context_tokens: u32,
    /// The longest answer that this request can get.
    pub max_tokens: u32,
}

/// How an answer ended and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Why it ended.
    pub finish_reason: FinishReason,
    /// The tokens of the prompt.
    pub prompt_tokens: u32,
    /// Prompt tokens that were remembered from an earlier request.
    pub cached_tokens: u32,
    /// The tokens of the answer.
    pub completion_tokens: u32,
    /// Waiting for a free slot.
    pub queue_ms: u64,
    /// Reading the prompt, up to the first token of the answer.
    pub prompt_ms: u64,
    /// Writing the rest of the answer.
    pub generation_ms: u64,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended it, or a stop string did.
    Stop,
    /// It reached the limit of tokens.
    Length,
}

/// How busy a worker is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    /// Requests that are being answered.
    pub active: usize,
    /// Requests that wait for their turn.
    pub waiting: usize,
}
