//! Single calls, paid with ecash; and what passes the proxy.

use std::time::Instant;

use futures::StreamExt as _;
use reqwest::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{Home, Node, Outsider, Pay, token_sat};
use crate::selling::buyer::{ask, challenges, code, sell};
use crate::selling::upstream::{EVENT_PAUSE, Shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_call_costs_its_price_and_no_more() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    assert_eq!(ask(&node, "/api/echo", &[]).await.status, 404);
    let offer = sell(&node, &shop.url, &["--description", "Echoes"]);
    assert_eq!(offer["path"], "/api");
    assert_eq!(node.json(&["sell", "list"])[0]["id"], offer["id"]);

    let asked = ask(&node, "/api/echo", &[]).await;
    assert_eq!(asked.status, 402);
    assert_eq!(code(&asked), "payment_required");
    assert_eq!(asked.json()["price_sat"], 5);
    assert_eq!(asked.header("cache-control"), Some("no-store"));
    assert!(asked.header("x-cashu").unwrap().starts_with("creq"));
    // No Lightning here: nothing is offered that can't be paid.
    assert!(
        challenges(&asked)
            .iter()
            .all(|challenge| challenge.contains("cashu")),
        "{:?}",
        challenges(&asked)
    );
    assert_eq!(shop.hits(), 0, "nothing is forwarded before it is paid");

    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(200).await;
    let token = outsider.token(8).await;
    let request = node.request(Method::POST, "/api/echo?a=b%20c", Pay::Ecash(&token));
    let request = request
        .header("cookie", "a=b; freehold_session=x")
        .header("x-forwarded-for", "203.0.113.1");
    let paid = crate::common::Reply::of(request.body("question").send().await.unwrap()).await;
    assert_eq!(paid.status, 200, "{}", paid.text());
    let echo = paid.json();
    assert_eq!(
        (&echo["method"], &echo["uri"]),
        (&"POST".into(), &"/api/echo?a=b%20c".into())
    );
    assert_eq!(echo["body"], "question");
    assert_eq!(echo["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(echo["headers"]["cookie"], "a=b");
    assert!(echo["headers"]["x-cashu"].is_null(), "payments stay here");
    assert_eq!(paid.header("cache-control"), Some("private"));
    assert!(
        paid.header("content-security-policy")
            .unwrap()
            .contains("sandbox")
    );
    let change = paid.header("x-cashu").expect("change").to_owned();
    assert_eq!(token_sat(&change), 3);

    // The same token buys nothing twice, and its change isn't lost.
    let again = ask(&node, "/api/echo", &[("x-cashu", &token)]).await;
    assert_eq!(
        (again.status, code(&again)),
        (402, "payment_used".to_owned())
    );
    let values: Vec<_> = again.headers.get_all("x-cashu").iter().collect();
    assert!(
        values.iter().any(|value| *value == change.as_str()),
        "{values:?}"
    );
    assert_eq!(outsider.redeem(&change).await, 3);
    assert_eq!(shop.hits(), 1);

    // What the buyer did wrong counts as served; what the service did wrong doesn't.
    let missing = ask(
        &node,
        "/api/missing",
        &[("x-cashu", &outsider.token(5).await)],
    )
    .await;
    assert_eq!((missing.status, missing.header("x-cashu")), (404, None));
    let failed = ask(&node, "/api/fail", &[("x-cashu", &outsider.token(7).await)]).await;
    assert_eq!(
        (failed.status, code(&failed)),
        (502, "upstream_failed".to_owned())
    );
    assert_eq!(failed.json()["payment"], "returned");
    assert_eq!(outsider.redeem(failed.header("x-cashu").unwrap()).await, 7);

    let free = node
        .request(Method::GET, "/api/echo", Pay::Bearer(&node.owner_token()))
        .send()
        .await
        .unwrap();
    assert_eq!(free.status(), 200, "the owner pays nothing");
    assert!(
        !free.text().await.unwrap().contains(&node.owner_token()),
        "and the upstream doesn't learn the token"
    );
    assert_eq!(node.json(&["status"])["earned_sat"], 10);
    home.assert_ledger_sound();
    node.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_call_is_answered_again_to_whoever_lost_its_answer() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &[]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(100).await;
    let token = outsider.token(7).await;
    let named = |name| [("x-cashu", token.as_str()), ("idempotency-key", name)];
    let first = ask(&node, "/api/echo", &named("a")).await;
    assert_eq!(first.status, 200, "{}", first.text());
    assert_eq!(first.json()["headers"]["idempotency-key"], "a");
    node.kill9();
    node.restart().await;
    let again = ask(&node, "/api/echo", &named("a")).await;
    assert_eq!((again.status, again.text()), (200, first.text()));
    for header in ["content-type", "x-cashu", "content-security-policy"] {
        assert_eq!(again.header(header), first.header(header), "{header}");
    }
    let change = again.header("x-cashu").expect("change").to_owned();
    assert_eq!(outsider.redeem(&change).await, 2);
    assert_eq!(shop.hits(), 1, "the service worked once");

    // Another name is another call, and so is one without.
    for headers in [&named("b")[..], &named("")[..], &named("a")[..1]] {
        let used = ask(&node, "/api/echo", headers).await;
        assert_eq!((used.status, code(&used)), (402, "payment_used".to_owned()));
    }
    // Neither what is too long nor what the service failed at is kept.
    let long = "x".repeat(256);
    let token = outsider.token(5).await;
    let too_long = [("x-cashu", token.as_str()), ("idempotency-key", &long)];
    assert_eq!(ask(&node, "/api/echo", &too_long).await.status, 200);
    assert_eq!(ask(&node, "/api/echo", &too_long).await.status, 402);
    assert_eq!(shop.hits(), 2);
    home.assert_ledger_sound();
    node.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_costs_nothing_and_offers_outlive_the_node() {
    let home = Home::without_model();
    let node = Node::start(&home).await;
    sell(&node, "http://127.0.0.1:9", &["--free", "1/day"]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(50).await;
    node.stop();
    node.restart().await;
    // The free call, which fails too, and then a paid one.
    let free = ask(&node, "/api/x", &[]).await;
    assert_eq!(
        (free.status, code(&free)),
        (502, "upstream_unreachable".to_owned())
    );
    assert_eq!(ask(&node, "/api/x", &[]).await.status, 402);
    let failed = ask(&node, "/api/x", &[("x-cashu", &outsider.token(5).await)]).await;
    assert_eq!(
        (failed.status, code(&failed)),
        (502, "upstream_unreachable".to_owned())
    );
    assert_eq!(outsider.redeem(failed.header("x-cashu").unwrap()).await, 5);
    let id = node.json(&["sell", "list"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    node.json(&["sell", "remove", &id]);
    assert_eq!(ask(&node, "/api/x", &[]).await.status, 404);
    home.assert_ledger_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_web_sockets_pass_through() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &[]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(50).await;

    let token = outsider.token(5).await;
    let started = Instant::now();
    let response = node
        .request(Method::GET, "/api/events", Pay::Ecash(&token))
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut pieces = response.bytes_stream();
    let first = pieces.next().await.unwrap().unwrap();
    assert!(first.starts_with(b"data: 0"));
    assert!(
        started.elapsed() < 3 * EVENT_PAUSE,
        "events come as they are made"
    );
    let mut rest = Vec::new();
    while let Some(piece) = pieces.next().await {
        rest.extend_from_slice(&piece.unwrap());
    }
    assert!(rest.ends_with(b"data: 3\n\n"));

    let token = outsider.token(5).await;
    let mut socket = TcpStream::connect(home.address()).await.unwrap();
    let head = format!(
        "GET /api/socket HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Cashu: {token}\r\n\r\n",
        home.address()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(socket.read_u8().await.unwrap());
    }
    assert!(
        answer.starts_with(b"HTTP/1.1 101"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    for word in [&b"hello"[..], b"again"] {
        socket.write_all(word).await.unwrap();
        let mut heard = vec![0; word.len()];
        socket.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, word);
    }
    drop(socket);
    home.assert_ledger_sound();
}
