//! Chatting, end to end: models, the owner's and a purse's tokens, streams, hang-ups, and a model
//! whose process dies.

use std::io::Read as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::{Checks, Home, Node, Pay, Reply, ask, ask_stream, eventually, signal};
use reqwest::Method;
use serde_json::{Value, json};

/// The model goes on with this for longer than any test waits.
const LONG_PROMPT: &str = "Write a very long story about a dragon.";
const LONG_TOKENS: u32 = 1_500;
/// Far less than the long answer takes.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn chat() {
    // One request at a time: a model that wasn't set free is noticed by the next request.
    let Some(home) = Home::with_config("[engine]\nparallel = 1") else {
        return;
    };
    let node = Arc::new(Node::start(&home).await);
    let mut checks = Checks::new();
    checks.run("models", models(node.clone())).await;
    checks.run("owner", owner(node.clone())).await;
    checks.run("owner_stream", owner_stream(node.clone())).await;
    checks.run("purse", purse(node.clone())).await;
    checks.run("purse_limits", purse_limits(node.clone())).await;
    checks.run("strangers", strangers(node.clone())).await;
    checks.run("ask", ask_command(node.clone())).await;
    checks.run("hang_up", hang_up(node.clone())).await;
    checks
        .run("purse_hangs_up", purse_hangs_up(node.clone()))
        .await;
    checks.run("model_dies", model_dies(node.clone())).await;
    node.home().assert_ledger_sound();
    node.stop();
    checks.run("while_down", while_down(node.clone())).await;
    checks.finish();
}

/// A new purse with money in it; its token.
fn new_purse(node: &Node, name: &str, sat: u64) -> String {
    let args = [
        "purse",
        "new",
        name,
        "--per-payment-sat",
        "1000",
        "--per-day-sat",
        "1000",
    ];
    let new = node.json(&args);
    let token = new["token"].as_str().unwrap().to_owned();
    assert!(!token.is_empty());
    if sat > 0 {
        let funded = node.json(&["purse", "fund", name, "--sat", &sat.to_string()]);
        assert_eq!(funded["balance_sat"], sat, "{funded}");
    }
    token
}

fn price_sat((prompt, completion): (u64, u64)) -> u64 {
    (prompt * 10 + completion * 100).div_ceil(1_000)
}

/// Reads a stream until the model has said something; everything read so far.
async fn first_words(response: &mut reqwest::Response) -> String {
    let mut text = String::new();
    while let Some(piece) = response.chunk().await.unwrap() {
        text.push_str(std::str::from_utf8(&piece).unwrap());
        let events = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let mut events = events.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let says = |e: Value| {
            e["choices"][0]["delta"]["content"]
                .as_str()
                .is_some_and(|t| !t.is_empty())
        };
        if events.any(says) {
            return text;
        }
    }
    panic!("the stream ended without a word: {text}");
}

async fn assert_model_is_free(node: &Node) {
    let start = Instant::now();
    let reply = node
        .chat(Pay::Bearer(&node.owner_token()), &ask("Hello", 1))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(start.elapsed() < AT_ONCE, "it took {:?}", start.elapsed());
}

async fn models(node: Arc<Node>) {
    let reply = node.get("/v1/models", Pay::Nothing).await;
    assert_eq!(reply.status, 200);
    let list = reply.json();
    assert_eq!(list["object"], "list");
    assert_eq!(list["data"][0]["id"], "smollm2-135m-instruct");
    assert_eq!(list["data"][0]["object"], "model");
}

