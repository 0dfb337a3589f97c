//! The few methods of Bitcoin Core's JSON-RPC with which headers and blocks are read, and wallets without a server
//! of their own follow the chain and send transactions.
//!
//! Three methods of its own play what the world does: `sandbox_mine`, `sandbox_reorg` and `sandbox_fund`.
//!
//! Any user and password are welcome. A request is one call or a batch of them; errors come with Bitcoin Core's codes.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use bitcoin::consensus::encode::{deserialize, serialize_hex};
use bitcoin::{Address, Amount, BlockHash, Network, Txid, Work};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::Error;
use crate::index::Record;
use crate::mempool::{Entry, RELAY_FEE_MIN_SAT_PER_VB};
use crate::server::Shared;
use crate::world::World;

/// As many as are mined or abandoned in one go.
const BLOCKS_MAX: u32 = 1_000;

/// Bitcoin Core speaks of bitcoin for a thousand virtual bytes.
const SAT_PER_VB_IN_BTC_PER_KVB: f64 = 1.0e-5;

const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMETER: i32 = -8;
const INVALID_TYPE: i32 = -3;
const NOT_FOUND: i32 = -5;
const UNREADABLE: i32 = -22;

#[derive(Deserialize)]
struct Call {
    #[serde(default)]
    id: Value,
    method: String,
    #[serde(default)]
    params: Vec<Value>,
}

/// A code and what it is about.
type Fault = (i32, String);

/// `POST /`. The body is read as JSON whatever its type is said to be, as Bitcoin Core does.
pub(crate) async fn answer(State(shared): State<Shared>, body: Bytes) -> (StatusCode, Json<Value>) {
    match serde_json::from_slice(&body) {
        Ok(Value::Array(calls)) => {
            let replies = calls.into_iter().map(|call| answer_one(&shared, call).1.0);
            // Whatever its calls come to.
            (StatusCode::OK, Json(replies.collect()))
        }
        Ok(call) => answer_one(&shared, call),
        Err(why) => not_a_call(&why),
    }
}

fn answer_one(shared: &Shared, call: Value) -> (StatusCode, Json<Value>) {
    match Call::deserialize(call) {
        Ok(Call { id, method, params }) => {
            let result = dispatch(&mut shared.world(), &method, &params);
            reply(id, result)
        }
        Err(why) => not_a_call(&why),
    }
}

fn not_a_call(why: &serde_json::Error) -> (StatusCode, Json<Value>) {
    let fault = (INVALID_REQUEST, format!("not a call: {why}"));
    reply(Value::Null, Err(fault))
}

