//! The paying side: sellers that lie, want too much, or run off with the money.

use std::sync::Arc;

use cdk::nuts::{CurrencyUnit, PaymentRequest};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::common::{Node, eventually};

/// Answers the n-th request with the n-th answer, and the last for ever.
async fn seller(answers: Vec<String>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/answer", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for turn in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read_buf(&mut request).await {
                    Ok(length) if length > 0 => {}
                    _ => break,
                }
            }
            let answer = &answers[turn.min(answers.len() - 1)];
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    url
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

/// The paying side: whatever a seller does, the purse loses no more than what it agreed to.
pub async fn bad_sellers(node: Arc<Node>) {
    node.json(&["purse", "new", "careful", "--per-payment-sat", "20"]);
    node.json(&["purse", "fund", "careful", "--sat", "200"]);
    let shown = || node.json(&["purse", "show", "careful"]);
    let creq = |amount: Option<u64>, unit: Option<CurrencyUnit>, mint: &str| {
        let mut builder = PaymentRequest::builder().add_mint(mint.parse().unwrap());
        if let Some(amount) = amount {
            builder = builder.amount(amount);
        }
        if let Some(unit) = unit {
            builder = builder.unit(unit);
        }
        builder.build().to_string()
    };
    let ours = format!("{}/mint", node.url());
    let sat = Some(CurrencyUnit::Sat);
    let wants = |creq: &str| {
        answer(
            "402 Payment Required",
            &format!("X-Cashu: {creq}\r\n"),
            "pay",
        )
    };
    let fair = wants(&creq(Some(5), sat.clone(), &ours));

    for (challenge, code) in [
        (wants("creqAgarbage"), "challenge_malformed"),
        (wants(&"creqA".repeat(4_000)), "challenge_too_large"),
        (wants(&creq(None, sat.clone(), &ours)), "amount_missing"),
        (
            wants(&creq(Some(5), Some(CurrencyUnit::Usd), &ours)),
            "unit_unavailable",
        ),
        (
            wants(&creq(Some(5), sat.clone(), "http://127.0.0.1:1/mint")),
            "mint_unavailable",
        ),
        (
            wants(&creq(Some(1_000_000_000), sat.clone(), &ours)),
            "price_above_limit",
        ),
        (
            answer("402 Payment Required", "", "pay me"),
            "challenge_missing",
        ),
    ] {
        let url = seller(vec![challenge]).await;
        let (_, error) =
            node.home()
                .error(&["fetch", &url, "--purse", "careful", "--max-sat", "15"]);
        assert_eq!(error["error"]["code"], code, "{error}");
        assert_eq!(
            (&shown()["balance_sat"], &shown()["reserved_sat"]),
            (&json!(200), &json!(0)),
            "{code}"
        );
    }

    // It takes nothing and refuses: the money comes back.
    let refuses = seller(vec![fair.clone(), answer("400 Bad Request", "", "no")]).await;
    let output = node.cli(&["fetch", &refuses, "--purse", "careful"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        (&shown()["balance_sat"], &shown()["reserved_sat"]),
        (&json!(200), &json!(0))
    );
    node.home().assert_ledger_sound();

    // It wants more each time: it is paid once at most.
    let greedy = seller(vec![
        fair.clone(),
        wants(&creq(Some(6), sat.clone(), &ours)),
    ])
    .await;
    let output = node.cli(&["fetch", &greedy, "--purse", "careful"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(
        (&shown()["balance_sat"], &shown()["reserved_sat"]),
        (&json!(200), &json!(0))
    );

    // A redirect isn't followed with money in hand.
    let thief = seller(vec![answer("200 OK", "", "got it")]).await;
    let moved = format!("Location: {thief}\r\n");
    let moves = seller(vec![
        fair.clone(),
        answer("307 Temporary Redirect", &moved, ""),
    ])
    .await;
    let output = node.cli(&["fetch", &moves, "--purse", "careful"]);
    assert!(!String::from_utf8_lossy(&output.stdout).contains("got it"));
    let left = shown()["balance_sat"].as_u64().unwrap();
    assert!(left >= 195, "at most what was agreed: {left}");

    // Its change is worthless, its receipt nonsense: the answer counts, at the agreed price.
    let lies = "X-Cashu: cashuBo2F0\r\nContent-Type: application/json\r\n";
    let body = r#"{"payment":{"receipt":{"format":"freehold-receipt-proof/v2"}}}"#;
    let liar = seller(vec![fair.clone(), answer("200 OK", lies, body)]).await;
    let output = node.cli(&["fetch", &liar, "--purse", "careful"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, body.as_bytes());
    assert_eq!(shown()["balance_sat"], left - 5);
    eventually("nothing is under way", async || {
        node.json(&["ledger", "check"])["in_flight"] == 0
    })
    .await;
    node.home().assert_ledger_sound();
}
