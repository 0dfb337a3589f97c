//! Paid against unpaid: the same kind of question, asked by turns.

use serde_json::{Value, json};

use crate::house::{House, Payer, Seen};
use crate::numbers::{median, rounded, show, spread};

const LENGTHS: [u32; 2] = [1, 32];
/// More than any of the questions costs.
const TOKEN_SAT: u64 = 8;

pub async fn measure(house: &House, rounds: usize) -> Value {
    let mut all = json!({});
    for max_tokens in LENGTHS {
        let (mut seen, mut price) = ([const { Vec::new() }; 3], Vec::new());
        for _ in 0..rounds {
            let token = house.outsider.token(TOKEN_SAT).await;
            price.push(house.price_ms(&house.new_prompt(), max_tokens).await);
            let payers = [Payer::Owner, Payer::Purse, Payer::Ecash(token)];
            for (seen, payer) in seen.iter_mut().zip(payers) {
                seen.push(house.ask(&payer, &house.new_prompt(), max_tokens).await);
            }
        }
        all[max_tokens.to_string()] = compare(&seen, &price);
    }
    all
}

fn compare(seen: &[Vec<Seen>; 3], price: &[f64]) -> Value {
    let pick = |way: usize, what: &dyn Fn(&Seen) -> f64| -> Vec<f64> {
        seen.get(way).into_iter().flatten().map(what).collect()
    };
    let total = |way| pick(way, &|seen| seen.end_ms);
    let unpaid_ms = median(&total(0));
    let mut ways = json!({});
    for (way, name) in ["unpaid", "purse", "ecash"].into_iter().enumerate() {
        let mut row = spread(&total(way));
        row["over_unpaid_ms"] = json!(rounded(median(&total(way)) - unpaid_ms));
        row["ratio"] = json!(rounded(median(&total(way)) / unpaid_ms));
        row["first_ms"] = json!(rounded(median(&pick(way, &|seen| seen.first_ms))));
        row["tail_ms"] = json!(rounded(median(
            &pick(way, &|seen| seen.end_ms - seen.last_but_one_ms)
        )));
        ways[name] = row;
    }
    ways["challenge_402"] = spread(price);
    ways
}

pub fn table(data: &Value) -> String {
    let mut text =
        "\nlatency in ms     p50      p95    over unpaid   first byte   last word and end\n"
            .to_owned();
    for max_tokens in LENGTHS {
        let ways = &data[max_tokens.to_string()];
        text += &format!("max_tokens {max_tokens} ({} rounds)\n", ways["unpaid"]["n"]);
        for name in ["unpaid", "purse", "ecash"] {
            let row = &ways[name];
            text += &format!(
                "  {name:10} {:>8} {:>8} {:>8} ×{:.2} {:>11} {:>13}\n",
                show(&row["p50"]),
                show(&row["p95"]),
                show(&row["over_unpaid_ms"]),
                row["ratio"].as_f64().unwrap_or(f64::NAN),
                show(&row["first_ms"]),
                if max_tokens == 1 {
                    "–".to_owned()
                } else {
                    show(&row["tail_ms"])
                },
            );
        }
    }
    // One token has no last but one.
    text + &format!("  {}\n", parts(&data[LENGTHS[1].to_string()]))
}

/// What can be told apart from outside. Before the first byte, ecash is swapped; around the
/// last word, change is made and the sale is booked.
fn parts(ways: &Value) -> String {
    let extra = |name: &str| {
        let of = |way: &str| ways[way][name].as_f64().unwrap_or(f64::NAN);
        of("ecash") - of("unpaid")
    };
    format!(
        "pricing and challenge (402): {} ms; of ecash, redeeming ≈ {:.1} ms, change and booking ≈ {:.1} ms",
        show(&ways["challenge_402"]["p50"]),
        extra("first_ms"),
        extra("tail_ms"),
    )
}
