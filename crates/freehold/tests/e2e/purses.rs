//! Purses' policies with the real program: approvals, earned modes, narrowed tokens.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Checks, Home, Node, Pay, ask};
use reqwest::Method;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn purses() {
    let Some(home) = Home::new() else { return };
    let node = Arc::new(Node::start(&home).await);
    let mut checks = Checks::new();
    checks.run("supervised", supervised(node.clone())).await;
    checks.run("denied", denied(node.clone())).await;
    checks.run("by_token", by_token(node.clone())).await;
    checks.run("web", web(node.clone())).await;
    checks.run("hosts", hosts(node.clone())).await;
    checks.run("earned", earned(node.clone())).await;
    checks.run("narrowed", narrowed(node.clone())).await;
    node.home().assert_ledger_sound();
    checks.finish();
}

/// A funded purse with these flags; its token.
fn new_purse(node: &Node, name: &str, flags: &[&str]) -> String {
    let new = node.json(&[&["purse", "new", name], flags].concat());
    node.json(&["purse", "fund", name, "--sat", "200"]);
    new["token"].as_str().unwrap().to_owned()
}

fn balance_sat(node: &Node, name: &str) -> u64 {
    let purse = node.json(&["purse", "show", name]);
    assert_eq!(purse["reserved_sat"], 0, "{purse}");
    purse["balance_sat"].as_u64().unwrap()
}

fn fetch_args<'a>(url: &'a str, purse: &'a str, body: &'a str) -> Vec<&'a str> {
    vec!["fetch", url, "--purse", purse, "-d", body]
}

fn endpoint(node: &Node) -> String {
    format!("{}/v1/chat/completions", node.url())
}

/// What the refusal says of the approval that is waited for.
fn approval(node: &Node, args: &[&str]) -> Value {
    let (exit, error) = node.home().error(args);
    assert_eq!(exit, 1, "{error}");
    assert_eq!(error["error"]["code"], "approval_needed", "{error}");
    error["error"]["approval"].clone()
}

async fn supervised(node: Arc<Node>) {
    new_purse(&node, "watched", &["--mode", "supervised"]);
    let (url, body) = (endpoint(&node), ask("Tell me a joke.", 20).to_string());
    let mut args = fetch_args(&url, "watched", &body);
    args.extend(["--id", "watched-1"]);
    let asked = approval(&node, &args);
    assert_eq!(asked["what"], url);
    assert_eq!(asked["method"], "POST");
    assert!(asked["deadline_ms"].as_i64() > asked["asked_ms"].as_i64());
    assert_eq!(balance_sat(&node, "watched"), 200, "nothing is reserved");
    // It is asked once, however often the agent repeats itself, and outlives the node.
    assert_eq!(approval(&node, &args)["id"], asked["id"]);
    node.kill9();
    node.restart().await;
    let waiting = node.json(&["approvals"]);
    assert_eq!(waiting.as_array().unwrap().len(), 1, "{waiting}");
    assert_eq!(waiting[0], asked);

    let id = asked["id"].to_string();
    node.json(&["approvals", "approve", &id]);
    let first = node.json(&args);
    assert_eq!(first["status"], 200, "{first}");
    let spent_sat = first["payment"]["spent_sat"].as_u64().unwrap();
    assert!(spent_sat <= asked["amount_sat"].as_u64().unwrap());
    assert_eq!(balance_sat(&node, "watched"), 200 - spent_sat);
    // Paid once: the same id is the same payment, and another one is asked for anew.
    assert_eq!(node.json(&args)["body"], first["body"]);
    assert_eq!(balance_sat(&node, "watched"), 200 - spent_sat);
    let other = approval(&node, &fetch_args(&url, "watched", &body));
    assert_ne!(other["id"], asked["id"]);
    let all = node.json(&["approvals", "list", "--all"]);
    let used = all
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["id"] == asked["id"]);
    assert_eq!(used.unwrap()["state"], "used");
    let (_, error) = node.home().error(&["approvals", "approve", &id]);
    assert_eq!(error["error"]["code"], "approval_state");
    node.home().assert_ledger_sound();
}

async fn denied(node: Arc<Node>) {
    new_purse(&node, "refused", &["--mode", "supervised"]);
    let (url, body) = (endpoint(&node), ask("Tell me a joke.", 20).to_string());
    let args = fetch_args(&url, "refused", &body);
    let id = approval(&node, &args)["id"].to_string();
    node.json(&["approvals", "deny", &id]);
    let (_, error) = node.home().error(&args);
    assert_eq!(error["error"]["code"], "approval_denied", "{error}");
    assert_eq!(balance_sat(&node, "refused"), 200);
}

/// An agent that calls the model with its token, without `fetch`; and only what exceeds is asked for.
async fn by_token(node: Arc<Node>) {
    let flags = ["--mode", "budgeted", "--per-payment-sat", "2"];
    let token = new_purse(&node, "thrifty", &flags);
    let within = node.chat(Pay::Bearer(&token), &ask("Hello", 8)).await;
    assert_eq!(within.status, 200, "{}", within.text());
    let large = ask("Tell me a joke.", 60);
    let asked = node.chat(Pay::Bearer(&token), &large).await;
    assert_eq!(
        (asked.status, asked.code().as_str()),
        (403, "approval_needed")
    );
    let id = asked.json()["error"]["approval"]["id"].to_string();
    // An agent can't approve for itself.
    let path = format!("/api/approvals/{id}/approve");
    let own = node.request(Method::POST, &path, Pay::Bearer(&token));
    assert_eq!(own.send().await.unwrap().status(), 403);
    node.json(&["approvals", "approve", &id]);
    let paid = node.chat(Pay::Bearer(&token), &large).await;
    assert_eq!(paid.status, 200, "{}", paid.text());
    let again = node.chat(Pay::Bearer(&token), &large).await;
    assert_eq!(again.code(), "approval_needed", "one word, one payment");
    node.home().assert_ledger_sound();
}

