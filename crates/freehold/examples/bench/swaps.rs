//! How many swaps of 8 proofs for 8 a mint does in a second, over HTTP.

use std::time::{Duration, Instant};

use cdk::Amount;
use cdk::amount::SplitTarget;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::numbers::{rounded, show, spread};
use crate::outsider::Outsider;

const CLIENTS: [usize; 2] = [1, 8];
const SWAP_FOR: Duration = Duration::from_secs(5);
const PROOFS_SAT: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];
/// What Nutshell 0.19.2 was measured at before, on two shared cores.
const NUTSHELL_EARLIER: [f64; 2] = [4.2, 7.7];

/// Anybody's wallet at anybody's mint.
async fn customer(mint_url: &str) -> Outsider {
    let customer = Outsider::at_mint(mint_url).await;
    customer.fund(PROOFS_SAT.iter().sum()).await;
    swap(&customer).await;
    customer
}

/// One swap: everything for fresh proofs of the same amounts.
async fn swap(customer: &Outsider) -> f64 {
    let wallet = &customer.wallet;
    let proofs = wallet.get_unspent_proofs().await.unwrap();
    let split = SplitTarget::Values(PROOFS_SAT.map(Amount::from).to_vec());
    let start = Instant::now();
    wallet
        .swap(None, split, proofs, None, false, false)
        .await
        .unwrap();
    start.elapsed().as_secs_f64() * 1_000.0
}

pub async fn measure(mint_url: &str) -> Value {
    let mut all = json!({});
    for clients in CLIENTS {
        let customers = join_all((0..clients).map(|_| customer(mint_url))).await;
        let start = Instant::now();
        let swaps = customers.iter().map(|customer| async move {
            let mut times = Vec::new();
            while start.elapsed() < SWAP_FOR {
                times.push(swap(customer).await);
            }
            times
        });
        let times: Vec<f64> = join_all(swaps).await.into_iter().flatten().collect();
        let mut row = spread(&times);
        let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
        row["per_s"] = json!(rounded(f64::from(count) / start.elapsed().as_secs_f64()));
        all[clients.to_string()] = row;
        for customer in &customers {
            let proofs = customer.wallet.get_unspent_proofs().await.unwrap();
            assert_eq!(proofs.len(), PROOFS_SAT.len());
        }
    }
    all
}

pub fn table(data: &Value) -> String {
    let mut text =
        "\nmint swaps of 8 proofs, over HTTP      1 client   p50 ms     8 clients   p50 ms\n"
            .to_owned();
    for name in ["freehold", "nutshell"] {
        let row = &data[name];
        if row.is_object() {
            text += &format!(
                "  {name:24} a second {:>11} {:>8} {:>13} {:>8}\n",
                show(&row["1"]["per_s"]),
                show(&row["1"]["p50"]),
                show(&row["8"]["per_s"]),
                show(&row["8"]["p50"]),
            );
        }
    }
    let ours = CLIENTS.map(|clients| data["freehold"][clients.to_string()]["per_s"].as_f64());
    let theirs = if data["nutshell"].is_object() {
        CLIENTS.map(|clients| data["nutshell"][clients.to_string()]["per_s"].as_f64())
    } else {
        let [one, eight] = NUTSHELL_EARLIER;
        text += &format!(
            "  reference: Nutshell {one}/s and {eight}/s, measured earlier on two shared cores\n"
        );
        NUTSHELL_EARLIER.map(Some)
    };
    let ratio = |index: usize| {
        let (ours, theirs) = (ours.get(index).copied()??, theirs.get(index).copied()??);
        Some(ours / theirs)
    };
    text + &format!(
        "  ratio {:>34.1} {:>22.1}\n",
        ratio(0).unwrap_or(f64::NAN),
        ratio(1).unwrap_or(f64::NAN)
    )
}
