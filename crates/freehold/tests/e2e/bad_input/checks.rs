//! What holds for every refusal.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{Node, Outsider, Pay, Reply, ask};

pub async fn rich(node: &Node) -> Outsider {
    let outsider = Outsider::at(&node.url()).await;
    outsider.fund(2_000).await;
    outsider
}

/// What every error must have.
pub fn assert_error(reply: &Reply, status: u16, code: &str) {
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (status, code),
        "{}",
        reply.text()
    );
    let error = &reply.json()["error"];
    for part in ["message", "hint", "type"] {
        assert!(
            error[part].as_str().is_some_and(|text| !text.is_empty()),
            "{part}: {error}"
        );
    }
}

/// A refused payment: nothing was taken, and there's a fresh challenge.
pub async fn assert_refused(node: &Node, token: &str, code: &str) {
    let reply = node.chat(Pay::Ecash(token), &ask("Hello", 20)).await;
    assert_error(&reply, 400, code);
    assert!(reply.header("x-cashu").unwrap().starts_with("creqA"));
    assert!(reply.header("content-type").unwrap().contains("json"));
    node.home().assert_ledger_sound();
}

/// A good token, still good after it came with something bad, buys an answer.
pub async fn assert_still_buys(node: &Node, token: &str) {
    let reply = node.chat(Pay::Ecash(token), &ask("Hello", 8)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

/// Sends bytes as they are; what comes back, if anything does.
pub async fn raw(node: &Node, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
    // It may hang up in the middle.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(5), reading).await;
    String::from_utf8_lossy(&answer).into_owned()
}
