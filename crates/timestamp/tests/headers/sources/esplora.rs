//! The Esplora client.

use bitcoin::consensus::encode::serialize_hex;
use serde_json::{Value, json};
use timestamp::headers::sources::{Esplora, HeaderSource};

use super::http::{Answer, Question, Server};
use super::{ask, check_serves};
use crate::mine::Miner;

fn listed(miner: &Miner, height: u32) -> Value {
    let header = miner.headers[height as usize];
    let mut block = json!({
        "id": header.block_hash().to_string(),
        "height": height,
        "version": header.version.to_consensus(),
        "timestamp": header.time,
        "tx_count": 1,
        "merkle_root": header.merkle_root.to_string(),
        "nonce": header.nonce,
        "bits": header.bits.to_consensus(),
        "difficulty": 0.5,
    });
    block["previousblockhash"] = match height {
        0 => Value::Null,
        _ => header.prev_blockhash.to_string().into(),
    };
    block
}

/// An honest server's answer.
fn answer(miner: &Miner, path: &str) -> Answer {
    let text = |text: String| (200, text.into_bytes());
    let parts: Vec<_> = path.trim_start_matches("/api/").split('/').collect();
    match parts.as_slice() {
        ["blocks", "tip", "height"] => text(miner.height().to_string()),
        ["blocks", last] => {
            let last: u32 = last.parse().unwrap();
            let heights = (last.saturating_sub(9)..=last).rev();
            let blocks: Vec<_> = heights.map(|height| listed(miner, height)).collect();
            (200, serde_json::to_vec(&blocks).unwrap())
        }
        ["block-height", height] => text(miner.hash(height.parse().unwrap()).to_string()),
        ["block", hash, "header"] => {
            let mut headers = miner.headers.iter();
            let header = headers.find(|header| header.block_hash().to_string() == *hash);
            text(serialize_hex(header.unwrap()))
        }
        _ => (404, b"Not Found".to_vec()),
    }
}

async fn client(answer: impl Fn(&Question) -> Answer + Send + Sync + 'static) -> (Esplora, Server) {
    let server = Server::start(answer).await;
    let client = Esplora::new(&format!("http://{}/api", server.address)).unwrap();
    (client, server)
}

#[tokio::test]
async fn headers_are_put_together_from_lists() {
    let miner = Miner::regtest(57);
    let chain = miner.clone();
    let (client, server) = client(move |asked| answer(&chain, &asked.path)).await;
    check_serves(&client, &miner).await;
    let before = server.asked();
    ask(&client, &miner, 57).await.unwrap();
    assert_eq!(
        server.asked() - before,
        1 + 6,
        "the height, and six lists of ten"
    );
    assert_eq!(
        client.name(),
        format!("the Esplora server at {}", server.address)
    );
}

#[tokio::test]
async fn a_server_without_lists_is_asked_one_by_one() {
    let miner = Miner::regtest(40);
    let chain = miner.clone();
    let without_lists = move |asked: &Question| match asked.path.as_str() {
        "/api/blocks/tip/height" => answer(&chain, &asked.path),
        path if path.starts_with("/api/blocks/") => (404, Vec::new()),
        path => answer(&chain, path),
    };
    let (client, _server) = client(without_lists).await;
    check_serves(&client, &miner).await;
}

/// What the client says to a server that answers all but the height with this.
async fn check_refuses(
    path: &'static str,
    bad: impl Fn(Vec<u8>) -> Answer + Send + Sync + 'static,
    why: &str,
) {
    let miner = Miner::regtest(20);
    let chain = miner.clone();
    let (client, _server) = client(move |asked| {
        let (status, body) = answer(&chain, &asked.path);
        if asked.path.starts_with(path) && asked.path != "/api/blocks/tip/height" {
            bad(body)
        } else {
            (status, body)
        }
    })
    .await;
    let count = if path.contains("blocks") { 20 } else { 1 };
    let error = ask(&client, &miner, count).await.unwrap_err();
    assert_eq!(error.code(), "header_source_failed");
    assert!(error.to_string().contains(why), "{error}");
}

#[tokio::test]
async fn lies_and_nonsense_are_refused() {
    let list = "/api/blocks/";
    check_refuses(list, |_| (200, b"[]".to_vec()), "cut off").await;
    check_refuses(list, |_| (200, b"<html>".to_vec()), "malformed").await;
    check_refuses(list, |_| (500, b"oops".to_vec()), "500").await;
    check_refuses(list, |_| (302, Vec::new()), "302").await;
    check_refuses(list, |_| (200, vec![b' '; 100_000]), "longer than").await;
    let changed = |from: &'static str, to: &'static str| {
        move |body: Vec<u8>| {
            (
                200,
                String::from_utf8(body)
                    .unwrap()
                    .replace(from, to)
                    .into_bytes(),
            )
        }
    };
    check_refuses(list, changed("\"nonce\":", "\"nonce\":1"), "is none").await;
    check_refuses(list, changed("\"height\":", "\"height\":1"), "is none").await;
    check_refuses(
        list,
        changed("\"version\":", "\"version\":99999999999"),
        "is none",
    )
    .await;
    check_refuses("/api/block/", |_| (200, b"00".repeat(80)), "is none").await;
    check_refuses("/api/block/", |_| (404, Vec::new()), "has nothing").await;
    check_refuses("/api/block-height/", |_| (200, b"zz".to_vec()), "is none").await;
    check_refuses(
        "/api/block-height/",
        |_| (200, vec![b'0'; 2000]),
        "longer than",
    )
    .await;
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_dead_one_is_named() {
    let miner = Miner::regtest(3);
    let calls = std::sync::atomic::AtomicU32::new(0);
    let chain = miner.clone();
    let (client, server) =
        client(
            move |asked| match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
                0 => (429, Vec::new()),
                _ => answer(&chain, &asked.path),
            },
        )
        .await;
    assert_eq!(client.tip_height().await.unwrap(), 3);
    assert_eq!(server.asked(), 2);
    let nobody = Esplora::new("http://u:secret@127.0.0.1:1/").unwrap();
    assert!(!format!("{nobody:?}").contains("secret"));
    let error = nobody.tip_height().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("127.0.0.1:1: it cannot be reached"),
        "{error}"
    );
}
