//! The bounds of a request.

use std::ops::RangeInclusive;

use serde_json::Value;

use super::ChatRequest;
use crate::{Error, Result};

/// The most messages in a request.
pub const MAX_MESSAGES: usize = 1024;
/// The most text in a request, over all messages.
pub const MAX_TEXT_BYTES: usize = 1 << 20;
/// The most stop strings in a request.
pub const MAX_STOP_STRINGS: usize = 4;
/// The longest stop string.
pub const MAX_STOP_BYTES: usize = 256;
/// The highest `max_tokens` that is taken seriously.
pub const MAX_TOKENS_LIMIT: u32 = 1 << 20;

type IsHarmless = fn(&Value) -> bool;

/// Parameters that change the answer, each with a test for the values that don't.
const UNSUPPORTED: [(&str, IsHarmless); 13] = [
    ("audio", Value::is_null),
    ("function_call", is_none_or_auto),
    ("functions", is_empty),
    ("logit_bias", is_empty),
    ("logprobs", |value| value == &Value::Bool(false)),
    ("modalities", |value| value == &serde_json::json!(["text"])),
    ("prediction", Value::is_null),
    ("response_format", |value| value["type"] == "text"),
    ("tool_choice", is_none_or_auto),
    ("tools", is_empty),
    ("top_logprobs", |value| value == &serde_json::json!(0)),
    ("verbosity", |value| value == "medium"),
    ("web_search_options", Value::is_null),
];

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
        || value.as_object().is_some_and(serde_json::Map::is_empty)
}

fn is_none_or_auto(value: &Value) -> bool {
    value == "none" || value == "auto"
}

/// Refuses what would otherwise be ignored to the caller's surprise.
pub(super) fn refuse_unsupported(request: &Value) -> Result<()> {
    let unsupported = |param: String| Err(Error::UnsupportedParameter { param });
    for (name, is_harmless) in UNSUPPORTED {
        match &request[name] {
            Value::Null => {}
            value if is_harmless(value) => {}
            _ => return unsupported(name.to_owned()),
        }
    }
    let messages = request["messages"].as_array();
    for (at, message) in messages.into_iter().flatten().enumerate() {
        for name in ["tool_calls", "function_call", "audio"] {
            if !message[name].is_null() && !is_empty(&message[name]) {
                return unsupported(format!("messages[{at}].{name}"));
            }
        }
        let parts = message["content"].as_array();
        for (part_at, part) in parts.into_iter().flatten().enumerate() {
            if part["type"].is_string() && part["type"] != "text" {
                return unsupported(format!("messages[{at}].content[{part_at}]"));
            }
        }
    }
    Ok(())
}

pub(super) fn check(request: &ChatRequest) -> Result<()> {
    check_messages(request)?;
    check_stop(&request.stop)?;
    check_range("temperature", request.temperature, 0.0..=2.0)?;
    check_range("top_p", request.top_p, 0.0..=1.0)?;
    check_range("presence_penalty", request.presence_penalty, -2.0..=2.0)?;
    check_range("frequency_penalty", request.frequency_penalty, -2.0..=2.0)?;
    check_tokens("max_tokens", request.max_tokens)?;
    check_tokens("max_completion_tokens", request.max_completion_tokens)?;
    match request.n {
        None | Some(1) => Ok(()),
        Some(_) => Err(Error::invalid("n", "must be 1: one answer per request")),
    }
}

fn check_messages(request: &ChatRequest) -> Result<()> {
    let count = request.messages.len();
    if count == 0 {
        return Err(Error::invalid("messages", "must not be empty"));
    }
    if count > MAX_MESSAGES {
        let message = format!("has {count} entries, more than {MAX_MESSAGES}");
        return Err(Error::invalid("messages", message));
    }
    let text_bytes: usize = request.messages.iter().map(|m| m.content.len()).sum();
    if text_bytes > MAX_TEXT_BYTES {
        return Err(Error::RequestTooLarge {
            limit_bytes: MAX_TEXT_BYTES,
        });
    }
    Ok(())
}

fn check_stop(stop: &[String]) -> Result<()> {
    if stop.len() > MAX_STOP_STRINGS {
        return Err(Error::TooManyStopStrings {
            count: stop.len(),
            limit: MAX_STOP_STRINGS,
        });
    }
    if stop.iter().any(String::is_empty) {
        return Err(Error::invalid("stop", "must not contain an empty string"));
    }
    if stop.iter().any(|stop| stop.len() > MAX_STOP_BYTES) {
        let message = format!("has a string longer than {MAX_STOP_BYTES} bytes");
        return Err(Error::invalid("stop", message));
    }
    Ok(())
}

