//! Whatever is sent to the paid door: a clear error with a stable code, and no sat lost or served
//! twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod common;

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use cdk::nuts::{CurrencyUnit, Proofs, Token};
use common::{Checks, Home, Node, Outsider, Pay, Reply, ask, ask_stream, eventually};
use futures::stream;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input() {
    let Some(home) = Home::new() else { return };
    let node = Arc::new(Node::start(&home).await);
    // These wait for the node's patience to end, beside the others.
    let stalled_body = tokio::spawn(stalled_body(node.clone()));
    let stalled_head = tokio::spawn(stalled_head(node.clone()));
    let mut checks = Checks::new();
    checks.run("requests", requests(node.clone())).await;
    checks.run("context", context(node.clone())).await;
    checks.run("paths", paths(node.clone())).await;
    checks.run("amounts", amounts(node.clone())).await;
    checks.run("spent", spent(node.clone())).await;
    checks.run("forged", forged(node.clone())).await;
    checks.run("other_unit", other_unit(node.clone())).await;
    checks.run("other_mint", other_mint(node.clone())).await;
    checks.run("garbage", garbage(node.clone())).await;
    checks.run("several", several(node.clone())).await;
    checks.run("huge_body", huge_body(node.clone())).await;
    checks
        .run("hang_up_while_sending", hang_up_while_sending(node.clone()))
        .await;
    checks
        .run("hang_up_after_sending", hang_up_after_sending(node.clone()))
        .await;
    checks.run("slow_sender", slow_sender(node.clone())).await;
    checks.run("bad_sellers", bad_sellers(node.clone())).await;
    checks
        .run("stalled_body", async { stalled_body.await.unwrap() })
        .await;
    checks
        .run("stalled_head", async { stalled_head.await.unwrap() })
        .await;
    node.home().assert_ledger_sound();
    let log = node.log();
    assert!(!log.contains("panicked"), "the node panicked");
    assert!(!log.contains("cashuB"), "a token is in the log");
    checks.finish();
}

async fn rich(node: &Node) -> Outsider {
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(2_000).await;
    outsider
}

/// What every error must have.
fn assert_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (status, code),
        "{}",
        reply.text()
    );
    let error = &reply.json()["error"];
    for part in ["message", "hint", "type"] {
        assert!(
            error[part].as_str().is_some_and(|text| !text.is_empty()),
            "{part}: {error}"
        );
    }
}

/// A refused payment: nothing was taken, and there's a fresh challenge.
async fn assert_refused(node: &Node, token: &str, code: &str) {
    let reply = node.chat(Pay::Ecash(token), &ask("Hello", 20)).await;
    assert_error(&reply, 400, code);
    assert!(reply.header("x-cashu").unwrap().starts_with("creqA"));
    assert!(reply.header("content-type").unwrap().contains("json"));
    node.home().assert_ledger_sound();
}

/// A good token, still good after it came with something bad, buys an answer.
async fn assert_still_buys(node: &Node, token: &str) {
    let reply = node.chat(Pay::Ecash(token), &ask("Hello", 8)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

async fn requests(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(50).await;
    let deep = format!(
        "{{\"messages\": {}1{}}}",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let said = |messages: Value| json!({"messages": messages}).to_string();
    let with = |name: &str, value: Value| {
        let mut body = ask("Hello", 8);
        body[name] = value;
        body.to_string()
    };
    let cases: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"".into(), 400, "malformed_request"),
        (b"{".into(), 400, "malformed_request"),
        (b"null".into(), 400, "malformed_request"),
        (b"[]".into(), 400, "malformed_request"),
        (b"{}".into(), 400, "malformed_request"),
        (b"\xff\xfe{}".into(), 400, "malformed_request"),
        (deep.into(), 400, "malformed_request"),
        (said(json!("hello")).into(), 400, "malformed_request"),
        (
            said(json!([{"role": "king", "content": "x"}])).into(),
            400,
            "malformed_request",
        ),
        (
            said(json!([{"role": "user"}])).into(),
            400,
            "malformed_request",
        ),
        (said(json!([])).into(), 400, "invalid_parameter"),
        (
            with("max_tokens", json!(-1)).into(),
            400,
            "malformed_request",
        ),
        (
            with("max_tokens", json!(0)).into(),
            400,
            "invalid_parameter",
        ),
        (
            with("temperature", json!(99)).into(),
            400,
            "invalid_parameter",
        ),
        (with("n", json!(2)).into(), 400, "invalid_parameter"),
        (
            with("model", json!("gpt-17")).into(),
            404,
            "model_not_found",
        ),
        (
            with("model", json!("../../etc/passwd")).into(),
            404,
            "model_not_found",
        ),
        (
            with(
                "tools",
                json!([{"type": "function", "function": {"name": "f"}}]),
            )
            .into(),
            400,
            "unsupported_parameter",
        ),
    ];
    for (body, status, code) in cases {
        for pay in [Pay::Ecash(&token), Pay::Nothing] {
            let reply = node.chat_raw(pay, body.clone()).await;
            let start = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
            assert_eq!(
                (reply.status, reply.code().as_str()),
                (status, code),
                "{start}: {}",
                reply.text()
            );
            assert_error(&reply, status, code);
        }
    }
    assert!(
        outsider.is_unspent(&token).await,
        "nothing was taken for any of them"
    );
    node.home().assert_ledger_sound();
    assert_still_buys(&node, &token).await;
}

async fn context(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(1_500).await;
    let start = Instant::now();
    for words in [9_000, 150_000] {
        let body = ask(&"hello ".repeat(words), 8);
        for pay in [
            Pay::Ecash(&token),
            Pay::Nothing,
            Pay::Bearer(&node.owner_token()),
        ] {
            assert_error(&node.chat(pay, &body).await, 400, "context_length_exceeded");
        }
    }
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "refused before any work: {:?}",
        start.elapsed()
    );
    assert!(outsider.is_unspent(&token).await);
    // More than fits is asked for, and as much as fits is quoted.
    let reply = node.chat(Pay::Nothing, &ask("Hello", 1_000_000_000)).await;
    assert!([400, 402].contains(&reply.status), "{}", reply.text());
}

