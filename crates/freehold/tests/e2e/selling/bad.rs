//! Payments that are wrong in every way: nothing is served, nothing is taken, and each has a code.

use reqwest::Method;
use serde_json::json;

use crate::common::{Home, Node, Outsider, Pay, Reply};
use crate::selling::buyer::{ask, code, credential, sell};
use crate::selling::ecash_session::Session;
use crate::selling::upstream::Shop;

/// What is wrong, the headers, and the status and code that come back.
type Case = (&'static str, Vec<(&'static str, String)>, u16, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn wrong_payments_are_refused_with_codes() {
    let (home, shop) = (Home::without_model(), Shop::open().await);
    let node = Node::start(&home).await;
    sell(&node, &shop.url, &["--deposit", "20"]);
    node.json(&[
        "sell",
        &shop.url,
        "--price",
        "1sat",
        "--path",
        "/other",
        "--deposit",
        "20",
    ]);
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(100).await;
    let (session, opened) = Session::open(&node, &outsider.token(20).await).await;
    assert_eq!(opened.status, 200, "{}", opened.text());
    let token = outsider.token(5).await;

    let bearer = json!({ "action": "bearer", "sessionId": session.id, "preimage": session.secret });
    let good = credential(&session.challenge, &bearer);
    let cases: Vec<Case> = vec![
        (
            "nonsense",
            vec![("authorization", "Payment nonsense".into())],
            402,
            "credential_malformed",
        ),
        (
            "no macaroon",
            vec![("authorization", "L402 x:y".into())],
            401,
            "",
        ),
        (
            "two tokens",
            vec![("x-cashu", token.clone()), ("x-cashu", token.clone())],
            400,
            "several_credentials",
        ),
        (
            "two ways",
            vec![("x-cashu", token.clone()), ("authorization", good.clone())],
            400,
            "several_credentials",
        ),
        (
            "twice",
            vec![
                ("authorization", good.clone()),
                ("authorization", good.clone()),
            ],
            400,
            "several_credentials",
        ),
        (
            "no token",
            vec![("x-cashu", "cashuBnonsense".into())],
            400,
            "",
        ),
        (
            "a huge one",
            vec![("authorization", format!("Payment {}", "A".repeat(100_000)))],
            400,
            "credential_header_too_large",
        ),
        (
            "too little",
            vec![("x-cashu", outsider.token(4).await)],
            400,
            "payment_too_little",
        ),
    ];
    for (what, headers, status, wanted) in cases {
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let refused = ask(&node, "/api/echo", &headers).await;
        assert_eq!(refused.status, status, "{what}: {}", refused.text());
        let code = code(&refused);
        assert!(wanted.is_empty() || code == wanted, "{what}: {code}");
    }
    // Of another route.
    let elsewhere = ask(&node, "/other/echo", &[("authorization", &good)]).await;
    assert_eq!(
        (elsewhere.status, code(&elsewhere)),
        (402, "challenge_elsewhere".to_owned())
    );
    // A session of a cheap offer doesn't pay for a dear one, whichever challenge is shown.
    let asked = ask(&node, "/other/echo", &[]).await;
    let cheap = crate::selling::buyer::payment(&asked, "cashu", "session");
    let mixed = ask(
        &node,
        "/other/echo",
        &[("authorization", &credential(&cheap, &bearer))],
    )
    .await;
    assert_eq!(
        (mixed.status, code(&mixed)),
        (402, "challenge_elsewhere".to_owned())
    );
    // Paths that two servers could read differently are none of ours.
    for path in ["/api/../other", "/api//echo", "/api/%2e%2e/other"] {
        let head = raw(&node, path).await;
        assert!(head.starts_with("HTTP/1.1 404"), "{path}: {head}");
    }
    // A bit in every field of the credential.
    for at in (8..good.len()).step_by(7) {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let flipped = String::from_utf8(bytes).unwrap();
        let refused = ask(&node, "/api/echo", &[("authorization", &flipped)]).await;
        let is_harmless = refused.status == 200;
        assert!(
            !is_harmless || differs_only_in_words(&good, &flipped),
            "{at}: {}",
            refused.text()
        );
    }
    assert!(outsider.is_unspent(&token).await, "nothing was taken");
    let paid = node
        .request(Method::GET, "/api/echo", Pay::Ecash(&token))
        .send()
        .await
        .unwrap();
    assert_eq!(Reply::of(paid).await.status, 200);
    home.assert_ledger_sound();
}

/// The description is for people, and no part of what is vouched for.
fn differs_only_in_words(good: &str, flipped: &str) -> bool {
    use base64::Engine as _;
    let read = |text: &str| {
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text.split_once(' ')?.1)
            .ok()?;
        let mut value: serde_json::Value = serde_json::from_slice(&json).ok()?;
        value["challenge"].as_object_mut()?.retain(|name, _| {
            [
                "id", "realm", "method", "intent", "request", "expires", "digest", "opaque",
            ]
            .contains(&name.as_str())
        });
        Some(value)
    };
    read(good) == read(flipped)
}

/// The head of the answer to a path that clients would tidy up.
async fn raw(node: &Node, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let address = node.home().address();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