fn reply(id: Value, result: Result<Value, Fault>) -> (StatusCode, Json<Value>) {
    match result {
        Ok(result) => {
            let body = json!({"result": result, "error": null, "id": id});
            (StatusCode::OK, Json(body))
        }
        Err((code, message)) => {
            let error = json!({"code": code, "message": message});
            let status = match code {
                METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
                INVALID_REQUEST => StatusCode::BAD_REQUEST,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            (
                status,
                Json(json!({"result": null, "error": error, "id": id})),
            )
        }
    }
}

fn dispatch(world: &mut World, method: &str, params: &[Value]) -> Result<Value, Fault> {
    match method {
        "getblockchaininfo" => chain_info(world),
        "getbestblockhash" => Ok(json!(world.index.tip_hash().to_string())),
        "getblockcount" => Ok(json!(world.index.tip_height())),
        "getblockhash" => block_hash(world, params),
        "getblockheader" => block_header(world, params),
        "getblock" => block(world, params),
        "getmempoolinfo" => Ok(mempool_info(world)),
        "getmempoolentry" => mempool_entry(world, params),
        "getrawmempool" => Ok(mempool(world)),
        "getrawtransaction" => raw_transaction(world, params),
        "estimatesmartfee" => estimate(world, params),
        "sendrawtransaction" => send(world, params),
        "sandbox_mine" => mine(world, params),
        "sandbox_reorg" => reorg(world, params),
        "sandbox_fund" => fund(world, params),
        _ => Err((METHOD_NOT_FOUND, "Method not found".into())),
    }
}

fn chain_info(world: &World) -> Result<Value, Fault> {
    let height = world.index.tip_height();
    let hash = world.index.tip_hash();
    let header = world.index.header_at(height).ok_or_else(not_found)?;
    Ok(json!({
        "chain": "regtest",
        "blocks": height,
        "headers": height,
        "bestblockhash": hash.to_string(),
        "bits": format!("{:08x}", header.bits.to_consensus()),
        "difficulty": header.difficulty_float(),
        "time": header.time,
        "mediantime": world.index.median_time_of(hash),
        "verificationprogress": 1.0,
        "initialblockdownload": false,
        "chainwork": chain_work(header.work(), height),
        "pruned": false,
        "warnings": [],
    }))
}

/// Every block of regtest takes the same work.
fn chain_work(each: Work, height: u32) -> String {
    let each = each.to_be_bytes();
    let (_, low) = each.split_at(16);
    let each = low
        .iter()
        .fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    format!("{:064x}", each * (u128::from(height) + 1))
}

fn block_hash(world: &World, params: &[Value]) -> Result<Value, Fault> {
    let height = params.first().and_then(Value::as_u64);
    let height = height.ok_or_else(|| wrong_type("height"))?;
    let hash = u32::try_from(height)
        .ok()
        .and_then(|h| world.index.hash_at(h));
    let hash = hash.ok_or_else(|| (INVALID_PARAMETER, "Block height out of range".into()))?;
    Ok(json!(hash.to_string()))
}

fn block_header(world: &World, params: &[Value]) -> Result<Value, Fault> {
    let record = record(world, params)?;
    let verbose = params
        .get(1)
        .is_none_or(|verbose| verbose.as_bool() != Some(false));
    match verbose {
        true => Ok(shown_header(world, &record)),
        false => Ok(json!(serialize_hex(&record.block.header))),
    }
}

fn shown_header(world: &World, record: &Record) -> Value {
    let header = &record.block.header;
    let active = world.index.is_active(record);
    let confirmations = if active {
        i64::from(world.index.tip_height()) - i64::from(record.height) + 1
    } else {
        -1
    };
    let next = world.index.hash_at(record.height + 1);
    let mut shown = json!({
        "hash": header.block_hash().to_string(),
        "confirmations": confirmations,
        "height": record.height,
        "version": header.version.to_consensus(),
        "versionHex": format!("{:08x}", header.version.to_consensus()),
        "merkleroot": header.merkle_root.to_string(),
        "time": header.time,
        "mediantime": world.index.median_time_of(header.block_hash()),
        "nonce": header.nonce,
        "bits": format!("{:08x}", header.bits.to_consensus()),
        "difficulty": header.difficulty_float(),
        "chainwork": chain_work(header.work(), record.height),
        "nTx": record.txids.len(),
    });
    if record.height > 0 {
        shown["previousblockhash"] = json!(header.prev_blockhash.to_string());
    }
    if let Some(next) = next.filter(|_| active) {
        shown["nextblockhash"] = json!(next.to_string());
    }
    shown
}

fn block(world: &World, params: &[Value]) -> Result<Value, Fault> {
    let record = record(world, params)?;
    match params.get(1).map_or(Some(1), Value::as_u64) {
        Some(0) => Ok(json!(serialize_hex(&record.block))),
        Some(1) => {
            let mut shown = shown_header(world, &record);
            let txids: Vec<String> = record.txids.iter().map(ToString::to_string).collect();
            shown["tx"] = json!(txids);
            shown["size"] = json!(record.block.total_size());
            shown["weight"] = json!(record.block.weight().to_wu());
            Ok(shown)
        }
        _ => Err((
            INVALID_PARAMETER,
            "the sandbox knows verbosity 0 and 1 only".into(),
        )),
    }
}

fn mempool(world: &World) -> Value {
    let arrivals = world.mempool.arrivals().into_iter();
    arrivals.map(|(txid, _)| json!(txid.to_string())).collect()
}

fn mempool_info(world: &World) -> Value {
    let entries = world.mempool.arrivals();
    let fee_min = RELAY_FEE_MIN_SAT_PER_VB as f64 * SAT_PER_VB_IN_BTC_PER_KVB;
    json!({
        "loaded": true,
        "size": entries.len(),
        "bytes": entries.iter().map(|(_, entry)| entry.vsize_vb).sum::<u64>(),
        "mempoolminfee": fee_min,
        "minrelaytxfee": fee_min,
    })
}

fn mempool_entry(world: &World, params: &[Value]) -> Result<Value, Fault> {
    let entry = waiting(world, params)?;
    Ok(json!({
        "vsize": entry.vsize_vb,
        "weight": entry.tx.weight().to_wu(),
        "time": entry.arrived_s,
        "height": entry.arrived_height,
        "fees": { "base": Amount::from_sat(entry.fee_sat).to_btc() },
    }))
}

/// The waiting transaction that the first parameter names.
fn waiting<'a>(world: &'a World, params: &[Value]) -> Result<&'a Entry, Fault> {
    let txid = params.first().and_then(Value::as_str);
    let txid = txid.ok_or_else(|| wrong_type("txid"))?;
    let txid: Txid = txid
        .parse()
        .map_err(|_| (INVALID_PARAMETER, "txid must be of length 64".to_owned()))?;
    let entry = world.mempool.get(&txid);
    entry.ok_or_else(|| (NOT_FOUND, "No such mempool transaction".to_owned()))
}

