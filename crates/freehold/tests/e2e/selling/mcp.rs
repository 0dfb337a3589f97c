//! Tools of an MCP server, sold and bought: JSON-RPC with payments in `_meta`.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{Home, Node, Outsider, Pay, Reply, token_sat};
use crate::selling::buyer::secret;
use crate::selling::pair::Pair;

const CREDENTIAL: &str = "org.paymentauth/credential";
const RECEIPT: &str = "org.paymentauth/receipt";

/// An MCP server that knows nothing of payments. It ends with the test.
struct Server {
    url: String,
    /// The calls of tools that it saw.
    calls: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    async fn open() -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let stream = get(async || {
            (
                [(header::CONTENT_TYPE, "text/event-stream")],
                "data: {}\n\n",
            )
        });
        let router = Router::new()
            .route("/mcp", stream.post(answer))
            .with_state(Arc::clone(&calls));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, calls }
    }

    fn calls(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

async fn answer(State(calls): State<Arc<Mutex<Vec<Value>>>>, body: Bytes) -> Response {
    let message: Value = serde_json::from_slice(&body).unwrap();
    let reply = |kind: &str, content: Value| json!({ "jsonrpc": "2.0", "id": message["id"], kind: content });
    let result = match message["method"].as_str() {
        Some("initialize") => json!({ "protocolVersion": "2025-06-18", "capabilities": {} }),
        Some("tools/list") => json!({ "tools": [{ "name": "add" }] }),
        Some("tools/call") => {
            calls.lock().unwrap().push(message.clone());
            return tool(&message["params"], &reply);
        }
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    axum::Json(reply("result", result)).into_response()
}

fn tool(params: &Value, reply: &dyn Fn(&str, Value) -> Value) -> Response {
    let text = |text: String| json!({ "content": [{ "type": "text", "text": text }] });
    let reply = match params["name"].as_str().unwrap() {
        "fails" => {
            let mut result = text("no".into());
            result["isError"] = json!(true);
            reply("result", result)
        }
        "errs" => reply(
            "error",
            json!({ "code": -32602, "message": "Unknown tool" }),
        ),
        "dies" => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        "stream" => {
            let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress" });
            let last = reply("result", text("streamed".into()));
            let events = [
                format!("data: {progress}\n\n"),
                format!("id: 1\ndata: {last}\n\n"),
            ];
            let pieces = futures::stream::iter(events.map(Ok::<_, Infallible>));
            let body = Body::from_stream(pieces);
            return ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response();
        }
        _ => {
            let [a, b] = ["a", "b"].map(|name| params["arguments"][name].as_i64().unwrap());
            reply("result", text((a + b).to_string()))
        }
    };
    axum::Json(reply).into_response()
}

/// A call of a tool.
fn call(name: &str) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": name, "arguments": { "a": 1, "b": 2 }, "_meta": { "progressToken": "p" } },
    })
}

/// The same with a payment.
fn paid(name: &str, challenge: &Value, payload: &Value) -> Value {
    let mut call = call(name);
    call["params"]["_meta"][CREDENTIAL] = json!({ "challenge": challenge, "payload": payload });
    call
}

async fn post(node: &Node, message: &Value) -> Reply {
    let request = node.request(Method::POST, "/mcp", Pay::Nothing);
    let request = request.header("accept", "application/json, text/event-stream");
    Reply::of(request.json(message).send().await.unwrap()).await
}

