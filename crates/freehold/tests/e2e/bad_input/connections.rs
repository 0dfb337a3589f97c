//! Clients that send too much, too slowly, or hang up.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bad_input::checks::{assert_error, assert_still_buys, raw, rich};
use crate::common::{Node, Pay, ask, ask_stream};

/// The most memory that the node has ever had, in MiB.
fn peak_memory_mib(node: &Node) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|text| {
        text.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) / 1_024
}

pub async fn huge_body(node: Arc<Node>) {
    const HUGE: usize = 100 << 20;
    let outsider = rich(&node).await;
    let token = outsider.token(12).await;
    let before = peak_memory_mib(&node);
    let start = Instant::now();
    let reply = node.chat_raw(Pay::Ecash(&token), vec![b' '; HUGE]).await;
    assert_error(&reply, 413, "request_too_large");
    // Without its length said in advance.
    let piece = Bytes::from(vec![b' '; 1 << 20]);
    let pieces = stream::iter((0..100).map(move |_| Ok::<_, std::io::Error>(piece.clone())));
    let reply = node
        .chat_raw(Pay::Ecash(&token), reqwest::Body::wrap_stream(pieces))
        .await;
    assert_error(&reply, 413, "request_too_large");
    // Whoever asks first is told at once.
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nContent-Length: {HUGE}\r\n\
         Expect: 100-continue\r\nConnection: close\r\n\r\n",
        node.home().address()
    );
    let answer = raw(&node, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("request_too_large"), "{answer}");
    assert!(
        start.elapsed() < Duration::from_secs(15),
        "{:?}",
        start.elapsed()
    );
    let grown = peak_memory_mib(&node).saturating_sub(before);
    assert!(grown < 40, "the node grew by {grown} MiB");
    assert!(outsider.is_unspent(&token).await);
    assert_still_buys(&node, &token).await;
}

fn head(node: &Node, token: &str, bytes: usize) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {}\r\nX-Cashu: {token}\r\nContent-Length: {bytes}\r\n\r\n",
        node.home().address()
    )
}

pub async fn hang_up_while_sending(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(30).await;
    let body = ask("Hello", 20).to_string();
    let whole = head(&node, &token, body.len()) + &body;
    for length in [1, 20, whole.len() - body.len(), whole.len() - 1] {
        let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
        stream.write_all(&whole.as_bytes()[..length]).await.unwrap();
        drop(stream);
    }
    node.home().assert_ledger_sound();
    assert!(outsider.is_unspent(&token).await);
    assert_still_buys(&node, &token).await;
}

pub async fn hang_up_after_sending(node: Arc<Node>) {
    let outsider = rich(&node).await;
    for body in [
        ask("Tell me a joke.", 12),
        ask_stream("Tell me a joke.", 12),
    ] {
        let token = outsider.token(30).await;
        let text = body.to_string();
        let before = node.json(&["status"])["earned_sat"].as_u64().unwrap();
        let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
        let whole = head(&node, &token, text.len()) + &text;
        stream.write_all(whole.as_bytes()).await.unwrap();
        drop(stream);
        // Whether the node saw it or not: the answer is there for whoever comes back.
        let reply = node.chat(Pay::Ecash(&token), &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let price = reply.price_sat().unwrap();
        assert_eq!(
            node.json(&["status"])["earned_sat"],
            before + price,
            "sold once"
        );
        assert_eq!(outsider.redeem(&reply.change().unwrap()).await, 30 - price);
    }
    node.home().assert_ledger_sound();
}

pub async fn slow_sender(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(30).await;
    let body = ask("Hello", 8).to_string();
    let whole = head(&node, &token, body.len()) + &body;
    let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
    for piece in whole.as_bytes().chunks(whole.len() / 20) {
        stream.write_all(piece).await.unwrap();
        stream.flush().await.unwrap();
        // The slowness is what is tested.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut answer = vec![0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200", "slow is not wrong");
}

/// Many clients that stop in the middle of a body: the node serves the others, and tells these
/// when its patience ends.
pub async fn stalled_body(node: Arc<Node>) {
    let outsider = rich(&node).await;
    let token = outsider.token(30).await;
    let start = Instant::now();
    let mut stalled = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
        let half = head(&node, &token, 1_000) + "{\"messages\":";
        stream.write_all(half.as_bytes()).await.unwrap();
        stalled.push(stream);
    }
    for mut stream in stalled {
        let mut answer = vec![0; 4_096];
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut answer));
        let length = read.await.expect("an end").unwrap();
        let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("request_timeout"), "{answer}");
    }
    assert!(
        start.elapsed() > Duration::from_secs(5),
        "that was hardly patient"
    );
    assert!(outsider.is_unspent(&token).await);
}

pub async fn stalled_head(node: Arc<Node>) {
    let mut stream = TcpStream::connect(node.home().address()).await.unwrap();
    stream
        .write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: ")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut answer));
    // Answered or cut off: but not for ever.
    let _ = read.await.expect("an end");
}