async fn owner(node: Arc<Node>) {
    let token = node.owner_token();
    let mut body = ask("What is the capital of France?", 12);
    body["model"] = json!("smollm2-135m-instruct");
    body["temperature"] = json!(0);
    let reply = node.chat(Pay::Bearer(&token), &body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    assert_eq!(answer["object"], "chat.completion");
    assert_eq!(answer["model"], "smollm2-135m-instruct");
    assert_eq!(answer["choices"][0]["message"]["role"], "assistant");
    assert!(["stop", "length"].contains(&answer["choices"][0]["finish_reason"].as_str().unwrap()));
    assert!(!reply.answer().trim().is_empty());
    let (prompt, completion) = reply.usage();
    assert_eq!(answer["usage"]["total_tokens"], prompt + completion);
    assert!(prompt > 5 && (1..=12).contains(&completion));
    assert_eq!(
        (reply.price_sat().unwrap_or(0), reply.change()),
        (0, None),
        "the owner pays nothing"
    );
}

async fn owner_stream(node: Arc<Node>) {
    let token = node.owner_token();
    let mut body = ask("Say hello to Alice.", 16);
    body["temperature"] = json!(0);
    let whole = node.chat(Pay::Bearer(&token), &body).await;
    body["stream"] = json!(true);
    let reply = node.chat(Pay::Bearer(&token), &body).await;
    assert_eq!(reply.status, 200);
    assert!(
        reply
            .header("content-type")
            .unwrap()
            .starts_with("text/event-stream")
    );
    let events = reply.events();
    assert!(
        events
            .iter()
            .all(|e| e["object"] == "chat.completion.chunk" && e["id"] == events[0]["id"])
    );
    assert_eq!(events[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(
        reply.answer(),
        whole.answer(),
        "streamed or not, it is the same answer"
    );
    let reasons: Vec<_> = events
        .iter()
        .filter(|e| e["choices"][0]["finish_reason"].is_string())
        .collect();
    assert_eq!(reasons.len(), 1);
    // Clients look at `choices[0]` of every chunk, unless they asked for the token counts.
    assert!(
        events.iter().all(|e| e["choices"][0].is_object()),
        "a chunk without choices that nobody asked for"
    );

    body["stream_options"] = json!({"include_usage": true});
    let counted = node.chat(Pay::Bearer(&token), &body).await;
    let last = counted.events().pop().unwrap();
    assert_eq!(last["choices"], json!([]), "{last}");
    assert_eq!(counted.usage(), whole.usage());
}

async fn purse(node: Arc<Node>) {
    let token = new_purse(&node, "talker", 100);
    let earned = |node: &Node| node.json(&["status"])["earned_sat"].as_u64().unwrap();
    let before = earned(&node);
    let reply = node.chat(Pay::Bearer(&token), &ask("Hello", 24)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let price = price_sat(reply.usage());
    assert_eq!((reply.price_sat(), reply.change()), (Some(price), None));
    let shown = node.json(&["purse", "show", "talker"]);
    assert_eq!(shown["balance_sat"], 100 - price);
    assert_eq!(
        (&shown["reserved_sat"], &shown["spent_total_sat"]),
        (&json!(0), &json!(price))
    );
    assert_eq!(earned(&node), before + price);

    let reply = node
        .chat(Pay::Bearer(&token), &ask_stream("Hello", 24))
        .await;
    let second = price_sat(reply.usage());
    assert_eq!(reply.price_sat(), Some(second));
    assert!(reply.receipt().is_some());
    assert_eq!(
        node.json(&["purse", "show", "talker"])["balance_sat"],
        100 - price - second
    );
    assert_eq!(earned(&node), before + price + second);

    // The agent sees its own purse and nothing else.
    let own = node.get("/api/purse", Pay::Bearer(&token)).await;
    assert_eq!(
        (own.status, own.json()["name"].clone()),
        (200, json!("talker"))
    );
    for path in ["/api/status", "/api/purses", "/api/ledger", "/api/receipts"] {
        assert_eq!(
            node.get(path, Pay::Bearer(&token)).await.status,
            403,
            "{path}"
        );
        assert_eq!(node.get(path, Pay::Nothing).await.status, 401, "{path}");
    }
    node.home().assert_ledger_sound();
}

async fn purse_limits(node: Arc<Node>) {
    let poor = new_purse(&node, "poor", 0);
    let reply = node.chat(Pay::Bearer(&poor), &ask("Hello", 24)).await;
    assert_eq!(reply.status, 402, "{}", reply.text());
    assert!(!reply.code().is_empty());

    let new = node.json(&[
        "purse",
        "new",
        "strict",
        "--per-payment-sat",
        "2",
        "--per-day-sat",
        "3",
    ]);
    let strict = new["token"].as_str().unwrap();
    node.json(&["purse", "fund", "strict", "--sat", "50"]);
    let over = node.chat(Pay::Bearer(strict), &ask("Hello", 100)).await;
    assert_eq!(over.status, 403, "{}", over.text());
    let within = node.chat(Pay::Bearer(strict), &ask("Hello", 12)).await;
    assert_eq!(within.status, 200, "{}", within.text());
    let (mut spent, mut refused) = (within.price_sat().unwrap(), false);
    for _ in 0..4 {
        let reply = node.chat(Pay::Bearer(strict), &ask("Hello", 12)).await;
        match reply.status {
            200 => spent += reply.price_sat().unwrap(),
            status => {
                assert_eq!(status, 403, "{}", reply.text());
                refused = true;
            }
        }
    }
    assert!(
        refused && spent <= 3,
        "the day's limit of 3 sat: {spent} spent"
    );

    let gone = node.json(&["purse", "revoke", "strict"]);
    assert_eq!(gone["returned_sat"], 50 - spent);
    let reply = node.chat(Pay::Bearer(strict), &ask("Hello", 12)).await;
    assert!([401, 403].contains(&reply.status), "{}", reply.text());
    assert!(!reply.code().is_empty());
    node.home().assert_ledger_sound();
}

async fn strangers(node: Arc<Node>) {
    let owner = node.owner_token();
    let nearly = &owner[..owner.len() - 1];
    for wrong in ["nonsense", nearly, "fhp_0000000000000000"] {
        let reply = node.chat(Pay::Bearer(wrong), &ask("Hello", 4)).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "token_invalid"),
            "{wrong}"
        );
        assert!(reply.header("www-authenticate").is_some());
        assert_eq!(
            node.get("/api/status", Pay::Bearer(wrong)).await.status,
            401
        );
    }
    // Another site's page in the owner's browser reaches the port, but not by a name of ours.
    let request = node.request(Method::GET, "/v1/models", Pay::Nothing);
    let reply = request.header("Host", "evil.example").send().await.unwrap();
    assert!(reply.status().is_client_error(), "{}", reply.status());
}

async fn ask_command(node: Arc<Node>) {
    let whole = node.cli(&["ask", "--max-tokens", "12", "What is a merkle tree?"]);
    assert!(whole.status.success(), "{whole:?}");
    assert!(whole.stdout.len() > 5 && whole.stdout.ends_with(b"\n"));
    let data = node.json(&["ask", "--max-tokens", "12", "What is a merkle tree?"]);
    assert!(
        !data["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .is_empty()
    );

    // It streams: the first words are there while it still runs.
    let long = LONG_TOKENS.to_string();
    let mut command = node
        .home()
        .command(&["ask", "--max-tokens", &long, LONG_PROMPT]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut words = [0; 8];
    child.stdout.take().unwrap().read_exact(&mut words).unwrap();
    assert!(
        child.try_wait().unwrap().is_none(),
        "the whole answer came at once"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    assert_model_is_free(&node).await;
}

async fn hang_up(node: Arc<Node>) {
    let owner = node.owner_token();
    let body = ask_stream(LONG_PROMPT, LONG_TOKENS).to_string();
    let mut response = node.chat_begin(Pay::Bearer(&owner), body).await;
    first_words(&mut response).await;
    drop(response);
    assert_model_is_free(&node).await;

    // Whoever waits for a whole answer may leave too.
    let request = node.request(Method::POST, "/v1/chat/completions", Pay::Bearer(&owner));
    let request = request.body(ask(LONG_PROMPT, LONG_TOKENS).to_string());
    let left = request.timeout(Duration::from_secs(1)).send().await;
    assert!(left.is_err_and(|error| error.is_timeout()));
    assert_model_is_free(&node).await;
}

async fn purse_hangs_up(node: Arc<Node>) {
    let token = new_purse(&node, "hasty", 400);
    let show = || node.json(&["purse", "show", "hasty"]);
    let settled = async || show()["reserved_sat"] == 0;
    let body = ask_stream(LONG_PROMPT, LONG_TOKENS).to_string();
    let mut response = node.chat_begin(Pay::Bearer(&token), body).await;
    first_words(&mut response).await;
    let reserved = show()["reserved_sat"].as_u64().unwrap();
    assert!(reserved > 100, "the highest price is reserved: {reserved}");
    drop(response);
    eventually("the reservation is settled", settled).await;
    let first = show()["spent_total_sat"].as_u64().unwrap();
    assert!(
        first > 0 && first < reserved / 2,
        "{first} sat for a few words"
    );

    let request = node.request(Method::POST, "/v1/chat/completions", Pay::Bearer(&token));
    let request = request.body(ask(LONG_PROMPT, LONG_TOKENS).to_string());
    assert!(
        request
            .timeout(Duration::from_secs(1))
            .send()
            .await
            .is_err()
    );
    eventually("the reservation is settled", settled).await;
    let second = show()["spent_total_sat"].as_u64().unwrap() - first;
    assert!(
        second < reserved / 2,
        "{second} sat for an answer that nobody got"
    );
    assert_eq!(show()["balance_sat"], 400 - first - second);
    assert_model_is_free(&node).await;
    node.home().assert_ledger_sound();
}

async fn model_dies(node: Arc<Node>) {
    let token = new_purse(&node, "unlucky", 400);
    let pid = || {
        node.json(&["status"])["model_pid"]
            .as_u64()
            .map(|pid| u32::try_from(pid).unwrap())
    };
    let body = ask_stream(LONG_PROMPT, LONG_TOKENS).to_string();
    let mut response = node.chat_begin(Pay::Bearer(&token), body).await;
    first_words(&mut response).await;
    let old = pid().unwrap();
    assert_ne!(old, node.pid(), "the model has a process of its own");
    signal("KILL", old);
    let rest = Reply::of(response).await;
    let last = rest.events().pop().unwrap();
    assert_eq!(last["error"]["code"], "engine_restarted", "{last}");

    let reply = node.chat(Pay::Bearer(&token), &ask("Hello", 4)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(pid().is_some_and(|pid| pid != old));
    let shown = node.json(&["purse", "show", "unlucky"]);
    let price = reply.price_sat().unwrap();
    assert_eq!(
        (&shown["reserved_sat"], &shown["spent_total_sat"]),
        (&json!(0), &json!(price))
    );

    // A whole answer is an error then, with a status of its own.
    let task = tokio::spawn({
        let (node, token) = (node.clone(), token.clone());
        async move {
            node.chat(Pay::Bearer(&token), &ask(LONG_PROMPT, LONG_TOKENS))
                .await
        }
    });
    let reserved = || node.json(&["purse", "show", "unlucky"])["reserved_sat"].as_u64();
    eventually("it has begun", async || reserved() != Some(0)).await;
    assert!(!task.is_finished());
    signal("KILL", pid().unwrap());
    let reply = task.await.unwrap();
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (503, "engine_restarted"),
        "{}",
        reply.text()
    );
    let reply = node
        .chat(Pay::Bearer(&node.owner_token()), &ask("Hello", 4))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Commands work without a node that is up; they open its files themselves.
async fn while_down(node: Arc<Node>) {
    assert_eq!(node.json(&["purse", "show", "talker"])["name"], "talker");
    node.home().assert_ledger_sound();
    let (code, error) = node.home().error(&["purse", "show", "nobody"]);
    assert_eq!(code, 1, "{error}");
}