/// The error's code, and its challenge of a method and intent.
fn asked(reply: &Reply, method: &str, intent: &str) -> (i64, Value) {
    let error = &reply.json()["error"];
    let challenges = error["data"]["challenges"].as_array().cloned();
    let mut challenges = challenges.unwrap_or_default().into_iter();
    let found = challenges.find(|one| one["method"] == method && one["intent"] == intent);
    let code = error["code"].as_i64();
    let code = code.unwrap_or_else(|| panic!("no error: {}", reply.text()));
    (code, found.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_are_sold_and_bought_over_lightning() {
    let (pair, server) = (Pair::meet().await, Server::open().await);
    let sell = |more: &[&str]| {
        pair.seller
            .json(&[&["sell", &server.url, "--deposit", "0"], more].concat())
    };
    let all = sell(&["--mcp", "--price", "5sat"]);
    assert_eq!(
        (&all["path"], &all["tools"]),
        (&json!("/mcp"), &json!({})),
        "{all:#}"
    );
    sell(&["--tool", "stream", "--price", "7sat"]);
    free(&pair.seller, &server).await;
    bought(&pair, &server);
    by_hand(&pair, &server).await;
    pair.assert_sound();
}

/// What calls no tool passes for nothing; what could be something else doesn't pass.
async fn free(node: &Node, server: &Server) {
    let init = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {} });
    let reply = post(node, &init).await;
    assert_eq!(reply.json()["result"]["protocolVersion"], "2025-06-18");
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    assert_eq!(
        post(node, &list).await.json()["result"]["tools"][0]["name"],
        "add"
    );
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    assert_eq!(post(node, &note).await.status, 202);
    let stream = node.get("/mcp", Pay::Nothing).await;
    assert_eq!(
        (stream.status, stream.text().as_str()),
        (200, "data: {}\n\n")
    );
    assert_eq!(
        post(node, &json!([init, list])).await.status,
        202,
        "a batch that is free"
    );

    let mut silent = call("add");
    silent.as_object_mut().unwrap().remove("id");
    let doubled = json!({ "jsonrpc": "2.0", "id": 1, "Method": "tools/call", "method": "ping" });
    for (message, code) in [
        (json!([init, call("add")]), -32600),
        (silent, -32600),
        (doubled, -32600),
        (json!("text"), -32600),
    ] {
        let reply = post(node, &message).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (200, &json!(code))
        );
    }
    let request = node.request(Method::POST, "/mcp", Pay::Nothing).body("{");
    let reply = Reply::of(request.send().await.unwrap()).await;
    assert_eq!(reply.json()["error"]["code"], -32700);
    let put = node
        .request(Method::PUT, "/mcp", Pay::Nothing)
        .json(&call("add"));
    let large = node.request(Method::POST, "/mcp", Pay::Nothing);
    let large = large.body(" ".repeat((4 << 20) + 1));
    for (request, status, code) in [
        (put, 405, "method_not_allowed"),
        (large, 413, "request_too_large"),
    ] {
        let reply = Reply::of(request.send().await.unwrap()).await;
        assert_eq!(
            (reply.status, &reply.json()["error"]["code"]),
            (status, &json!(code))
        );
    }
    assert_eq!(server.calls(), 0);
}

/// `freehold fetch` pays for a call as for any other request.
fn bought(pair: &Pair, server: &Server) {
    let url = format!("{}/mcp", pair.seller.url());
    let fetch = |name: &str, more: &[&str]| {
        let body = call(name).to_string();
        pair.buyer
            .json(&[&["fetch", &url, "-d", &body], more].concat())
    };
    let (mut result, mut payment) = (Value::Null, Value::Null);
    for _ in 0..2 {
        let fetched = fetch("add", &["--id", "sum"]);
        result = serde_json::from_str(fetched["body"].as_str().unwrap()).unwrap();
        payment = fetched["payment"].clone();
    }
    assert_eq!(server.calls(), 1, "the same id is the same purchase");
    assert_eq!(
        (
            &payment["spent_sat"],
            &payment["protocol"],
            &payment["state"]
        ),
        (&json!(5), &json!("mpp-charge"), &json!("settled"))
    );
    let result = &result["result"];
    assert_eq!(result["content"][0]["text"], "3");
    assert_eq!(
        result["_meta"][RECEIPT]["reference"],
        payment["payment_hash"]
    );
    let seen = server.calls.lock().unwrap()[0].clone();
    assert_eq!(
        seen,
        call("add"),
        "without the payment, and else as it came"
    );

    let fetched = fetch("stream", &[]);
    assert_eq!(fetched["payment"]["spent_sat"], 7);
    let events = fetched["body"].as_str().unwrap();
    let data: Vec<Value> = events
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?).ok())
        .collect();
    assert_eq!(data[0]["method"], "notifications/progress");
    assert_eq!(data[1]["result"]["content"][0]["text"], "streamed");
    assert_eq!(data[1]["result"]["_meta"][RECEIPT]["status"], "success");

    let body = call("add").to_string();
    let args = ["fetch", &url, "-d", &body, "--max-sat", "4"];
    let (exit, error) = pair.buyer.home().error(&args);
    assert_eq!(
        (exit, &error["error"]["code"]),
        (1, &"price_above_limit".into())
    );
}

