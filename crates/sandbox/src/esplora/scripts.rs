//! `/scripthash…` and `/address…`: what happened to a script, and what it can spend.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use bitcoin::address::NetworkUnchecked;
use bitcoin::{Address, Network, OutPoint, Transaction, Txid};

use super::shapes::{ScriptShape, TransactionShape, UtxoShape};
use super::{Answer, PAGE_TRANSACTIONS, Refusal, parse};
use crate::index::{ScriptHash, script_hash};
use crate::server::Shared;
use crate::world::World;

/// How many unconfirmed transactions are shown, as electrs does.
const MEMPOOL_MAX: usize = 50;

/// How the script is named in the path.
type Parse = fn(&str) -> Answer<ScriptHash>;

pub(super) fn parse_script_hash(text: &str) -> Answer<ScriptHash> {
    parse(text, "hex string")
}

pub(super) fn parse_address(text: &str) -> Answer<ScriptHash> {
    let address: Address<NetworkUnchecked> = parse(text, "Bitcoin address")?;
    let address = address.require_network(Network::Regtest);
    let address = address.map_err(|_| Refusal::bad("Address on invalid network"))?;
    Ok(script_hash(&address.script_pubkey()))
}

/// The same paths, below `/scripthash` and below `/address`.
pub(super) fn router(key: &'static str, parse: Parse) -> Router<Shared> {
    type Page = Json<Vec<TransactionShape>>;
    let info = async move |State(shared): State<Shared>, Path(name): Path<String>| {
        let script = parse(&name)?;
        let shape = ScriptShape::new(&shared.world(), &script, key, &name);
        Answer::Ok(Json(shape))
    };
    let all = async move |State(shared): State<Shared>, Path(name): Path<String>| {
        let (world, script) = (shared.world(), parse(&name)?);
        let mut page = waiting(&world, &script);
        page.extend(confirmed(&world, &script, None));
        Answer::<Page>::Ok(Json(page))
    };
    let chain = async move |State(shared): State<Shared>, Path(name): Path<String>| {
        let page = confirmed(&shared.world(), &parse(&name)?, None);
        Answer::<Page>::Ok(Json(page))
    };
    let after = async move |State(shared): State<Shared>, Path(path): Path<(String, String)>| {
        let (name, last_seen) = path;
        let last_seen = super::parse(&last_seen, "hex string")?;
        let page = confirmed(&shared.world(), &parse(&name)?, Some(last_seen));
        Answer::<Page>::Ok(Json(page))
    };
    let mempool = async move |State(shared): State<Shared>, Path(name): Path<String>| {
        let page = waiting(&shared.world(), &parse(&name)?);
        Answer::<Page>::Ok(Json(page))
    };
    let utxo = async move |State(shared): State<Shared>, Path(name): Path<String>| {
        let coins = unspent(&shared.world(), &parse(&name)?);
        Answer::Ok(Json(coins))
    };
    Router::new()
        .route("/{name}", get(info))
        .route("/{name}/txs", get(all))
        .route("/{name}/txs/chain", get(chain))
        .route("/{name}/txs/chain/{last_seen}", get(after))
        .route("/{name}/txs/mempool", get(mempool))
        .route("/{name}/utxo", get(utxo))
}

/// Whether a transaction pays to a script, or spends from it.
fn touches(world: &World, tx: &Transaction, script: &ScriptHash) -> bool {
    let spent = tx
        .input
        .iter()
        .filter_map(|i| world.output(&i.previous_output));
    let mut outputs = spent.chain(&tx.output);
    outputs.any(|output| script_hash(&output.script_pubkey) == *script)
}

/// Unconfirmed transactions of a script, newest first, without a limit.
pub(super) fn waiting_txs<'a>(world: &'a World, script: &ScriptHash) -> Vec<&'a Transaction> {
    let arrivals = world.mempool.arrivals().into_iter().rev();
    let txs = arrivals.map(|(_, entry)| &entry.tx);
    txs.filter(|tx| touches(world, tx, script)).collect()
}

fn waiting(world: &World, script: &ScriptHash) -> Vec<TransactionShape> {
    let txs = waiting_txs(world, script).into_iter().take(MEMPOOL_MAX);
    txs.map(|tx| TransactionShape::new(world, tx)).collect()
}

/// A page of confirmed transactions of a script, newest first, from the one after `last_seen`.
fn confirmed(world: &World, script: &ScriptHash, last_seen: Option<Txid>) -> Vec<TransactionShape> {
    let history = world.index.history(script);
    let end = match last_seen {
        None => history.len(),
        // Whoever saw a transaction that a reorg took away has nothing to go on from.
        Some(txid) => history.iter().position(|one| *one == txid).unwrap_or(0),
    };
    let page = history.iter().take(end).rev().take(PAGE_TRANSACTIONS);
    let txs = page.filter_map(|txid| world.index.transaction(txid));
    txs.map(|tx| TransactionShape::new(world, tx)).collect()
}

/// What a script can spend, of the chain and of the mempool.
fn unspent(world: &World, script: &ScriptHash) -> Vec<UtxoShape> {
    let mut coins: Vec<_> = world
        .index
        .coins(script)
        .into_iter()
        .map(|(outpoint, coin)| (outpoint, coin.output.value))
        .collect();
    for tx in waiting_txs(world, script) {
        let txid = tx.compute_txid();
        for (vout, output) in (0..).zip(&tx.output) {
            if script_hash(&output.script_pubkey) == *script {
                coins.push((OutPoint { txid, vout }, output.value));
            }
        }
    }
    coins.retain(|(outpoint, _)| world.mempool.spend(outpoint).is_none());
    let shape = |(outpoint, value)| UtxoShape::new(world, &outpoint, value);
    coins.into_iter().map(shape).collect()
}