/// The forms on the home page do the same as the command.
async fn web(node: Arc<Node>) {
    new_purse(&node, "shown", &["--mode", "supervised"]);
    let (url, body) = (endpoint(&node), ask("Tell me a joke.", 20).to_string());
    let args = fetch_args(&url, "shown", &body);
    let id = approval(&node, &args)["id"].to_string();
    let owner = node.owner_token();
    let form = |pay| node.request(Method::POST, &format!("/approvals/{id}/approve"), pay);
    assert_eq!(form(Pay::Nothing).send().await.unwrap().status(), 401);
    let done = form(Pay::Bearer(&owner)).send().await.unwrap();
    assert_eq!(done.status(), 303);
    assert_eq!(node.json(&args)["status"], 200);
}

async fn hosts(node: Arc<Node>) {
    let flags = ["--host", "*.example.com", "--rate", "2/hour"];
    new_purse(&node, "local", &flags);
    let (url, body) = (endpoint(&node), ask("Hello", 8).to_string());
    let args = fetch_args(&url, "local", &body);
    let refused = |wanted: &str| {
        let (exit, error) = node.home().error(&args);
        assert_eq!((exit, error["error"]["code"].as_str()), (1, Some(wanted)));
    };
    refused("policy_host");
    let address = node.home().address();
    let changed = node.json(&["purse", "policy", "local", "--host", &address]);
    assert_eq!(changed["policy"]["hosts"], serde_json::json!([address]));
    assert_eq!(
        changed["policy"]["rate"], "2/hour",
        "what isn't named stays"
    );
    for _ in 0..2 {
        assert_eq!(node.json(&args)["status"], 200);
    }
    refused("policy_rate");
    node.json(&[
        "purse", "policy", "local", "--rate", "none", "--method", "get",
    ]);
    refused("policy_method");
    node.json(&[
        "purse",
        "policy",
        "local",
        "--method",
        "*",
        "--expires",
        "1s",
    ]);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    refused("policy_expired");
}

async fn earned(node: Arc<Node>) {
    let flags = ["--mode", "budgeted", "--earn", "2"];
    new_purse(&node, "earner", &flags);
    let (url, body) = (endpoint(&node), ask("Hello", 8).to_string());
    let args = fetch_args(&url, "earner", &body);
    let mode = || node.json(&["purse", "show", "earner"])["policy"]["mode"].clone();
    for _ in 0..3 {
        assert_eq!(node.json(&args)["status"], 200);
    }
    assert_eq!(mode(), "autonomous", "two were settled before the third");
    let paid = node.json(&args)["payment"]["id"].clone();
    let noted = [
        "purse",
        "dispute",
        paid.as_str().unwrap(),
        "--reason",
        "dull",
    ];
    assert_eq!(node.json(&noted)["policy"]["mode"], "supervised");
    approval(&node, &args);
    let (_, error) = node.home().error(&["purse", "dispute", "nothing"]);
    assert_eq!(error["error"]["code"], "payment_unknown");
}

/// Narrows a token without a node: in a home where none has ever been.
fn narrow(token: &str, flags: &[&str]) -> String {
    let home = Home::without_model();
    let mut command = home.command(&[&["purse", "narrow"], flags].concat());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(token.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", crate::common::told(&output));
    assert!(!home.data_dir().exists(), "it needs no node");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

async fn narrowed(node: Arc<Node>) {
    let token = new_purse(&node, "parent", &[]);
    let child = narrow(&token, &["--total-sat", "3", "--method", "POST"]);
    let greedy = narrow(&child, &["--total-sat", "100"]);
    let stranger = narrow(&token, &["--host", "api.example.com"]);
    let code = async |token: &str| {
        let reply = node.chat(Pay::Bearer(token), &ask("Hello", 8)).await;
        match reply.status {
            200 => "ok".to_owned(),
            _ => reply.code(),
        }
    };
    assert_eq!(code(&stranger).await, "policy_host");
    // Each answer costs a sat at least, so three of them use up the child, by whichever token.
    let mut last = String::new();
    for _ in 0..4 {
        last = code(&greedy).await;
    }
    assert_eq!(last, "budget_total");
    assert_eq!(code(&child).await, "budget_total");
    assert_eq!(code(&token).await, "ok", "the purse itself has more");
    let mut forged = child.clone();
    forged.replace_range(20..21, if &child[20..21] == "A" { "B" } else { "A" });
    assert_eq!(code(&forged).await, "token_invalid");
    // The totals are on the disk.
    node.kill9();
    node.restart().await;
    assert_eq!(code(&child).await, "budget_total");
    assert_eq!(code(&narrow(&token, &["--total-sat", "3"])).await, "ok");
    node.json(&["purse", "revoke", "parent"]);
    assert_eq!(code(&child).await, "token_invalid");
}
