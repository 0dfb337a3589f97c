//! Whatever is sent to the paid door: a clear error with a stable code, and no sat lost or served
//! twice.

mod checks;
mod connections;
mod requests;
mod sellers;
mod tokens;

use std::sync::Arc;

use crate::common::{Checks, Home, Node};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input() {
    let Some(home) = Home::new() else { return };
    let node = Arc::new(Node::start(&home).await);
    // These wait for the node's patience to end, beside the others.
    let stalled_body = tokio::spawn(connections::stalled_body(node.clone()));
    let stalled_head = tokio::spawn(connections::stalled_head(node.clone()));
    let mut checks = Checks::new();
    checks
        .run("requests", requests::requests(node.clone()))
        .await;
    checks.run("context", requests::context(node.clone())).await;
    checks.run("paths", requests::paths(node.clone())).await;
    checks.run("amounts", tokens::amounts(node.clone())).await;
    checks.run("spent", tokens::spent(node.clone())).await;
    checks.run("forged", tokens::forged(node.clone())).await;
    checks
        .run("other_unit", tokens::other_unit(node.clone()))
        .await;
    checks
        .run("other_mint", tokens::other_mint(node.clone()))
        .await;
    checks.run("garbage", tokens::garbage(node.clone())).await;
    checks.run("several", tokens::several(node.clone())).await;
    checks
        .run("huge_body", connections::huge_body(node.clone()))
        .await;
    checks
        .run(
            "hang_up_while_sending",
            connections::hang_up_while_sending(node.clone()),
        )
        .await;
    checks
        .run(
            "hang_up_after_sending",
            connections::hang_up_after_sending(node.clone()),
        )
        .await;
    checks
        .run("slow_sender", connections::slow_sender(node.clone()))
        .await;
    checks
        .run("bad_sellers", sellers::bad_sellers(node.clone()))
        .await;
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
