//! Measures the engine: `throughput MODEL [STREAMS] [TOKENS]`.
//!
//! All streams start at once, with a prompt of some 500 tokens each.

#![allow(clippy::print_stdout)]

use std::{env, error::Error, time::Instant};

use futures::future::try_join_all;
use inference::{
    Engine, EngineConfig,
    openai::{ChatRequest, Message, Role},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let model = args
        .next()
        .ok_or("usage: throughput MODEL [STREAMS] [TOKENS]")?;
    let streams: u32 = args.next().as_deref().unwrap_or("1").parse()?;
    let tokens: u32 = args.next().as_deref().unwrap_or("100").parse()?;
    let worker = env::current_exe()?.with_file_name("inference-worker");
    let engine = Engine::start(EngineConfig {
        parallel: streams,
        ..EngineConfig::new(worker, [""; 0], model)
    })
    .await?;
    println!("threads: {}", std::thread::available_parallelism()?);

    let started_at = Instant::now();
    let answers = try_join_all((0..streams).map(async |number| {
        let generation = engine.generate(request(number), tokens).await?;
        generation.collect_text().await
    }))
    .await?;
    let seconds = started_at.elapsed().as_secs_f64();

    for (_, answer) in &answers {
        println!(
            "prompt {} tokens, {:.0}/s; answer {} tokens, {:.1}/s",
            answer.prompt_tokens,
            per_second(answer.prompt_tokens, answer.prompt_ms),
            answer.completion_tokens,
            per_second(answer.completion_tokens, answer.generation_ms),
        );
    }
    let written: u32 = answers.iter().map(|(_, a)| a.completion_tokens).sum();
    println!("all: {:.1}/s", f64::from(written) / seconds);
    Ok(())
}

fn request(number: u32) -> ChatRequest {
    let filler = "The lamp was lit, and the keeper went down to the sea. ".repeat(35);
    let content = format!("{number}. {filler} Continue this story at length.");
    ChatRequest {
        messages: vec![Message::new(Role::User, content)],
        temperature: Some(0.0),
        ..ChatRequest::default()
    }
}

fn per_second(tokens: u32, milliseconds: u64) -> f64 {
    f64::from(tokens) * 1000.0 / milliseconds.max(1) as f64
}
