//! `/tx…`: transactions, where they are, who spent them, and proof that a block has them.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use bitcoin::consensus::encode::{deserialize, serialize, serialize_hex};
use bitcoin::hashes::{Hash as _, sha256d};
use bitcoin::{MerkleBlock, OutPoint, Transaction, Txid};

use super::shapes::{MerkleProofShape, SpendShape, StatusShape, TransactionShape};
use super::{Answer, Refusal, parse};
use crate::index::Place;
use crate::server::Shared;
use crate::world::World;

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/tx", post(broadcast))
        .route("/tx/{txid}", get(info))
        .route("/tx/{txid}/status", get(status))
        .route("/tx/{txid}/raw", get(raw))
        .route("/tx/{txid}/hex", get(in_hex))
        .route("/tx/{txid}/merkle-proof", get(merkle_proof))
        .route("/tx/{txid}/merkleblock-proof", get(merkle_block))
        .route("/tx/{txid}/outspend/{vout}", get(outspend))
        .route("/tx/{txid}/outspends", get(outspends))
}

async fn broadcast(State(shared): State<Shared>, body: String) -> Answer<String> {
    let raw = hex::decode(body.trim());
    let raw = raw.map_err(|_| Refusal::bad("Invalid hex string"))?;
    let tx = deserialize(&raw);
    let tx = tx.map_err(|why| Refusal::bad(format!("Transaction decode failed: {why}")))?;
    let refuse = |reject: crate::Reject| {
        let (code, name) = (reject.rpc_code(), reject.code());
        Refusal(
            StatusCode::BAD_REQUEST,
            format!("sendrawtransaction RPC error {code}: {name}, {reject}"),
        )
    };
    let txid = shared.world().submit(tx).map_err(refuse)?;
    Ok(txid.to_string())
}

fn find<'a>(world: &'a World, txid: &str) -> Answer<&'a Transaction> {
    let txid: Txid = parse(txid, "hex string")?;
    let tx = world.transaction(&txid);
    tx.ok_or_else(|| Refusal::missing("Transaction not found"))
}

async fn info(
    State(shared): State<Shared>,
    Path(txid): Path<String>,
) -> Answer<Json<TransactionShape>> {
    let world = shared.world();
    let tx = find(&world, &txid)?;
    Ok(Json(TransactionShape::new(&world, tx)))
}

/// What isn't known counts as unconfirmed here, as it does for electrs.
async fn status(
    State(shared): State<Shared>,
    Path(txid): Path<String>,
) -> Answer<Json<StatusShape>> {
    let txid = parse(&txid, "hex string")?;
    Ok(Json(StatusShape::new(&shared.world(), &txid)))
}

async fn raw(State(shared): State<Shared>, Path(txid): Path<String>) -> Answer<Vec<u8>> {
    Ok(serialize(find(&shared.world(), &txid)?))
}

async fn in_hex(State(shared): State<Shared>, Path(txid): Path<String>) -> Answer<String> {
    Ok(serialize_hex(find(&shared.world(), &txid)?))
}

fn place(world: &World, txid: &Txid) -> Answer<Place> {
    let place = world.index.place(txid);
    place.ok_or_else(|| Refusal::missing("Transaction not found or is unconfirmed"))
}

async fn merkle_proof(
    State(shared): State<Shared>,
    Path(txid): Path<String>,
) -> Answer<Json<MerkleProofShape>> {
    let world = shared.world();
    let place = place(&world, &parse(&txid, "hex string")?)?;
    let record = world.index.block(&place.block_hash);
    let leaves = record.map_or_else(Vec::new, |record| {
        record.txids.iter().map(|txid| txid.to_raw_hash()).collect()
    });
    let path = merkle_path(leaves, place.position);
    Ok(Json(MerkleProofShape {
        block_height: place.height,
        merkle: path.iter().map(ToString::to_string).collect(),
        pos: place.position,
    }))
}

/// The siblings from a leaf up to the root. Where a level is odd, its last node stands beside itself.
fn merkle_path(mut level: Vec<sha256d::Hash>, mut position: usize) -> Vec<sha256d::Hash> {
    let mut path = Vec::new();
    while level.len() > 1 {
        let sibling = level.get(position ^ 1).or(level.last());
        path.extend(sibling);
        level = level
            .chunks(2)
            .map(|pair| {
                let (left, right) = (pair[0], pair[pair.len() - 1]);
                let both = [left.to_byte_array(), right.to_byte_array()].concat();
                sha256d::Hash::hash(&both)
            })
            .collect();
        position /= 2;
    }
    path
}

async fn merkle_block(State(shared): State<Shared>, Path(txid): Path<String>) -> Answer<String> {
    let world = shared.world();
    let txid = parse(&txid, "hex string")?;
    let place = place(&world, &txid)?;
    let record = world.index.block(&place.block_hash);
    let record = record.ok_or_else(|| Refusal::missing("Block not found"))?;
    let proof = MerkleBlock::from_block_with_predicate(&record.block, |one| *one == txid);
    Ok(serialize_hex(&proof))
}

async fn outspend(
    State(shared): State<Shared>,
    Path((txid, vout)): Path<(String, String)>,
) -> Answer<Json<SpendShape>> {
    let txid = parse(&txid, "hex string")?;
    let vout = parse(&vout, "output index")?;
    let outpoint = OutPoint { txid, vout };
    Ok(Json(SpendShape::new(&shared.world(), &outpoint)))
}

async fn outspends(
    State(shared): State<Shared>,
    Path(txid): Path<String>,
) -> Answer<Json<Vec<SpendShape>>> {
    let world = shared.world();
    let tx = find(&world, &txid)?;
    let txid = tx.compute_txid();
    let outpoints = (0..)
        .zip(&tx.output)
        .map(|(vout, _)| OutPoint { txid, vout });
    Ok(Json(
        outpoints.map(|o| SpendShape::new(&world, &o)).collect(),
    ))
}