fn check_range(param: &str, value: Option<f32>, range: RangeInclusive<f32>) -> Result<()> {
    match value {
        // `contains` is false for NaN as well.
        Some(value) if !range.contains(&value) => {
            let (low, high) = range.into_inner();
            let message = format!("must be between {low} and {high}");
            Err(Error::invalid(param, message))
        }
        _ => Ok(()),
    }
}

fn check_tokens(param: &str, tokens: Option<u32>) -> Result<()> {
    match tokens {
        Some(0) => Err(Error::invalid(param, "must be at least 1")),
        Some(tokens) if tokens > MAX_TOKENS_LIMIT => {
            let message = format!("must be at most {MAX_TOKENS_LIMIT}");
            Err(Error::invalid(param, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::openai::Role;

    fn read(extra: Value) -> Result<ChatRequest> {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}]});
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        ChatRequest::from_json(body.to_string().as_bytes())
    }

    fn check_refused(extra: Value, code: &str, param: Option<&str>) {
        let error = read(extra.clone()).unwrap_err();
        assert_eq!((error.code(), error.param()), (code, param), "{extra}");
    }

    #[test]
    fn everything_that_openai_clients_send_by_default_is_accepted() {
        let request = read(json!({
            "stream": true, "stream_options": {"include_usage": true}, "n": 1, "stop": null,
            "temperature": 0, "top_p": 1, "max_tokens": 5, "max_completion_tokens": 7, "seed": -1,
            "presence_penalty": 0.5, "frequency_penalty": -2, "user": "u", "logprobs": false,
            "tools": [], "tool_choice": "auto", "response_format": {"type": "text"},
            "logit_bias": {}, "store": false, "metadata": {"a": "b"},
        }))
        .unwrap();
        assert!(request.stream && request.wants_stream_usage());
        assert_eq!(request.wanted_tokens(), Some(7));
        assert!(request.stop.is_empty());
        let json = serde_json::to_vec(&request).unwrap();
        assert_eq!(ChatRequest::from_json(&json).unwrap(), request);
    }

    #[test]
    fn content_may_come_in_parts_and_roles_by_new_names() {
        let request = read(json!({"messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "tool", "content": "42", "tool_call_id": "x"},
        ], "stop": "END"}))
        .unwrap();
        let roles: Vec<Role> = request.messages.iter().map(|m| m.role).collect();
        assert_eq!(roles, [Role::System, Role::User, Role::Tool]);
        assert_eq!(request.messages[1].content, "a\nb");
        assert_eq!(request.stop, ["END"]);
    }

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        for (name, value) in [
            ("tools", json!([{"type": "function"}])),
            ("logprobs", json!(true)),
            ("response_format", json!({"type": "json_schema"})),
            ("logit_bias", json!({"1": 2})),
        ] {
            check_refused(json!({name: value}), "unsupported_parameter", Some(name));
        }
        let image = json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]});
        let param = "messages[0].content[0]";
        check_refused(image, "unsupported_parameter", Some(param));
    }

    #[test]
    fn bounds_hold() {
        let invalid = "invalid_parameter";
        check_refused(json!({"temperature": 2.1}), invalid, Some("temperature"));
        check_refused(json!({"top_p": -0.1}), invalid, Some("top_p"));
        check_refused(json!({"n": 2}), invalid, Some("n"));
        check_refused(json!({"max_tokens": 0}), invalid, Some("max_tokens"));
        check_refused(json!({"messages": []}), invalid, Some("messages"));
        check_refused(json!({"stop": ""}), invalid, Some("stop"));
        check_refused(json!({"stop": "x".repeat(257)}), invalid, Some("stop"));
        let stops = json!({"stop": ["a", "b", "c", "d", "e"]});
        check_refused(stops, "too_many_stop_strings", Some("stop"));
        let messages = vec![json!({"role": "user", "content": ""}); MAX_MESSAGES + 1];
        check_refused(json!({"messages": messages}), invalid, Some("messages"));
        let long = json!([{"role": "user", "content": "x".repeat(MAX_TEXT_BYTES + 1)}]);
        check_refused(
            json!({"messages": long}),
            "request_too_large",
            Some("messages"),
        );
    }

    #[test]
    fn what_is_no_request_is_malformed() {
        check_refused(json!({"messages": 1}), "malformed_request", None);
        check_refused(json!({"stop": [1]}), "malformed_request", None);
        check_refused(json!({"max_tokens": -1}), "malformed_request", None);
        check_refused(json!({"max_tokens": 1e30}), "malformed_request", None);
        let null = json!({"messages": [{"role": "user", "content": null}]});
        check_refused(null, "malformed_request", None);
        let alien = json!({"messages": [{"role": "alien", "content": "x"}]});
        check_refused(alien, "malformed_request", None);
        for body in ["", "{", "[]", "1", "\"x\"", "null"] {
            let error = ChatRequest::from_json(body.as_bytes()).unwrap_err();
            assert_eq!(error.code(), "malformed_request", "{body}");
        }
    }
}
