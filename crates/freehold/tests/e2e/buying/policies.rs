//! A purse's policy holds for what is bought over Lightning: who is asked, where it goes, who gets it, and what becomes of a
//! purse that paid for nothing.

use std::sync::Arc;

use reqwest::Method;
use serde_json::{Value, json};

use crate::buying::shop::{PRICE_SAT, Shop};
use crate::buying::{FUNDED_SAT, READY_WITHIN, balance, find};
use crate::common::{Node, Pay, Reply, with_channel};

/// A funded purse with these flags; its token.
fn purse(node: &Node, name: &str, flags: &[&str]) -> String {
    let new = ["purse", "new", name, "--per-payment-sat", "60"];
    let new = node.json(&[&new[..], flags].concat());
    let sat = FUNDED_SAT.to_string();
    node.json(&["purse", "fund", name, "--sat", &sat]);
    new["token"].as_str().unwrap().to_owned()
}

fn refused(node: &Node, args: &[&str], code: &str) -> Value {
    let (exit, error) = node.home().error(args);
    let told = (exit, error["error"]["code"].as_str());
    assert_eq!(told, (1, Some(code)), "{error:#}");
    error["error"].clone()
}

/// Each try meets another invoice, and is the same question all the same.
pub async fn supervised(node: Arc<Node>, protocol: &str) {
    let node = &*node;
    let (shop, name) = (Shop::open(node).await, format!("{protocol}-watched"));
    purse(node, &name, &["--mode", "supervised"]);
    let (url, id) = (
        shop.at(protocol, "honest", "a"),
        format!("{protocol}-asked"),
    );
    let args = ["fetch", &url, "--purse", &name, "--id", &id];
    let ask = || refused(node, &args, "approval_needed")["approval"].clone();
    let asked = ask();
    assert_eq!(
        (&asked["what"], &asked["method"], &asked["host"]),
        (
            &url.as_str().into(),
            &"GET".into(),
            &shop.url.trim_start_matches("http://").into()
        )
    );
    assert_eq!(asked["payee"].as_str().unwrap().len(), 66, "a node's key");
    let most_sat = asked["amount_sat"].as_u64().unwrap();
    assert!(most_sat > PRICE_SAT, "the way is counted in");
    assert_eq!(ask()["id"], asked["id"]);
    assert_eq!((shop.challenges(), shop.invoices_proven()), (2, 0));
    assert_eq!(balance(node, &name), FUNDED_SAT, "nothing is reserved");
    assert!(find(node, &id).is_none(), "and nothing is recorded");

    // Also after a crash: what was asked is still asked.
    node.kill9();
    node.restart().await;
    with_channel(node, READY_WITHIN);
    assert_eq!(ask()["id"], asked["id"]);
    let number = asked["id"].to_string();
    node.json(&["approvals", "approve", &number]);
    let bought = node.json(&args);
    assert_eq!(bought["body"], "bought", "{bought:#}");
    let spent_sat = bought["payment"]["spent_sat"].as_u64().unwrap();
    assert!((PRICE_SAT..=most_sat).contains(&spent_sat));
    assert_eq!(balance(node, &name), FUNDED_SAT - spent_sat);
    assert_eq!(node.json(&args)["body"], "bought", "from here");
    assert_eq!((shop.sold(), shop.invoices_proven()), (1, 1));
    let other = shop.at(protocol, "honest", "b");
    let other = ["fetch", &other, "--purse", &name];
    assert_ne!(
        refused(node, &other, "approval_needed")["approval"]["id"],
        asked["id"]
    );

    // What the owner denies isn't paid.
    let denied = refused(node, &other, "approval_needed")["approval"]["id"].to_string();
    node.json(&["approvals", "deny", &denied]);
    refused(node, &other, "approval_denied");
    assert_eq!(balance(node, &name), FUNDED_SAT - spent_sat);
    node.home().assert_ledger_sound();
}

/// Paid and refused: the node disputes it by itself.
pub async fn disputed(node: Arc<Node>, protocol: &str) {
    let node = &*node;
    let (shop, name) = (Shop::open(node).await, format!("{protocol}-cheated"));
    purse(node, &name, &["--mode", "budgeted", "--earn", "2"]);
    let url = shop.at(protocol, "denies", "a");
    let args = ["fetch", &url, "--purse", &name];
    refused(node, &args, "paid_and_refused");
    let view = node.json(&["purse", "show", &name]);
    assert_eq!(view["policy"]["mode"], "supervised", "{view:#}");
    let honest = shop.at(protocol, "honest", "a");
    refused(
        node,
        &["fetch", &honest, "--purse", &name],
        "approval_needed",
    );
    node.home().assert_ledger_sound();
}

/// Lists of hosts, methods and payees.
pub async fn limited(node: Arc<Node>) {
    let node = &*node;
    let shop = Shop::open(node).await;
    let here = shop.url.trim_start_matches("http://");
    purse(node, "picky", &["--host", "*.example.com"]);
    let url = shop.at("l402", "honest", "a");
    let args = ["fetch", &url, "--purse", "picky", "--id", "picky-1"];
    let allow = |flags: &[&str]| {
        node.json(&[&["purse", "policy", "picky"], flags].concat());
    };
    refused(node, &args, "policy_host");
    allow(&["--host", here, "--method", "POST"]);
    refused(node, &args, "policy_method");
    let stranger = format!("02{}", "ab".repeat(32));
    allow(&["--method", "*", "--payee", &stranger]);
    refused(node, &args, "policy_payee");
    assert_eq!(shop.invoices_proven(), 0);
    assert_eq!(balance(node, "picky"), FUNDED_SAT);
    allow(&["--payee", "*"]);
    // What was refused before leaves the id as good as new.
    let bought = node.json(&args);
    assert_eq!(bought["body"], "bought");
    // The owner disputes it by the id that `payments` shows.
    let view = node.json(&["purse", "dispute", "picky-1", "--reason", "dull"]);
    assert_eq!(view["name"], "picky");
    node.home().assert_ledger_sound();
}

/// A narrowed token reaches as far over Lightning as elsewhere.
pub async fn narrowed(node: Arc<Node>) {
    let node = &*node;
    let shop = Shop::open(node).await;
    let token = purse(node, "parent", &[]);
    let narrow = |flags: &[&str]| node.narrow(&token, flags);
    let code = async |token: &str| {
        let request = node.request(Method::POST, "/api/fetch", Pay::Bearer(token));
        let request = request.json(&json!({"url": shop.at("mpp-charge", "honest", "a")}));
        let reply = Reply::of(request.send().await.unwrap()).await;
        match reply.status {
            200 => "ok".to_owned(),
            _ => reply.code(),
        }
    };
    assert_eq!(
        code(&narrow(&["--host", "api.example.com"])).await,
        "policy_host"
    );
    let child = narrow(&["--total-sat", "20"]);
    assert_eq!(code(&child).await, "ok");
    assert_eq!(code(&child).await, "budget_total");
    assert_eq!(shop.invoices_proven(), 1);
    node.home().assert_ledger_sound();
}
