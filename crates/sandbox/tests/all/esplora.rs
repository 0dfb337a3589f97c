//! The Esplora API, as the client of BDK and ldk-node reads it.

use crate::support::Purse;
use bitcoin::hashes::{Hash as _, sha256d};
use esplora_client::{AsyncClient, Builder};
use sandbox::{Sandbox, bitcoin};

pub fn setup() -> (Sandbox, AsyncClient, Purse) {
    let sandbox = Sandbox::start().unwrap();
    let client = Builder::new(&sandbox.url()).build_async().unwrap();
    (sandbox, client, Purse::new(9))
}

#[tokio::test]
async fn blocks_are_read() {
    let (sandbox, client, _) = setup();
    sandbox.mine(1).unwrap();
    let tip = sandbox.tip();
    assert_eq!(client.get_height().await.unwrap(), 102);
    assert_eq!(client.get_tip_hash().await.unwrap(), tip.hash);
    assert_eq!(client.get_block_hash(102).await.unwrap(), tip.hash);
    let header = client.get_header_by_hash(&tip.hash).await.unwrap();
    assert_eq!(header, sandbox.header(102).unwrap());
    let block = client.get_block_by_hash(&tip.hash).await.unwrap().unwrap();
    assert_eq!(block, sandbox.block(102).unwrap());
    let info = client.get_block_info(&tip.hash).await.unwrap();
    assert_eq!((info.height, info.tx_count), (102, 1));
    assert_eq!(info.previousblockhash, Some(header.prev_blockhash));
    assert_eq!(info.weight, block.weight().to_wu());
    let status = client
        .get_block_status(&header.prev_blockhash)
        .await
        .unwrap();
    assert!(status.in_best_chain);
    assert_eq!(
        (status.height, status.next_best),
        (Some(101), Some(tip.hash))
    );
    let newest = client.get_block_infos(None).await.unwrap();
    let heights: Vec<_> = newest.iter().map(|block| block.height).collect();
    assert_eq!(heights, (93..=102).rev().collect::<Vec<_>>());
    let oldest = client.get_block_infos(Some(3)).await.unwrap();
    assert_eq!(oldest.len(), 4);
    assert_eq!(oldest[3].previousblockhash, None);
    let txids = client.get_block_txids(&tip.hash).await.unwrap();
    let first = client.get_txid_at_block_index(&tip.hash, 0).await.unwrap();
    assert_eq!(first, Some(txids[0]));
    let none = client.get_txid_at_block_index(&tip.hash, 1).await.unwrap();
    assert_eq!(none, None);
    assert_eq!(
        client.get_block_txs(&tip.hash, None).await.unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_payment_is_followed_from_mempool_to_block() {
    let (sandbox, client, purse) = setup();
    let coin = purse.funded(&sandbox, 1_000_000);
    sandbox.mine(1).unwrap();
    let tx = purse.spend(&[&coin], 1_234);
    let txid = tx.compute_txid();
    assert!(!client.get_tx_status(&txid).await.unwrap().confirmed);
    assert_eq!(client.get_tx(&txid).await.unwrap(), None);
    client.broadcast(&tx).await.unwrap();
    assert_eq!(client.get_tx(&txid).await.unwrap().unwrap(), tx);
    let info = client.get_tx_info(&txid).await.unwrap().unwrap();
    assert_eq!((info.to_tx(), info.fee), (tx.clone(), 1_234));
    assert_eq!(info.previous_outputs(), [Some(coin.output.clone())]);
    assert!(!info.status.confirmed);
    assert_eq!(client.get_merkle_proof(&txid).await.unwrap(), None);
    assert_eq!(client.get_mempool_txids().await.unwrap(), [txid]);
    let mempool = client.get_mempool_stats().await.unwrap();
    assert_eq!((mempool.count, mempool.total_fee), (1, 1_234));
    assert_eq!(client.get_mempool_recent_txs().await.unwrap()[0].txid, txid);

    let outpoint = coin.outpoint;
    let vout = u64::from(outpoint.vout);
    let spent = client
        .get_output_status(&outpoint.txid, vout)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (spent.spent, spent.txid, spent.vin),
        (true, Some(txid), Some(0))
    );
    assert!(!spent.status.unwrap().confirmed);
    let all = client.get_tx_outspends(&outpoint.txid).await.unwrap();
    assert_eq!(all.iter().filter(|one| one.spent).count(), 1);

    let hash = sandbox.mine(1).unwrap()[0];
    let status = client.get_tx_status(&txid).await.unwrap();
    assert_eq!(
        (status.block_height, status.block_hash),
        (Some(103), Some(hash))
    );
    let header = sandbox.header(103).unwrap();
    assert_eq!(status.block_time, Some(u64::from(header.time)));
}

#[tokio::test]
async fn merkle_proofs_lead_to_the_header() {
    let (sandbox, client, purse) = setup();
    // With the coinbase that makes 7, so two levels of the tree are odd.
    let mut txids: Vec<_> = (0..6)
        .map(|_| sandbox.fund(purse.address(), 50_000).unwrap())
        .collect();
    sandbox.mine(1).unwrap();
    let block = sandbox.block(102).unwrap();
    txids.push(block.txdata[0].compute_txid());
    for txid in txids {
        let proof = client.get_merkle_proof(&txid).await.unwrap().unwrap();
        assert_eq!(proof.block_height, 102);
        let mut node = txid.to_raw_hash();
        for (level, sibling) in proof.merkle.iter().enumerate() {
            let (node_bytes, sibling) = (node.to_byte_array(), sibling.to_byte_array());
            let pair = if proof.pos >> level & 1 == 0 {
                [node_bytes, sibling]
            } else {
                [sibling, node_bytes]
            };
            node = sha256d::Hash::hash(&pair.concat());
        }
        assert_eq!(node, block.header.merkle_root.to_raw_hash());

        let proof = client.get_merkle_block(&txid).await.unwrap().unwrap();
        let (mut matches, mut positions) = (Vec::new(), Vec::new());
        proof.extract_matches(&mut matches, &mut positions).unwrap();
        assert_eq!(matches, [txid]);
        assert_eq!(proof.header, block.header);
    }
}

#[tokio::test]
async fn a_script_is_followed() {
    let (sandbox, client, purse) = setup();
    let script = purse.script();
    let coin = purse.funded(&sandbox, 1_000_000);
    sandbox.mine(1).unwrap();
    let spend = sandbox.submit(purse.spend(&[&coin], 1_000)).unwrap();
    let txs = client.scripthash_txs(&script, None).await.unwrap();
    let txids: Vec<_> = txs.iter().map(|tx| tx.txid).collect();
    assert_eq!(txids, [spend, coin.outpoint.txid]);
    let waiting = client.get_mempool_scripthash_txs(&script).await.unwrap();
    assert_eq!(waiting.len(), 1);
    let waiting = client
        .get_mempool_address_txs(&purse.address())
        .await
        .unwrap();
    assert_eq!(waiting[0].txid, spend);
    let stats = client.get_scripthash_stats(&script).await.unwrap();
    assert_eq!(stats.chain_stats.funded_txo_sum, 1_000_000);
    assert_eq!(stats.mempool_stats.spent_txo_sum, 1_000_000);
    let stats = client.get_address_stats(&purse.address()).await.unwrap();
    assert_eq!(stats.address, purse.address().to_string());
    assert_eq!(stats.mempool_stats.funded_txo_sum, 999_000);
    let coins = client.get_scripthash_utxos(&script).await.unwrap();
    assert_eq!(
        (coins.len(), coins[0].txid, coins[0].value.to_sat()),
        (1, spend, 999_000)
    );
    let coins = client.get_address_utxos(&purse.address()).await.unwrap();
    assert!(!coins[0].status.confirmed);
    let unknown = Purse::new(10).script();
    assert!(
        client
            .scripthash_txs(&unknown, None)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn long_histories_come_in_pages() {
    let (sandbox, client, purse) = setup();
    for _ in 0..60 {
        sandbox.fund(purse.address(), 10_000).unwrap();
    }
    sandbox.mine(1).unwrap();
    let script = purse.script();
    let mut seen = std::collections::HashSet::new();
    let mut sizes = Vec::new();
    let mut last = None;
    loop {
        let page = client.scripthash_txs(&script, last).await.unwrap();
        sizes.push(page.len());
        seen.extend(page.iter().map(|tx| tx.txid));
        match page.last() {
            Some(tx) => last = Some(tx.txid),
            None => break,
        }
    }
    assert_eq!(sizes, [25, 25, 10, 0]);
    assert_eq!(seen.len(), 60);
    let hash = sandbox.tip().hash;
    assert_eq!(
        client.get_block_txs(&hash, Some(50)).await.unwrap().len(),
        11
    );
}

#[tokio::test]
async fn a_reorg_is_seen() {
    let (sandbox, client, purse) = setup();
    let coin = purse.funded(&sandbox, 1_000_000);
    let abandoned = sandbox.mine(6).unwrap();
    sandbox.reorg(6).unwrap();
    let status = client.get_block_status(&abandoned[0]).await.unwrap();
    assert_eq!((status.in_best_chain, status.height), (false, None));
    let old = client.get_block_by_hash(&abandoned[0]).await.unwrap();
    assert_eq!(old.unwrap().block_hash(), abandoned[0]);
    let tx = client
        .get_tx_info(&coin.outpoint.txid)
        .await
        .unwrap()
        .unwrap();
    assert!(!tx.status.confirmed);
    let txs = client.scripthash_txs(&purse.script(), None).await.unwrap();
    assert_eq!(txs.len(), 1);
    assert_eq!(client.get_merkle_block(&tx.txid).await.unwrap(), None);
    assert_eq!(client.get_height().await.unwrap(), 108);
}
