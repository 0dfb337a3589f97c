//! The request.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::validate;
use crate::{Error, Result};

/// A chat completion request, with the parameters that this engine honours.
///
/// Read it with [`ChatRequest::from_json`]: that also refuses the parameters that it can't honour.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ChatRequest {
    /// The model that is asked for.
    #[serde(default)]
    pub model: String,
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// The longest answer wanted, by its older name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// The longest answer wanted, by its newer name; it wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    /// 0 takes the likeliest token always; higher is more varied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Only the likeliest tokens that together have this probability are considered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// The answer ends before any of these.
    #[serde(
        default,
        deserialize_with = "one_or_many",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub stop: Vec<String>,
    /// Makes the same request give the same answer, as far as the machine allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Whether the answer should come in pieces.
    #[serde(default, deserialize_with = "null_as_default")]
    pub stream: bool,
    /// What a stream should contain besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    /// How many answers; only 1 is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// Makes tokens less likely that the answer has already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// Makes tokens less likely for each time that the answer has them already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
    /// The caller's own name for the end user; not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

impl ChatRequest {
    /// Reads and checks a request's body.
    ///
    /// # Errors
    /// Everything that [`ChatRequest::validate`] finds, [`Error::MalformedRequest`] for anything
    /// that isn't a request, and [`Error::UnsupportedParameter`] for a parameter that would change
    /// the answer but can't be honoured. Unknown parameters are ignored.
    pub fn from_json(body: &[u8]) -> Result<Self> {
        let malformed = |error: serde_json::Error| Error::MalformedRequest {
            message: error.to_string(),
        };
        let value: Value = serde_json::from_slice(body).map_err(malformed)?;
        validate::refuse_unsupported(&value)?;
        let request: Self = serde_json::from_value(value).map_err(malformed)?;
        request.validate()?;
        Ok(request)
    }

    /// Checks every bound that doesn't depend on the model.
    ///
    /// # Errors
    /// Says which parameter is out of its bounds, and what they are.
    pub fn validate(&self) -> Result<()> {
        validate::check(self)
    }

    /// The longest answer wanted, by either name.
    pub fn wanted_tokens(&self) -> Option<u32> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// Whether a stream should end with the token counts.
    pub fn wants_stream_usage(&self) -> bool {
        self.stream_options.is_some_and(|o| o.include_usage)
    }
}

/// What a stream should contain besides the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOptions {
    /// End with a chunk that has the token counts.
    #[serde(default)]
    pub include_usage: bool,
}

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said. An array of text parts is joined when it is read.
    #[serde(deserialize_with = "text")]
    pub content: String,
}

impl Message {
    /// A message of this role.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        let content = content.into();
        Self { role, content }
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who deploys the assistant. `developer` is the newer name of the same.
    #[serde(alias = "developer")]
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
    /// The output of a tool, as text.
    Tool,
}

impl Role {
    /// The name that chat templates expect.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

fn null_as_default<'de, T, D>(input: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

fn one_or_many<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(input)? {
        Value::Null => Ok(Vec::new()),
        Value::String(one) => Ok(vec![one]),
        many @ Value::Array(_) => Vec::deserialize(many)
            .map_err(|_| de::Error::custom("`stop` must be a string or an array of strings")),
        _ => Err(de::Error::custom(
            "`stop` must be a string or an array of strings",
        )),
    }
}

/// A message's content: a string, or an array of text parts.
fn text<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    struct TextPart {
        text: String,
    }
    match Value::deserialize(input)? {
        Value::String(text) => Ok(text),
        parts @ Value::Array(_) => {
            let parts: Vec<TextPart> = Vec::deserialize(parts).map_err(de::Error::custom)?;
            let texts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
            Ok(texts.join("\n"))
        }
        _ => Err(de::Error::custom(
            "a message's `content` must be a string or an array of text parts",
        )),
    }
}
