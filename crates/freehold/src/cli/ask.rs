//! `freehold ask`

use std::io::Read as _;

use axum::http::Method;
use clap::Args;
use futures::StreamExt as _;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::sse;

const PATH: &str = "/v1/chat/completions";

/// What to ask.
#[derive(Debug, Args)]
pub struct AskArgs {
    /// The question; `-` reads it from standard input
    #[arg(required = true)]
    prompt: Vec<String>,
    /// What the model should be told first
    #[arg(
        long,
        env = "FREEHOLD_ASK_SYSTEM",
        hide_env = true,
        value_name = "TEXT"
    )]
    system: Option<String>,
    /// The longest answer
    #[arg(
        long,
        env = "FREEHOLD_ASK_MAX_TOKENS",
        hide_env = true,
        value_name = "TOKENS"
    )]
    max_tokens: Option<u32>,
    /// 0 takes the likeliest word always; higher is more varied, up to 2
    #[arg(
        long,
        env = "FREEHOLD_ASK_TEMPERATURE",
        hide_env = true,
        value_name = "NUMBER"
    )]
    temperature: Option<f32>,
}

pub async fn run(output: Output, client: &Client, args: AskArgs) -> Result<()> {
    let request = request(&args, prompt(&args.prompt)?, !output.json);
    if output.json {
        return output.json(&client.post(PATH, &request).await?);
    }
    let mut reply = client.send(Method::POST, PATH, Some(&request)).await?;
    let (mut reader, mut ends_line) = (sse::Reader::default(), true);
    while let Some(piece) = reply.body.next().await {
        for data in reader.push(&piece?) {
            if data == sse::DONE {
                return if ends_line { Ok(()) } else { output.line("") };
            }
            let text = text(&data)?;
            if !text.is_empty() {
                ends_line = text.ends_with('\n');
                output.piece(&text)?;
            }
        }
    }
    Err(Failure::ours("answer_cut_off", "the answer was cut off"))
}

fn prompt(words: &[String]) -> Result<String> {
    let prompt = match words {
        [word] if word == "-" => standard_input()?,
        words => words.join(" "),
    };
    if prompt.trim().is_empty() {
        let hint = "write the question after `ask`, or `-` to read it from standard input";
        return Err(Failure::user("prompt_empty", "there's no question", hint));
    }
    Ok(prompt)
}

fn standard_input() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| {
            let message = format!("standard input can't be read: {error}");
            Failure::user("input_unreadable", message, "it must be text in UTF-8")
        })?;
    Ok(text)
}

fn request(args: &AskArgs, prompt: String, is_stream: bool) -> Value {
    let mut messages = Vec::new();
    if let Some(system) = &args.system {
        messages.push(json!({"role": "system", "content": system}));
    }
    messages.push(json!({"role": "user", "content": prompt}));
    let mut request = json!({"messages": messages, "stream": is_stream});
    if let Some(max_tokens) = args.max_tokens {
        request["max_tokens"] = json!(max_tokens);
    }
    if let Some(temperature) = args.temperature {
        request["temperature"] = json!(temperature);
    }
    request
}

/// The text in a chunk of the stream.
fn text(chunk: &str) -> Result<String> {
    let value: Value = serde_json::from_str(chunk).unwrap_or_default();
    if value["error"].is_object() {
        return Err(Failure::from_api(500, chunk.as_bytes()));
    }
    let text = value["choices"][0]["delta"]["content"].as_str();
    Ok(text.unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_joined() {
        let args = AskArgs {
            prompt: vec!["What".into(), "is it?".into()],
            system: Some("Be brief.".into()),
            max_tokens: Some(5),
            temperature: None,
        };
        let prompt = prompt(&args.prompt);
        let request = request(&args, prompt.unwrap_or_default(), true);
        assert_eq!(
            request,
            json!({
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": "What is it?"},
                ],
                "stream": true,
                "max_tokens": 5,
            })
        );
    }

    #[test]
    fn a_failure_in_the_stream_is_a_failure() {
        let text = |chunk: &str| text(chunk).map_err(|failure| failure.code.into_owned());
        let chunk = r#"{"choices":[{"delta":{"content":"Hi"}}]}"#;
        assert_eq!(text(chunk), Ok("Hi".to_owned()));
        assert_eq!(text(r#"{"choices":[],"usage":{}}"#), Ok(String::new()));
        let chunk = r#"{"error":{"message":"no","code":"busy","hint":""}}"#;
        assert_eq!(text(chunk), Err("busy".to_owned()));
    }
}
