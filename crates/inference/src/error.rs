//! What can go wrong, said once: to the caller, on the pipe and in the HTTP answer.

use serde::{Deserialize, Serialize};

/// A shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong between a chat request and its answer.
///
/// It is serialisable because the worker sends it over the pipe as it is: a failure keeps its
/// code and its numbers all the way to the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Error {
    /// The body isn't a chat completion request.
    #[error("the request can't be read: {message}")]
    MalformedRequest {
        /// What the parser stumbled over.
        message: String,
    },
    /// A parameter is outside its bounds.
    #[error("`{param}` {message}")]
    InvalidParameter {
        /// The parameter's name.
        param: String,
        /// Why it was refused.
        message: String,
    },
    /// A parameter that would change the answer, and that this engine can't honour.
    #[error("`{param}` isn't supported")]
    UnsupportedParameter {
        /// The parameter's name.
        param: String,
    },
    /// More stop strings than a request may have.
    #[error("{count} stop strings, but at most {limit} are accepted")]
    TooManyStopStrings {
        /// How many the request has.
        count: usize,
        /// How many it may have.
        limit: usize,
    },
    /// More text than any request may carry.
    #[error("the request is too large: the limit is {limit_bytes} bytes")]
    RequestTooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The prompt alone doesn't leave room for an answer.
    #[error("the prompt has {prompt_tokens} tokens, but the context holds {context_tokens}")]
    ContextLengthExceeded {
        /// The prompt's length; a lower bound when the text was too long to be worth counting.
        prompt_tokens: u32,
        /// What the prompt and the answer may have together.
        context_tokens: u32,
    },
    /// The model file has no chat template.
    #[error("the model has no chat template")]
    NoChatTemplate,
    /// The model's chat template refused these messages, or is broken.
    #[error("the model's chat template failed: {message}")]
    TemplateFailed {
        /// The template engine's words.
        message: String,
    },
    /// The queue is full.
    #[error("{waiting} requests are waiting already")]
    Busy {
        /// The queue's length.
        waiting: usize,
    },
    /// The model couldn't be loaded.
    #[error("the model can't be loaded: {message}")]
    ModelLoadFailed {
        /// Why.
        message: String,
    },
    /// llama.cpp failed to evaluate a batch.
    #[error("the model failed: {message}")]
    DecodeFailed {
        /// Why.
        message: String,
    },
    /// The worker process died, or was replaced, while it served this request.
    #[error("the inference process was restarted during this request")]
    EngineRestarted,
    /// The worker process didn't come back in time.
    #[error("the inference process isn't ready")]
    EngineUnavailable,
    /// The engine was shut down.
    #[error("the engine is shut down")]
    EngineStopped,
    /// The worker program couldn't be started.
    #[error("the inference process can't be started: {message}")]
    WorkerSpawnFailed {
        /// Why.
        message: String,
    },
    /// The two processes don't understand each other.
    #[error("the inference process broke the protocol: {message}")]
    ProtocolError {
        /// How.
        message: String,
    },
}

impl Error {
    /// A stable name for programs to match on.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MalformedRequest { .. } => "malformed_request",
            Self::InvalidParameter { .. } => "invalid_parameter",
            Self::UnsupportedParameter { .. } => "unsupported_parameter",
            Self::TooManyStopStrings { .. } => "too_many_stop_strings",
            Self::RequestTooLarge { .. } => "request_too_large",
            Self::ContextLengthExceeded { .. } => "context_length_exceeded",
            Self::NoChatTemplate => "no_chat_template",
            Self::TemplateFailed { .. } => "template_failed",
            Self::Busy { .. } => "busy",
            Self::ModelLoadFailed { .. } => "model_load_failed",
            Self::DecodeFailed { .. } => "decode_failed",
            Self::EngineRestarted => "engine_restarted",
            Self::EngineUnavailable => "engine_unavailable",
            Self::EngineStopped => "engine_stopped",
            Self::WorkerSpawnFailed { .. } => "worker_spawn_failed",
            Self::ProtocolError { .. } => "protocol_error",
        }
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::MalformedRequest { .. } => "Send a JSON chat completion request.",
            Self::InvalidParameter { .. } => "Change the parameter or leave it out.",
            Self::UnsupportedParameter { .. } => "Leave it out: it would be ignored otherwise.",
            Self::TooManyStopStrings { .. } => "Keep the most important ones.",
            Self::RequestTooLarge { .. } => "Send fewer or shorter messages.",
            Self::ContextLengthExceeded { .. } => {
                "Shorten the messages, or use a model with a longer context."
            }
            Self::NoChatTemplate => "Use an instruction-tuned model; this is a base model.",
            Self::TemplateFailed { .. } => {
                "Check the roles and their order; many models want user and assistant to alternate."
            }
            Self::Busy { .. } => "Try again in a few seconds.",
            Self::ModelLoadFailed { .. } => "Check that the file is a complete GGUF model.",
            Self::DecodeFailed { .. } => "Try again; if it persists, check the free memory.",
            Self::EngineRestarted => "Try again: the engine comes back by itself.",
            Self::EngineUnavailable => "Try again later; the log says why it doesn't start.",
            Self::EngineStopped => "Start the program again.",
            Self::WorkerSpawnFailed { .. } => "Check the installation and the process limits.",
            Self::ProtocolError { .. } => "Check that both processes are of the same version.",
        }
    }

    /// The HTTP status that says the same.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::MalformedRequest { .. }
            | Self::InvalidParameter { .. }
            | Self::UnsupportedParameter { .. }
            | Self::TooManyStopStrings { .. }
            | Self::ContextLengthExceeded { .. }
            | Self::NoChatTemplate
            | Self::TemplateFailed { .. } => 400,
            Self::RequestTooLarge { .. } => 413,
            Self::Busy { .. }
            | Self::EngineRestarted
            | Self::EngineUnavailable
            | Self::EngineStopped => 503,
            Self::ModelLoadFailed { .. }
            | Self::DecodeFailed { .. }
            | Self::WorkerSpawnFailed { .. }
            | Self::ProtocolError { .. } => 500,
        }
    }

    /// The request parameter that is to blame, if one is.
    pub fn param(&self) -> Option<&str> {
        match self {
            Self::InvalidParameter { param, .. } | Self::UnsupportedParameter { param } => {
                Some(param)
            }
            Self::TooManyStopStrings { .. } => Some("stop"),
            Self::ContextLengthExceeded { .. } | Self::RequestTooLarge { .. } => Some("messages"),
            _ => None,
        }
    }

    pub(crate) fn invalid(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidParameter {
            param: param.into(),
            message: message.into(),
        }
    }

    pub(crate) fn protocol(message: impl ToString) -> Self {
        Self::ProtocolError {
            message: message.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_on_the_pipe_is_the_code_in_the_answer() {
        let errors = [
            Error::invalid("top_p", "is too large"),
            Error::ContextLengthExceeded {
                prompt_tokens: 9,
                context_tokens: 8,
            },
            Error::NoChatTemplate,
            Error::Busy { waiting: 64 },
            Error::EngineRestarted,
            Error::protocol("garbage"),
        ];
        for error in errors {
            let json = serde_json::to_value(&error).unwrap();
            assert_eq!(json["code"], error.code());
            assert_eq!(serde_json::from_value::<Error>(json).unwrap(), error);
        }
    }
}
