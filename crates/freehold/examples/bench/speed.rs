//! How fast the model reads and writes, and how many small calls a purse makes.

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};

use crate::house::{House, Payer, Seen};
use crate::numbers::{median, rounded, show};

const TRIES: usize = 3;
const ANSWER_TOKENS: u32 = 128;
const CALLS_FOR: Duration = Duration::from_secs(4);

pub async fn tokens(house: &House) -> Value {
    let (mut reading, mut one, mut four) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TRIES {
        reading.push(reading_speed(house).await);
        one.push(writing_speed(house, 1).await);
        four.push(writing_speed(house, 4).await);
    }
    json!({
        "prompt_per_s": rounded(median(&reading)),
        "generated_per_s": {"1": rounded(median(&one)), "4": rounded(median(&four))},
        "tries": TRIES,
    })
}

/// A long prompt against a short one: the difference is reading.
async fn reading_speed(house: &House) -> f64 {
    let short = house.ask(&Payer::Owner, &house.new_prompt(), 1).await;
    let words = " The harbour was quiet that evening, and the tide came in.".repeat(45);
    let prompt = format!("{}{words}", house.new_prompt());
    let long = house.ask(&Payer::Owner, &prompt, 1).await;
    (long.prompt_tokens - short.prompt_tokens) / (long.first_ms - short.first_ms) * 1_000.0
}

/// From the first token to the last, all streams together.
async fn writing_speed(house: &House, streams: usize) -> f64 {
    let start = Instant::now();
    let asked = (0..streams).map(|_| async {
        let before = start.elapsed().as_secs_f64() * 1_000.0;
        let seen = house
            .ask(&Payer::Owner, &house.new_prompt(), ANSWER_TOKENS)
            .await;
        (before, seen)
    });
    let all: Vec<(f64, Seen)> = join_all(asked).await;
    let first = all
        .iter()
        .map(|(at, seen)| at + seen.first_ms)
        .fold(f64::INFINITY, f64::min);
    let last = all
        .iter()
        .map(|(at, seen)| at + seen.last_text_ms)
        .fold(0.0, f64::max);
    let written: f64 = all
        .iter()
        .map(|(_, seen)| seen.completion_tokens - 1.0)
        .sum();
    written / (last - first) * 1_000.0
}

/// Each call reserves, answers one token, signs a receipt and posts.
pub async fn purse_calls(house: &House) -> Value {
    json!({
        "unpaid": {"1": calls_per_s(house, &Payer::Owner, 1).await, "4": calls_per_s(house, &Payer::Owner, 4).await},
        "purse": {"1": calls_per_s(house, &Payer::Purse, 1).await, "4": calls_per_s(house, &Payer::Purse, 4).await},
    })
}

async fn calls_per_s(house: &House, payer: &Payer, clients: usize) -> f64 {
    let start = Instant::now();
    let calls = (0..clients).map(|_| async {
        let mut count = 0_u32;
        while start.elapsed() < CALLS_FOR {
            house.ask(payer, "Hi", 1).await;
            count += 1;
        }
        count
    });
    let count: u32 = join_all(calls).await.into_iter().sum();
    rounded(f64::from(count) / start.elapsed().as_secs_f64())
}

pub fn tokens_table(data: &Value) -> String {
    format!(
        "\ntokens a second (medians of {})\n  prompt, one stream     {:>8}\n  answer, one stream     {:>8}\n  answer, four streams   {:>8}\n",
        data["tries"],
        show(&data["prompt_per_s"]),
        show(&data["generated_per_s"]["1"]),
        show(&data["generated_per_s"]["4"]),
    )
}

pub fn calls_table(data: &Value) -> String {
    let row = |name: &str| {
        format!(
            "  {name:22} {:>8} {:>10}\n",
            show(&data[name]["1"]),
            show(&data[name]["4"])
        )
    };
    let ms = |name: &str| 1_000.0 / data[name]["1"].as_f64().unwrap_or(f64::NAN);
    format!(
        "\ncalls a second (\"Hi\", 1 token)\n  clients                       1          4\n{}{}  \
         reserving and posting cost {:.1} ms a call\n",
        row("unpaid"),
        row("purse"),
        ms("purse") - ms("unpaid"),
    )
}