async fn paths(node: Arc<Node>) {
    let get = async |path: &str| node.get(path, Pay::Nothing).await;
    assert_error(&get("/nowhere").await, 404, "not_found");
    assert_error(&get("/v1/nowhere").await, 404, "not_found");
    assert_error(
        &get("/v1/chat/completions").await,
        405,
        "method_not_allowed",
    );
    assert_eq!(get("/v1/../../etc/passwd").await.status, 404);
    let owner = node.owner_token();
    assert_error(
        &node
            .get("/api/purses/..%2f..%2fx", Pay::Bearer(&owner))
            .await,
        400,
        "invalid_name",
    );
    assert_error(
        &node.get("/api/receipts/nothing", Pay::Bearer(&owner)).await,
        404,
        "not_found",
    );
}

async fn amounts(node: Arc<Node>) {
    let outsider = rich(&node).await;
    for (sat, code) in [(1, "payment_too_little"), (1_900, "payment_too_much")] {
        let token = outsider.token(sat).await;
        assert_refused(&node, &token, code).await;
        assert!(outsider.is_unspent(&token).await, "{sat} sat");
        assert_eq!(outsider.redeem(&token).await, sat);
    }
}

async fn spent(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(10).await;
    assert_eq!(outsider.redeem(&token).await, 10);
    assert_refused(&node, &token, "ecash_spent").await;
    assert_refused(&node, &token, "ecash_spent").await;
    // A part of it was spent: the rest must not be taken.
    let (old, new) = (outsider.token(5).await, outsider.token(8).await);
    let mut mixed = outsider.proofs(&old).await;
    mixed.extend(outsider.proofs(&new).await);
    outsider.redeem(&old).await;
    assert_refused(
        &node,
        &rewritten(&node, mixed, CurrencyUnit::Sat),
        "ecash_spent",
    )
    .await;
    assert!(outsider.is_unspent(&new).await);
}

fn rewritten(node: &Node, proofs: Proofs, unit: CurrencyUnit) -> String {
    let mint = format!("{}/mint", node.url()).parse().unwrap();
    Token::new(mint, proofs, None, unit).to_string()
}

async fn forged(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(12).await;
    let proofs = outsider.proofs(&token).await;
    assert!(proofs.len() > 1);
    let rewritten = |proofs| rewritten(&node, proofs, CurrencyUnit::Sat);

    // Another proof's signature.
    let mut swapped = proofs.clone();
    swapped[0].c = proofs[1].c;
    assert_refused(&node, &rewritten(swapped), "ecash_invalid").await;
    // A signature over less than it says.
    let mut raised = proofs.clone();
    raised[0].amount = 16.into();
    assert_refused(&node, &rewritten(raised), "ecash_invalid").await;
    // Another secret.
    let mut renamed = proofs.clone();
    renamed[0].secret = cdk::secret::Secret::generate();
    assert_refused(&node, &rewritten(renamed), "ecash_invalid").await;
    // An amount that no key signs.
    let mut odd = proofs.clone();
    odd[0].amount = 13.into();
    assert_refused(&node, &rewritten(odd), "ecash_invalid").await;
    // More than all bitcoin.
    let mut vast = proofs.clone();
    vast[0].amount = u64::MAX.into();
    assert_refused(&node, &rewritten(vast), "payment_amount_invalid").await;
    // The same one twice.
    let twice = [&proofs[..], &proofs[..]].concat();
    assert_refused(&node, &rewritten(twice), "payment_duplicate_proof").await;

    assert!(
        outsider.is_unspent(&token).await,
        "no forgery harms the original"
    );
    assert_still_buys(&node, &token).await;
}

