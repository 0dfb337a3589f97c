//! The OpenAI chat completion format: what comes in, what goes out, and how errors look.
//!
//! Nothing here knows of HTTP; the front end reads the body with [`ChatRequest::from_json`] and
//! writes what [`Reply`] builds.

mod reply;
mod request;
mod response;
mod validate;

pub use reply::Reply;
pub use request::{ChatRequest, Message, Role, StreamOptions};
pub use response::{
    ChatResponse, Choice, Chunk, ChunkChoice, Delta, ErrorBody, ErrorDetail, ModelEntry, ModelList,
    PromptTokensDetails, ReplyMessage, Usage,
};
pub use validate::{
    MAX_MESSAGES, MAX_STOP_BYTES, MAX_STOP_STRINGS, MAX_TEXT_BYTES, MAX_TOKENS_LIMIT,
};
