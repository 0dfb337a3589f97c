//! What is sold by the MiB and by the minute, and sessions that fall silent.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::common::{Home, Node, Outsider, Pay, eventually};
use crate::selling::buyer::{ask, credential, sell};
use crate::selling::ecash_session::Session;
use crate::selling::upstream::Shop;

/// Behind the bearer of a session; none if the answer broke off.
async fn fetched(session: &Session<'_>, path: &str) -> Option<usize> {
    let bearer = json!({ "action": "bearer", "sessionId": session.id, "preimage": session.secret });
    let credential = credential(&session.challenge, &bearer);
    let request = session.node.request(Method::GET, path, Pay::Nothing);
    let request = request.header("authorization", credential);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    Some(response.bytes().await.ok()?.len())
}

fn spent_sat(node: &Node) -> u64 {
    let sessions = node.json(&["sell", "sessions"]);
    sessions[0]["spent_sat"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_begun_mib_is_paid_and_a_top_up_goes_on_where_it_stopped() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &["--per", "MiB", "--deposit", "20"]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(200).await;
    let (session, _) = Session::open(&node, &outsider.token(25).await).await;

    // 5 for the call that opened it, and 15 for two MiB and a bit.
    let size = (2 << 20) + 1;
    assert_eq!(
        fetched(&session, &format!("/api/bytes/{size}")).await,
        Some(size)
    );
    eventually("the meter is written", async || spent_sat(&node) == 20).await;

    // The rest is good for one MiB of three: the answer waits for more.
    let size = 3 << 20;
    let path = format!("/api/bytes/{size}");
    let (size_fetched, ()) = tokio::join!(fetched(&session, &path), async {
        eventually("all is spent", async || spent_sat(&node) == 25).await;
        let token = outsider.token(40).await;
        let top_up = json!({ "action": "topUp", "sessionId": session.id, "token": token });
        assert_eq!(session.act(top_up).await.json(), json!({ "status": "ok" }));
    });
    assert_eq!(size_fetched, Some(size));
    assert_eq!(session.close().await.json()["refundSats"], 30);
    home.assert_ledger_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_is_paid_when_it_begins() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &["--per", "minute", "--deposit", "20"]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(100).await;
    let (session, _) = Session::open(&node, &outsider.token(40).await).await;
    // Ten bytes, seven seconds apart: the second minute begins in the middle of it.
    assert_eq!(fetched(&session, "/api/drops/10").await, Some(10));
    assert_eq!(session.close().await.json()["refundSats"], 40 - 5 - 2 * 5);
    home.assert_ledger_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_session_is_closed_and_its_rest_kept_for_its_buyer() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &["--deposit", "20"]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(100).await;
    let (session, _) = Session::open(&node, &outsider.token(40).await).await;
    node.stop();
    // Eleven minutes pass.
    let db = rusqlite::Connection::open(home.network_dir().join("freehold.db")).unwrap();
    let sql = "UPDATE sessions SET session =
        json_set(session, '$.last_active_s', json_extract(session, '$.last_active_s') - 660)";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
    drop(db);
    node.restart().await;
    eventually("it is closed", async || {
        node.json(&["sell", "sessions"])[0]["state"] == "closed"
    })
    .await;
    let late = session.call().await;
    assert_eq!(late.json()["code"], "session_closed", "{}", late.text());
    let closed = session.close().await;
    assert_eq!(closed.json()["refundSats"], 35, "{}", closed.text());
    assert_eq!(outsider.redeem(closed.header("x-cashu").unwrap()).await, 35);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ask(&node, "/api/echo", &[]).await.status, 402);
    home.assert_ledger_sound();
}
