//! The little of Bitcoin Core's JSON-RPC that the sandbox speaks.

use crate::support::Purse;
use bitcoin::block::Header;
use bitcoin::consensus::encode::{deserialize_hex, serialize_hex};
use sandbox::{Sandbox, bitcoin};
use serde_json::{Value, json};

/// The result of a call, or the code of its error.
async fn call(sandbox: &Sandbox, method: &str, params: Value) -> Result<Value, i64> {
    let body = json!({"jsonrpc": "1.0", "id": 7, "method": method, "params": params});
    let request = reqwest::Client::new().post(sandbox.url());
    let request = request.basic_auth("anyone", Some("anything"));
    let reply: Value = request
        .body(body.to_string())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(reply["id"], 7);
    match reply["error"]["code"].as_i64() {
        Some(code) => Err(code),
        None => Ok(reply["result"].clone()),
    }
}

#[tokio::test]
async fn headers_are_read() {
    let sandbox = Sandbox::start().unwrap();
    sandbox.mine(1).unwrap();
    let tip = sandbox.tip();
    let info = call(&sandbox, "getblockchaininfo", json!([]))
        .await
        .unwrap();
    assert_eq!(info["chain"], "regtest");
    assert_eq!(info["blocks"], 102);
    assert_eq!(info["bestblockhash"], tip.hash.to_string());
    assert_eq!(
        call(&sandbox, "getblockcount", json!([])).await,
        Ok(json!(102))
    );
    let hash = call(&sandbox, "getblockhash", json!([102])).await.unwrap();
    assert_eq!(hash, tip.hash.to_string());
    let raw = call(&sandbox, "getblockheader", json!([hash, false]))
        .await
        .unwrap();
    let header: Header = deserialize_hex(raw.as_str().unwrap()).unwrap();
    assert_eq!(header, sandbox.header(102).unwrap());
    let shown = call(&sandbox, "getblockheader", json!([hash]))
        .await
        .unwrap();
    assert_eq!(shown["merkleroot"], header.merkle_root.to_string());
    assert_eq!(
        (&shown["height"], &shown["confirmations"]),
        (&json!(102), &json!(1))
    );
    // Bitcoin Core's number for 103 blocks of regtest: each is 2.
    assert_eq!(shown["chainwork"], format!("{:064x}", 206));
    let block = call(&sandbox, "getblock", json!([hash, 0])).await.unwrap();
    assert_eq!(block, serialize_hex(&sandbox.block(102).unwrap()));
}

#[tokio::test]
async fn transactions_are_sent() {
    let sandbox = Sandbox::start().unwrap();
    let purse = Purse::new(3);
    let coin = purse.funded(&sandbox, 1_000_000);
    let tx = purse.spend(&[&coin], 500);
    let params = json!([serialize_hex(&tx)]);
    let txid = call(&sandbox, "sendrawtransaction", params.clone())
        .await
        .unwrap();
    assert_eq!(txid, tx.compute_txid().to_string());
    assert_eq!(call(&sandbox, "sendrawtransaction", params).await, Err(-26));
    assert_eq!(
        call(&sandbox, "sendrawtransaction", json!(["zz"])).await,
        Err(-22)
    );
}

#[tokio::test]
async fn a_wallet_can_follow_blocks_and_what_waits() {
    let sandbox = Sandbox::start().unwrap();
    sandbox.set_fee_estimate_sat_per_vb(12.5);
    let purse = Purse::new(4);
    let coin = purse.funded(&sandbox, 1_000_000);
    let tx = purse.spend(&[&coin], 500);
    let txid = sandbox.submit(tx.clone()).unwrap().to_string();
    let waiting = call(&sandbox, "getrawmempool", json!([])).await.unwrap();
    // After the payment that it spends.
    assert_eq!(waiting.as_array().unwrap().len(), 2);
    assert_eq!(waiting[1], txid);
    let raw = call(&sandbox, "getrawtransaction", json!([txid, false])).await;
    assert_eq!(raw, Ok(json!(serialize_hex(&tx))));
    let fee = call(&sandbox, "estimatesmartfee", json!([6]))
        .await
        .unwrap();
    assert_eq!(fee, json!({"feerate": 0.000_125, "blocks": 6}));

    sandbox.mine(1).unwrap();
    let best = call(&sandbox, "getbestblockhash", json!([])).await.unwrap();
    let block = call(&sandbox, "getblock", json!([best, 1])).await.unwrap();
    assert_eq!(block["height"], sandbox.tip().height);
    assert_eq!((&block["tx"][2], &block["nTx"]), (&json!(txid), &json!(3)));
    // It waits no longer, and there is no index of what is in blocks.
    let gone = call(&sandbox, "getrawtransaction", json!([txid])).await;
    assert_eq!(gone, Err(-5));
}

#[tokio::test]
async fn mistakes_have_bitcoin_cores_codes() {
    let sandbox = Sandbox::start().unwrap();
    assert_eq!(call(&sandbox, "getblockhash", json!([102])).await, Err(-8));
    assert_eq!(call(&sandbox, "getblockhash", json!([])).await, Err(-3));
    let unknown = json!(["0".repeat(64)]);
    assert_eq!(call(&sandbox, "getblockheader", unknown).await, Err(-5));
    assert_eq!(call(&sandbox, "stop", json!([])).await, Err(-32601));
    let url = sandbox.url();
    let reply = reqwest::Client::new()
        .post(url)
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(reply.status(), 400);
}

#[tokio::test]
async fn a_batch_is_answered_call_by_call() {
    let sandbox = Sandbox::start().unwrap();
    let batch = json!([
        {"id": 1, "method": "getblockcount"},
        {"id": 2, "method": "getblockhash", "params": [1_000]},
        "no call",
        {"id": 4, "method": "getblockhash", "params": [0]},
    ]);
    let request = reqwest::Client::new()
        .post(sandbox.url())
        .body(batch.to_string());
    let reply = request.send().await.unwrap();
    assert_eq!(reply.status(), 200);
    let replies: Value = reply.json().await.unwrap();
    let ids: Vec<&Value> = replies
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["id"])
        .collect();
    assert_eq!(ids, [&json!(1), &json!(2), &json!(null), &json!(4)]);
    assert_eq!(replies[0]["result"], 101);
    assert_eq!(replies[1]["error"]["code"], -8);
    assert_eq!(replies[2]["error"]["code"], -32600);
    assert!(replies[3]["result"].is_string());
}
