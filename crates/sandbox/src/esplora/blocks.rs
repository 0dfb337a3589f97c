//! `/block…`: blocks by hash and height, their headers, status and transactions.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use bitcoin::BlockHash;
use bitcoin::consensus::encode::{serialize, serialize_hex};

use super::shapes::{BlockShape, BlockStatusShape, TransactionShape};
use super::{Answer, PAGE_TRANSACTIONS, Refusal, parse};
use crate::index::Record;
use crate::server::Shared;
use crate::world::World;

/// How many blocks a page has.
const PAGE_BLOCKS: u32 = 10;

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/blocks/tip/height", get(tip_height))
        .route("/blocks/tip/hash", get(tip_hash))
        .route("/blocks", get(newest))
        .route("/blocks/{start}", get(from_height))
        .route("/block-height/{height}", get(hash_at))
        .route("/block/{hash}", get(info))
        .route("/block/{hash}/header", get(header))
        .route("/block/{hash}/raw", get(raw))
        .route("/block/{hash}/status", get(status))
        .route("/block/{hash}/txid/{index}", get(txid_at))
        .route("/block/{hash}/txids", get(txids))
        .route("/block/{hash}/txs", get(first_transactions))
        .route("/block/{hash}/txs/{start}", get(transactions))
}

async fn tip_height(State(shared): State<Shared>) -> String {
    shared.world().index.tip_height().to_string()
}

async fn tip_hash(State(shared): State<Shared>) -> String {
    shared.world().index.tip_hash().to_string()
}

async fn newest(State(shared): State<Shared>) -> Json<Vec<BlockShape>> {
    let world = shared.world();
    Json(page(&world, world.index.tip_height()))
}

async fn from_height(
    State(shared): State<Shared>,
    Path(start): Path<String>,
) -> Answer<Json<Vec<BlockShape>>> {
    let world = shared.world();
    let start: u32 = parse(&start, "height")?;
    Ok(Json(page(&world, start.min(world.index.tip_height()))))
}

/// Blocks from a height downwards.
fn page(world: &World, start: u32) -> Vec<BlockShape> {
    let heights = (0..=start).rev().take(PAGE_BLOCKS as usize);
    let records = heights.filter_map(|height| world.index.block_at(height));
    records
        .map(|record| BlockShape::new(world, &record))
        .collect()
}

async fn hash_at(State(shared): State<Shared>, Path(height): Path<String>) -> Answer<String> {
    let hash = shared.world().index.hash_at(parse(&height, "height")?);
    let hash = hash.ok_or_else(|| Refusal::missing("Block not found"))?;
    Ok(hash.to_string())
}

fn find(world: &World, hash: &str) -> Answer<Arc<Record>> {
    let hash: BlockHash = parse(hash, "hex string")?;
    let record = world.index.block(&hash);
    record.ok_or_else(|| Refusal::missing("Block not found"))
}

async fn info(State(shared): State<Shared>, Path(hash): Path<String>) -> Answer<Json<BlockShape>> {
    let world = shared.world();
    let record = find(&world, &hash)?;
    Ok(Json(BlockShape::new(&world, &record)))
}

async fn header(State(shared): State<Shared>, Path(hash): Path<String>) -> Answer<String> {
    let record = find(&shared.world(), &hash)?;
    Ok(serialize_hex(&record.block.header))
}

async fn raw(State(shared): State<Shared>, Path(hash): Path<String>) -> Answer<Vec<u8>> {
    let record = find(&shared.world(), &hash)?;
    Ok(serialize(&record.block))
}

async fn status(
    State(shared): State<Shared>,
    Path(hash): Path<String>,
) -> Answer<Json<BlockStatusShape>> {
    let world = shared.world();
    let record = find(&world, &hash)?;
    Ok(Json(BlockStatusShape::new(&world, &record)))
}

async fn txid_at(
    State(shared): State<Shared>,
    Path((hash, index)): Path<(String, String)>,
) -> Answer<String> {
    let record = find(&shared.world(), &hash)?;
    let index: usize = parse(&index, "index")?;
    let txid = record.txids.get(index);
    let txid = txid.ok_or_else(|| Refusal::missing("tx index out of range"))?;
    Ok(txid.to_string())
}

async fn txids(
    State(shared): State<Shared>,
    Path(hash): Path<String>,
) -> Answer<Json<Vec<String>>> {
    let record = find(&shared.world(), &hash)?;
    Ok(Json(record.txids.iter().map(ToString::to_string).collect()))
}

async fn first_transactions(
    State(shared): State<Shared>,
    Path(hash): Path<String>,
) -> Answer<Json<Vec<TransactionShape>>> {
    transactions_from(&shared.world(), &hash, 0)
}

async fn transactions(
    State(shared): State<Shared>,
    Path((hash, start)): Path<(String, String)>,
) -> Answer<Json<Vec<TransactionShape>>> {
    let start = parse(&start, "start index")?;
    if start % PAGE_TRANSACTIONS != 0 {
        return Err(Refusal::bad(format!(
            "start index must be a multiple of {PAGE_TRANSACTIONS}"
        )));
    }
    transactions_from(&shared.world(), &hash, start)
}

fn transactions_from(
    world: &World,
    hash: &str,
    start: usize,
) -> Answer<Json<Vec<TransactionShape>>> {
    let record = find(world, hash)?;
    if start >= record.txids.len() {
        return Err(Refusal::missing("start index out of range"));
    }
    let page = record
        .block
        .txdata
        .iter()
        .skip(start)
        .take(PAGE_TRANSACTIONS);
    Ok(Json(
        page.map(|tx| TransactionShape::new(world, tx)).collect(),
    ))
}
