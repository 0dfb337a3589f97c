//! Requests and paths that make no sense.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bad_input::checks::{assert_error, assert_still_buys, rich};
use crate::common::{Node, Pay, ask};

pub async fn requests(node: Arc<Node>) {
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

pub async fn context(node: Arc<Node>) {
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

pub async fn paths(node: Arc<Node>) {
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