/// What fails costs nothing; what was paid once buys once.
async fn by_hand(pair: &Pair, server: &Server) {
    let seller = &pair.seller;
    let reply = post(seller, &call("add")).await;
    assert_eq!(reply.status, 200, "it is for MCP to say that it failed");
    assert_eq!(reply.json()["id"], 7);
    assert_eq!(reply.json()["error"]["data"]["httpStatus"], 402);
    let (code, challenge) = asked(&reply, "lightning", "charge");
    assert_eq!(
        (code, &challenge["request"]["amount"]),
        (-32042, &json!("5"))
    );

    let wrong = json!({ "preimage": "00".repeat(32) });
    let reply = post(seller, &paid("add", &challenge, &wrong)).await;
    let (code, fresh) = asked(&reply, "lightning", "charge");
    assert_eq!((code, fresh["id"].is_string()), (-32043, true));
    let reply = post(seller, &paid("add", &json!({}), &wrong)).await;
    assert_eq!(asked(&reply, "lightning", "charge").0, -32602);

    let calls = server.calls();
    let proof = json!({ "preimage": pair.pay(&challenge["request"]["methodDetails"]["invoice"]) });
    // It is for another tool's price.
    let reply = post(seller, &paid("stream", &challenge, &proof)).await;
    assert_eq!(asked(&reply, "lightning", "charge").0, -32043);
    assert_eq!(server.calls(), calls);
    let reply = post(seller, &paid("fails", &challenge, &proof))
        .await
        .json();
    assert_eq!(reply["result"]["isError"], true);
    assert!(reply["result"]["_meta"].is_null(), "no receipt: {reply:#}");
    let reply = post(seller, &paid("errs", &challenge, &proof)).await;
    assert_eq!(reply.json()["error"]["message"], "Unknown tool");
    assert_eq!(
        post(seller, &paid("dies", &challenge, &proof)).await.status,
        500
    );
    let reply = post(seller, &paid("add", &challenge, &proof)).await.json();
    assert_eq!(
        reply["result"]["_meta"][RECEIPT]["status"], "success",
        "{reply:#}"
    );
    for name in ["add", "fails"] {
        let reply = post(seller, &paid(name, &challenge, &proof)).await;
        assert_eq!(asked(&reply, "lightning", "charge").0, -32043);
        assert_eq!(
            reply.json()["error"]["data"]["failure"]["reason"],
            "payment_used"
        );
    }
    assert_eq!(server.calls(), calls + 4);
    // A crash doesn't make it good again.
    seller.kill9();
    seller.restart().await;
    let reply = post(seller, &paid("add", &challenge, &proof)).await;
    assert_eq!(
        reply.json()["error"]["data"]["failure"]["reason"],
        "payment_used"
    );
    assert_eq!(server.calls(), calls + 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_in_ecash_pays_for_tools() {
    let (home, server) = (Home::without_model(), Server::open().await);
    let node = Node::start(&home).await;
    node.json(&[
        "sell",
        &server.url,
        "--mcp",
        "--price",
        "5sat",
        "--deposit",
        "20",
    ]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(50).await;
    let (code, challenge) = asked(&post(&node, &call("add")).await, "cashu", "session");
    assert_eq!(code, -32042);

    let secret = secret();
    let open = json!({ "action": "open", "preimage": secret, "token": outsider.token(20).await });
    let opened = post(&node, &paid("add", &challenge, &open)).await.json();
    let receipt = &opened["result"]["_meta"][RECEIPT];
    let act = |action: &str| json!({ "action": action, "sessionId": receipt["reference"], "preimage": secret });
    assert_eq!(opened["result"]["content"][0]["text"], "3", "{opened:#}");
    let bearer = act("bearer");
    let called = post(&node, &paid("stream", &challenge, &bearer)).await;
    assert!(called.text().contains("streamed"), "{}", called.text());
    let failed = post(&node, &paid("fails", &challenge, &bearer)).await;
    assert_eq!(failed.json()["result"]["isError"], true);

    // 20 in, 10 spent, 10 back.
    let closed = post(&node, &paid("add", &challenge, &act("close")))
        .await
        .json();
    let result = &closed["result"]["structuredContent"];
    assert_eq!(
        (&result["status"], &result["refundSats"]),
        (&json!("closed"), &json!(10)),
        "{closed:#}"
    );
    let token = result["token"].as_str().unwrap();
    assert_eq!((token_sat(token), outsider.redeem(token).await), (10, 10));
    assert_eq!(server.calls(), 3);
    home.assert_ledger_sound();
}