/// As of a node without an index: transactions that wait.
fn raw_transaction(world: &World, params: &[Value]) -> Result<Value, Fault> {
    let entry = waiting(world, params)?;
    if params
        .get(1)
        .is_some_and(|verbose| verbose.as_bool() == Some(true))
    {
        let why = "the sandbox shows transactions in hex only";
        return Err((INVALID_PARAMETER, why.into()));
    }
    Ok(json!(serialize_hex(&entry.tx)))
}

/// In bitcoin for a thousand bytes; the same for every target.
fn estimate(world: &World, params: &[Value]) -> Result<Value, Fault> {
    let target = params.first().and_then(Value::as_u64);
    let target = target.ok_or_else(|| wrong_type("conf_target"))?;
    let estimates = world.fee_estimates_sat_per_vb();
    let estimate = estimates.values().next().copied().unwrap_or_default();
    // Amounts have eight digits, and no more than that can be read.
    let rate = (estimate * SAT_PER_VB_IN_BTC_PER_KVB * 1.0e8).round() / 1.0e8;
    Ok(json!({"feerate": rate, "blocks": target}))
}

fn send(world: &mut World, params: &[Value]) -> Result<Value, Fault> {
    let raw = params.first().and_then(Value::as_str);
    let raw = raw.ok_or_else(|| wrong_type("hexstring"))?;
    let tx = hex::decode(raw).ok().and_then(|raw| deserialize(&raw).ok());
    let tx = tx.ok_or_else(|| (UNREADABLE, "TX decode failed".to_owned()))?;
    match world.submit(tx) {
        Ok(txid) => Ok(json!(txid.to_string())),
        Err(reject) => Err((reject.rpc_code(), format!("{}, {reject}", reject.code()))),
    }
}

/// Not Bitcoin Core's: mines so many blocks for the sandbox's own miner.
fn mine(world: &mut World, params: &[Value]) -> Result<Value, Fault> {
    let count = count(params)?;
    let script = world.miner_script();
    hashes(world.mine(&script, count))
}

/// Not Bitcoin Core's: abandons so many blocks for a longer branch of empty ones.
fn reorg(world: &mut World, params: &[Value]) -> Result<Value, Fault> {
    let depth = count(params)?;
    hashes(world.reorg(depth))
}

/// Not Bitcoin Core's: pays so many satoshi to an address from what the miner has.
fn fund(world: &mut World, params: &[Value]) -> Result<Value, Fault> {
    let address = params.first().and_then(Value::as_str);
    let address = address
        .and_then(|text| text.parse::<Address<_>>().ok())
        .and_then(|address| address.require_network(Network::Regtest).ok());
    let address = address.ok_or_else(|| (NOT_FOUND, "Invalid address".to_owned()))?;
    let amount_sat = params.get(1).and_then(Value::as_u64);
    let amount_sat = amount_sat.ok_or_else(|| wrong_type("amount_sat"))?;
    let txid = world.fund(address.script_pubkey(), amount_sat);
    let txid = txid.map_err(|why| (INVALID_PARAMETER, why.to_string()))?;
    Ok(json!(txid.to_string()))
}

fn count(params: &[Value]) -> Result<u32, Fault> {
    let count = params.first().and_then(Value::as_u64);
    let count = count.ok_or_else(|| wrong_type("blocks"))?;
    u32::try_from(count)
        .ok()
        .filter(|count| *count <= BLOCKS_MAX)
        .ok_or_else(|| (INVALID_PARAMETER, format!("at most {BLOCKS_MAX} blocks")))
}

fn hashes(blocks: Result<Vec<BlockHash>, Error>) -> Result<Value, Fault> {
    let blocks = blocks.map_err(|why| (INVALID_PARAMETER, why.to_string()))?;
    Ok(blocks.iter().map(|hash| json!(hash.to_string())).collect())
}

fn record(world: &World, params: &[Value]) -> Result<std::sync::Arc<Record>, Fault> {
    let hash = params.first().and_then(Value::as_str);
    let hash = hash.ok_or_else(|| wrong_type("blockhash"))?;
    let hash: BlockHash = hash.parse().map_err(|_| {
        (
            INVALID_PARAMETER,
            "blockhash must be of length 64".to_owned(),
        )
    })?;
    world.index.block(&hash).ok_or_else(not_found)
}

fn not_found() -> Fault {
    (NOT_FOUND, "Block not found".into())
}

fn wrong_type(what: &str) -> Fault {
    (
        INVALID_TYPE,
        format!("{what} is missing or of the wrong type"),
    )
}