async fn other_unit(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(12).await;
    let proofs = outsider.proofs(&token).await;
    for unit in [
        CurrencyUnit::Usd,
        CurrencyUnit::Msat,
        CurrencyUnit::Custom("acorn".into()),
    ] {
        assert_refused(
            &node,
            &rewritten(&node, proofs.clone(), unit),
            "payment_wrong_unit",
        )
        .await;
    }
    assert!(outsider.is_unspent(&token).await);
}

async fn other_mint(node: Arc<Node>) {
    let home = Home::new().unwrap();
    let other = Node::start(&home).await;
    let stranger = rich(&other).await;
    let foreign = stranger.token(12).await;
    assert_refused(&node, &foreign, "payment_wrong_mint").await;
    // Relabelled: our mint's name over another mint's signatures.
    let proofs = stranger.proofs(&foreign).await;
    assert_refused(
        &node,
        &rewritten(&node, proofs, CurrencyUnit::Sat),
        "ecash_invalid",
    )
    .await;
    assert!(stranger.is_unspent(&foreign).await);

    // The buyer's side: a seller that wants another mint's ecash gets none of ours.
    node.json(&["purse", "new", "abroad"]);
    node.json(&["purse", "fund", "abroad", "--sat", "100"]);
    let url = format!("{}/v1/chat/completions", other.url());
    let body = ask("Hello", 8).to_string();
    let (code, error) = node
        .home()
        .error(&["fetch", &url, "--purse", "abroad", "-d", &body]);
    assert_eq!(code, 1);
    assert_eq!(error["error"]["code"], "mint_unavailable", "{error}");
    let shown = node.json(&["purse", "show", "abroad"]);
    assert_eq!(
        (&shown["balance_sat"], &shown["reserved_sat"]),
        (&json!(100), &json!(0))
    );
    home.assert_ledger_sound();
}

async fn garbage(node: Arc<Node>) {
    let challenge = node.chat(Pay::Nothing, &ask("Hello", 20)).await;
    let challenge = challenge.header("x-cashu").unwrap().to_owned();
    let outsider = rich(&node).await;
    let token = outsider.token(12).await;
    let long = format!("cashuB{}", "A".repeat(70_000));
    let cut = &token[..token.len() / 2];
    let comma = format!("{token},{token}");
    let comma_space = format!("{token}, {token}");
    for bad in [
        "x",
        "cashuB",
        "cashuB!!!!",
        "cashuBo2F0",
        "cashuC123",
        "null",
        &challenge,
        cut,
        &comma,
        &comma_space,
    ] {
        assert_refused(&node, bad, "payment_malformed").await;
    }
    assert_refused(&node, &long, "payment_too_large").await;
    // What is hardly a header any more.
    for header in [&b"\xff\xfe\xfd"[..], "cashuBé".as_bytes()] {
        let request = node.request(Method::POST, "/v1/chat/completions", Pay::Nothing);
        let request = request
            .header("X-Cashu", header)
            .body(ask("Hello", 20).to_string());
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_error(&reply, 400, "payment_malformed");
    }
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nX-Cashu: {}\r\nContent-Length: 2\r\n\r\n{{}}",
        node.home().address(),
        "A".repeat(2 << 20)
    );
    let answer = raw(&node, head.as_bytes()).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    assert!(outsider.is_unspent(&token).await);
    assert_still_buys(&node, &token).await;
}

/// Two headers are one list to HTTP: neither is taken, for the buyer wouldn't learn which.
async fn several(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let (one, two) = (outsider.token(12).await, outsider.token(13).await);
    let request = node.request(Method::POST, "/v1/chat/completions", Pay::Ecash(&one));
    let request = request
        .header("X-Cashu", &two)
        .body(ask("Hello", 20).to_string());
    let reply = Reply::of(request.send().await.unwrap()).await;
    assert_error(&reply, 400, "payment_malformed");
    assert!(outsider.is_unspent(&one).await && outsider.is_unspent(&two).await);
    node.home().assert_ledger_sound();
}

