//! A session paid with ecash: one payment, many calls, and exactly the rest back.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Home, Node, Outsider, Reply, token_sat};
use crate::selling::buyer::{ask, code, credential, payment, receipt, request, secret, sell};
use crate::selling::upstream::Shop;

/// A session at a node.
pub struct Session<'a> {
    pub node: &'a Node,
    pub challenge: String,
    pub secret: String,
    pub id: String,
}

impl<'a> Session<'a> {
    /// Opens one with a token; the answer to the call that came with it.
    pub async fn open(node: &'a Node, token: &str) -> (Self, Reply) {
        let asked = ask(node, "/api/echo", &[]).await;
        let challenge = payment(&asked, "cashu", "session");
        let mut session = Self {
            node,
            challenge,
            secret: secret(),
            id: String::new(),
        };
        let open = json!({ "action": "open", "preimage": session.secret, "token": token });
        let reply = session.act(open).await;
        if reply.status == 200 {
            session.id = receipt(&reply)["reference"].as_str().unwrap().to_owned();
        }
        (session, reply)
    }

    pub async fn act(&self, payload: Value) -> Reply {
        ask(
            self.node,
            "/api/echo",
            &[("authorization", &credential(&self.challenge, &payload))],
        )
        .await
    }

    pub async fn call(&self) -> Reply {
        self.act(json!({ "action": "bearer", "sessionId": self.id, "preimage": self.secret }))
            .await
    }

    pub async fn close(&self) -> Reply {
        self.act(json!({ "action": "close", "sessionId": self.id, "preimage": self.secret }))
            .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_payment_many_calls_and_the_rest_back() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &["--deposit", "20"]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(200).await;

    let token = outsider.token(20).await;
    let (session, opened) = Session::open(&node, &token).await;
    let terms = request(&session.challenge);
    assert_eq!(
        (&terms["amount"], &terms["depositAmount"]),
        (&"5".into(), &"20".into())
    );
    assert_eq!(opened.status, 200, "{}", opened.text());
    for _ in 0..3 {
        assert_eq!(session.call().await.status, 200);
    }
    assert_eq!(shop.hits(), 4);
    // It is used up: a stable code, and a challenge to top it up by.
    let empty = session.call().await;
    assert_eq!(
        (empty.status, code(&empty)),
        (402, "insufficient_balance".to_owned())
    );
    payment(&empty, "cashu", "session");

    // Topping up, and the same again: credited once.
    let token = outsider.token(22).await;
    let top_up = json!({ "action": "topUp", "sessionId": session.id, "token": token });
    for _ in 0..2 {
        let topped_up = session.act(top_up.clone()).await;
        assert_eq!(topped_up.json(), json!({ "status": "ok" }));
    }
    assert_eq!(session.call().await.status, 200);
    assert_eq!(shop.hits(), 5);

    // A call that fails costs nothing.
    let bearer = json!({ "action": "bearer", "sessionId": session.id, "preimage": session.secret });
    let failed = ask(
        &node,
        "/api/fail",
        &[("authorization", &credential(&session.challenge, &bearer))],
    )
    .await;
    assert_eq!(
        (failed.status, code(&failed)),
        (502, "upstream_failed".to_owned())
    );

    // 42 in, 25 spent, 17 back; and the same answer to whoever lost the first.
    let closed = session.close().await;
    assert_eq!(
        closed.json(),
        json!({ "refundSats": 17, "refundStatus": "succeeded", "status": "closed" })
    );
    assert_eq!(receipt(&closed)["refundSats"], 17);
    let rest = closed.header("x-cashu").unwrap().to_owned();
    assert_eq!(token_sat(&rest), 17);
    assert_eq!(session.close().await.header("x-cashu"), Some(rest.as_str()));
    assert_eq!(outsider.redeem(&rest).await, 17);
    let over = session.call().await;
    assert_eq!(
        (over.status, code(&over)),
        (402, "session_closed".to_owned())
    );
    // The token that opened it opens no other.
    let (_, again) = Session::open(&node, &token).await;
    assert_eq!(
        (again.status, code(&again)),
        (402, "payment_used".to_owned())
    );
    assert_eq!(node.json(&["status"])["earned_sat"], 25);
    assert_eq!(node.json(&["sell", "sessions"])[0]["spent_sat"], 25);
    home.assert_ledger_sound();
    node.stop();
    home.assert_ledger_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_cannot_overdraw_a_session() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &["--deposit", "20"]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(100).await;
    let (session, _) = Session::open(&node, &outsider.token(50).await).await;
    let calls = futures::future::join_all((0..30).map(|_| session.call())).await;
    assert_eq!(calls.iter().filter(|call| call.status == 200).count(), 9);
    assert_eq!(shop.hits(), 10);
    assert_eq!(session.close().await.json()["refundSats"], 0);
    home.assert_ledger_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_a_crash_and_is_refunded_once() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &["--deposit", "20"]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(300).await;
    let (session, _) = Session::open(&node, &outsider.token(100).await).await;
    for _ in 0..3 {
        assert_eq!(session.call().await.status, 200);
    }
    // What was spent is on the disk after a tenth of a second.
    tokio::time::sleep(Duration::from_millis(500)).await;
    node.kill9();
    node.restart().await;
    assert_eq!(session.call().await.status, 200);
    node.kill9();
    node.restart().await;
    let closed = session.close().await;
    let refund_sat = closed.json()["refundSats"].as_u64().unwrap();
    // At most the last call is forgiven; nothing is taken twice.
    assert!([75, 80].contains(&refund_sat), "{refund_sat}");
    let rest = closed.header("x-cashu").unwrap().to_owned();
    node.kill9();
    node.restart().await;
    assert_eq!(session.close().await.header("x-cashu"), Some(rest.as_str()));
    assert_eq!(outsider.redeem(&rest).await, refund_sat);
    home.assert_ledger_sound();
}
