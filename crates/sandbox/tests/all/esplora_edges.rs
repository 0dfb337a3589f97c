//! The edges of the Esplora API: fees, refusals, nonsense, other encodings, and its absence.

use bitcoin::consensus::encode::{deserialize, serialize_hex};
use sandbox::bitcoin;

use crate::esplora::setup;
use crate::support::coin_of;

#[tokio::test]
async fn fees_are_what_the_test_says() {
    let (sandbox, client, _) = setup();
    sandbox.set_fee_estimate_sat_per_vb(12.5);
    let estimates = client.get_fee_estimates().await.unwrap();
    for target in [1, 2, 6, 12, 24, 25, 144, 504, 1008] {
        assert_eq!(estimates[&target], 12.5);
    }
}

#[tokio::test]
async fn a_refused_transaction_says_why() {
    let (sandbox, client, purse) = setup();
    let coin = purse.funded(&sandbox, 1_000_000);
    let mut tx = purse.spend(&[&coin], 500);
    tx.output[0].value -= bitcoin::Amount::from_sat(1);
    let error = client.broadcast(&tx).await.unwrap_err();
    let esplora_client::Error::HttpResponse { status, message } = error else {
        panic!("{error}");
    };
    assert_eq!(status, 400);
    assert!(message.starts_with("sendrawtransaction RPC error -26: mandatory-script"));
    assert_eq!(
        coin_of(&sandbox, &coin.outpoint.txid, &purse.script()).outpoint,
        coin.outpoint
    );
}

#[tokio::test]
async fn nonsense_is_answered_with_a_reason() {
    let (sandbox, _, _) = setup();
    let zeros = "0".repeat(64);
    let cases = [
        ("/nowhere".to_owned(), 404, "endpoint does not exist"),
        ("/tx/xyz".into(), 400, "Invalid hex string"),
        (format!("/tx/{zeros}"), 404, "Transaction not found"),
        (
            format!("/tx/{zeros}/outspend/x"),
            400,
            "Invalid output index",
        ),
        (
            format!("/tx/{zeros}/merkle-proof"),
            404,
            "Transaction not found or is unconfirmed",
        ),
        ("/block/12".into(), 400, "Invalid hex string"),
        (format!("/block/{zeros}/raw"), 404, "Block not found"),
        ("/block-height/102".into(), 404, "Block not found"),
        ("/block-height/-1".into(), 400, "Invalid height"),
        ("/scripthash/ab/txs".into(), 400, "Invalid hex string"),
        (
            "/address/bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4/txs".into(),
            400,
            "Address on invalid network",
        ),
        ("/address/me/utxo".into(), 400, "Invalid Bitcoin address"),
    ];
    for (path, status, reason) in cases {
        let response = reqwest::get(format!("{}{path}", sandbox.url()))
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
        assert_eq!(response.text().await.unwrap(), reason, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_is_no_transaction_is_refused() {
    let (sandbox, _, _) = setup();
    let post = |body: String| {
        let url = format!("{}/tx", sandbox.url());
        async move {
            reqwest::Client::new()
                .post(url)
                .body(body)
                .send()
                .await
                .unwrap()
                .status()
        }
    };
    assert_eq!(post("zz".into()).await, 400);
    assert_eq!(post("00".into()).await, 400);
    assert_eq!(post("0".repeat(3_000_000)).await, 413);
}

#[tokio::test]
async fn raw_and_hex_agree() {
    let (sandbox, _, purse) = setup();
    let txid = sandbox.fund(purse.address(), 50_000).unwrap();
    let tx = sandbox.transaction(&txid).unwrap();
    let url = format!("{}/tx/{txid}", sandbox.url());
    let hex = reqwest::get(format!("{url}/hex"))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(hex, serialize_hex(&tx));
    let raw = reqwest::get(format!("{url}/raw"))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(deserialize::<bitcoin::Transaction>(&raw).unwrap(), tx);
    let json: serde_json::Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    let output = &json["vout"][0];
    assert_eq!(output["scriptpubkey_type"], "v0_p2wpkh");
    assert_eq!(output["scriptpubkey_address"], purse.address().to_string());
    assert_eq!(json["vin"][0]["is_coinbase"], false);
    assert_eq!(json["status"], serde_json::json!({"confirmed": false}));
}

#[tokio::test]
async fn a_paused_api_fails_and_comes_back() {
    let (sandbox, client, _) = setup();
    sandbox.pause_api(true);
    let error = client.get_height().await.unwrap_err();
    assert!(
        matches!(
            error,
            esplora_client::Error::HttpResponse { status: 502, .. }
        ),
        "{error}"
    );
    sandbox.mine(1).unwrap();
    sandbox.pause_api(false);
    assert_eq!(client.get_height().await.unwrap(), 102);
}
