//! The client for a Bitcoin node's RPC.

use std::fs;
use std::sync::Arc;

use bitcoin::consensus::encode::serialize_hex;
use serde_json::{Value, json};
use timestamp::headers::sources::{HeaderSource, NodeRpc, RpcAuth};

use super::http::{Answer, Question, Server};
use super::{ask, check_serves};
use crate::mine::Miner;

/// `alice:secret`
const LOGIN: &str = "Basic YWxpY2U6c2VjcmV0";

fn result(miner: &Miner, method: &str, parameters: &Value) -> Value {
    match method {
        "getblockchaininfo" => json!({"chain": "regtest", "blocks": miner.height()}),
        "getblockhash" => {
            let height = parameters[0].as_u64().unwrap() as u32;
            miner.hash(height).to_string().into()
        }
        "getblockheader" => {
            assert_eq!(parameters[1], json!(false));
            let hash = parameters[0].as_str().unwrap();
            let mut headers = miner.headers.iter();
            let header = headers.find(|header| header.block_hash().to_string() == hash);
            serialize_hex(header.unwrap()).into()
        }
        _ => panic!("{method}"),
    }
}

/// An honest node, which answers batches backwards since it may.
fn answer(miner: &Miner, asked: &Question) -> Answer {
    if asked.authorization.as_deref() != Some(LOGIN) {
        return (401, Vec::new());
    }
    let calls: Vec<Value> = serde_json::from_slice(&asked.body).unwrap();
    let replies = calls.iter().rev().map(|call| {
        let result = result(miner, call["method"].as_str().unwrap(), &call["params"]);
        json!({"jsonrpc": "2.0", "id": call["id"], "result": result})
    });
    (
        200,
        serde_json::to_vec(&replies.collect::<Vec<_>>()).unwrap(),
    )
}

async fn server(change: impl Fn(Answer) -> Answer + Send + Sync + 'static) -> (Arc<Miner>, Server) {
    let miner = Arc::new(Miner::regtest(57));
    let chain = Arc::clone(&miner);
    let server = Server::start(move |asked| change(answer(&chain, asked))).await;
    (miner, server)
}

#[tokio::test]
async fn headers_come_in_two_batches() {
    let (miner, server) = server(|answer| answer).await;
    let address = format!("http://alice:secret@{}", server.address);
    let node = NodeRpc::new(&address, None).unwrap();
    check_serves(&node, &miner).await;
    let before = server.asked();
    ask(&node, &miner, 57).await.unwrap();
    assert_eq!(
        server.asked() - before,
        3,
        "the height, the hashes, the headers"
    );
}

#[tokio::test]
async fn the_cookie_of_a_node_is_followed_when_it_changes() {
    let (miner, server) = server(|answer| answer).await;
    let folder = tempfile::tempdir().unwrap();
    let cookie = folder.path().join(".cookie");
    let auth = Some(RpcAuth::File(cookie.clone()));
    let node = NodeRpc::new(&format!("http://{}", server.address), auth).unwrap();
    fs::write(&cookie, "alice:wrong").unwrap();
    let error = node.tip_height().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not accept the user or the password"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("wrong"));
    fs::write(&cookie, "alice:secret\n").unwrap();
    check_serves(&node, &miner).await;
}

/// What the client says to a node that answers every question about blocks like this.
async fn check_refuses(change: fn(Vec<u8>) -> Answer, why: &str) {
    let (miner, server) =
        server(
            move |(status, body)| match String::from_utf8_lossy(&body).contains("blocks") {
                true => (status, body),
                false => change(body),
            },
        )
        .await;
    let address = format!("http://alice:secret@{}", server.address);
    let error = ask(&NodeRpc::new(&address, None).unwrap(), &miner, 5)
        .await
        .unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn lies_and_nonsense_are_refused() {
    check_refuses(|_| (200, b"{}".to_vec()), "not what a Bitcoin node answers").await;
    check_refuses(|_| (200, b"[]".to_vec()), "left getblockhash unanswered").await;
    check_refuses(|_| (200, vec![b' '; 1_000_000]), "longer than").await;
    check_refuses(|_| (500, Vec::new()), "500").await;
    let complaint = |_| {
        (
            200,
            br#"[{"id":0,"error":{"code":-8,"message":"no\u0007pe"}}]"#.to_vec(),
        )
    };
    check_refuses(complaint, "getblockhash: nope (-8)").await;
    // Hashes stay as they are, but headers don't fit them.
    let other_header = |body: Vec<u8>| {
        let text = String::from_utf8(body).unwrap();
        (200, text.replace("ffff7f20", "ffff7f1f").into_bytes())
    };
    check_refuses(other_header, "not the one asked for").await;
}