/// Sends bytes as they are; what comes back, if anything does.
async fn raw(node: &Node, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
    // It may hang up in the middle.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The most memory that the node has ever had, in MiB.
fn peak_memory_mib(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| {
        text.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) / 1_024
}

async fn huge_body(node: Arc<Node>) {
    const HUGE: usize = 100 << 20;
    let outsider = rich(&node).await;
    let token = outsider.token(12).await;
    let before = peak_memory_mib(&node);
    let start = Instant::now();
    let reply = node.chat_raw(Pay::Ecash(&token), vec![b' '; HUGE]).await;
    assert_error(&reply, 413, "request_too_large");
    // Without its length said in advance.
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let pieces = stream::iter((0..100).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let reply = node
        .chat_raw(Pay::Ecash(&token), reqwest::Body::wrap_stream(pieces))
        .await;
    assert_error(&reply, 413, "request_too_large");
    // Whoever asks first is told at once.
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Length: {HUGE}\r\n\
         Expect: 100-continue\r\nConnection: close\r\n\r\n",
        node.home().address()
    );
    let answer = raw(&node, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("request_too_large"), "{answer}");
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    let grown = peak_memory_mib(&node).saturating_sub(before);
    assert!(grown < 40, "the node grew by {grown} MiB");
    assert!(outsider.is_unspent(&token).await);
    assert_still_buys(&node, &token).await;
}

fn head(node: &Node, token: &str, bytes: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nX-Cashu: {token}\r\nContent-Length: {bytes}\r\n\r\n",
        node.home().address()
    )
}

async fn hang_up_while_sending(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(30).await;
    let body = ask("Hello", 20).to_string();
    let whole = head(&node, &token, body.len()) + &body;
    for length in [1, 20, whole.len() - body.len(), whole.len() - 1] {
        let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
        stream.write_all(&whole.as_bytes()[..length]).await.unwrap();
        drop(stream);
    }
    node.home().assert_ledger_sound();
    assert!(outsider.is_unspent(&token).await);
    assert_still_buys(&node, &token).await;
}

async fn hang_up_after_sending(node: Arc<Node>) {
    let outsider = rich(&node).await;
    for body in [
        ask("Tell me a joke.", 12),
        ask_stream("Tell me a joke.", 12),
    ] {
        let token = outsider.token(30).await;
        let text = body.to_string();
        let before = node.json(&["status"])["earned_sat"].as_u64().unwrap();
        let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
        let whole = head(&node, &token, text.len()) + &text;
        stream.write_all(whole.as_bytes()).await.unwrap();
        drop(stream);
        // Whether the node saw it or not: the answer is there for whoever comes back.
        let reply = node.chat(Pay::Ecash(&token), &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let price = reply.price_sat().unwrap();
        assert_eq!(
            node.json(&["status"])["earned_sat"],
            before + price,
            "sold once"
        );
        assert_eq!(outsider.redeem(&reply.change().unwrap()).await, 30 - price);
    }
    node.home().assert_ledger_sound();
}

async fn slow_sender(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(30).await;
    let body = ask("Hello", 8).to_string();
    let whole = head(&node, &token, body.len()) + &body;
    let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
    for piece in whole.as_bytes().chunks(whole.len() / 20) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        // The slowness is what is tested.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200", "slow is not wrong");
}

/// Many clients that stop in the middle of a body: the node serves the others, and tells these
/// when its patience ends.
async fn stalled_body(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(30).await;
    let start = Instant::now();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
        let half = head(&node, &token, 1_000) + "{\"messages\":";
        stream.write_all(half.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    for mut stream in stalled {
        let mut answer = vec![0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut answer));
        let length = read.await.expect("an end").unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("request_timeout"), "{answer}");
    }
    assert!(
        start.elapsed() > Duration::from_secs(5),
        "that was hardly patient"
    );
    assert!(outsider.is_unspent(&token).await);
}

async fn stalled_head(node: Arc<Node>) {
    let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
    stream
        .write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: ")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer));
    // Answered or cut off: but not for ever.
    let _ = read.await.expect("an end");
}

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
async fn bad_sellers(node: Arc<Node>) {
    use cdk::nuts::PaymentRequest;

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
    let lies = "X-Cashu: cashuBo2F0\r\nFreehold-Receipt: bm9uc2Vuc2U\r\n";
    let liar = seller(vec![fair.clone(), answer("200 OK", lies, "an answer")]).await;
    let output = node.cli(&["fetch", &liar, "--purse", "careful"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"an answer");
    assert_eq!(shown()["balance_sat"], left - 5);
    eventually("nothing is under way", async || {
        node.json(&["ledger", "check"])["in_flight"] == 0
    })
    .await;
    node.home().assert_ledger_sound();
}
