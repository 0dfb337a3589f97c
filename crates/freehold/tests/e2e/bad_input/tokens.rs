//! Ecash that is too little, too much, spent, forged, of another mint or unit, or no ecash at all.

use std::sync::Arc;

use cdk::nuts::{CurrencyUnit, Proofs, Token};
use reqwest::Method;
use serde_json::json;

use crate::bad_input::checks::{assert_error, assert_refused, assert_still_buys, raw, rich};
use crate::common::{Home, Node, Pay, Reply, ask};

pub async fn amounts(node: Arc<Node>) {
    let outsider = rich(&node).await;
    for (sat, code) in [(1, "payment_too_little"), (1_900, "payment_too_much")] {
        let token = outsider.token(sat).await;
        assert_refused(&node, &token, code).await;
        assert!(outsider.is_unspent(&token).await, "{sat} sat");
        assert_eq!(outsider.redeem(&token).await, sat);
    }
}

pub async fn spent(node: Arc<Node>) {
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

pub async fn forged(node: Arc<Node>) {
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

pub async fn other_unit(node: Arc<Node>) {
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

pub async fn other_mint(node: Arc<Node>) {
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

pub async fn garbage(node: Arc<Node>) {
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
pub async fn several(node: Arc<Node>) {
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
