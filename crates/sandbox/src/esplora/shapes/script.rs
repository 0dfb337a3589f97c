//! What belongs to a script: sums and coins.

use bitcoin::{Amount, OutPoint, Transaction};
use serde::Serialize;
use serde_json::{Value, json};

use super::transaction::StatusShape;
use crate::esplora::scripts::waiting_txs;
use crate::index::{ScriptHash, script_hash};
use crate::world::World;

/// Sums over a script, in the chain and in the mempool.
#[derive(Serialize)]
#[serde(transparent)]
pub(in crate::esplora) struct ScriptShape(Value);

#[derive(Serialize, Default)]
struct Sums {
    funded_txo_count: u32,
    funded_txo_sum: u64,
    spent_txo_count: u32,
    spent_txo_sum: u64,
    tx_count: u32,
}

impl ScriptShape {
    /// `name` is what was asked for: under `key`, a script's hash or an address.
    pub(in crate::esplora) fn new(
        world: &World,
        script: &ScriptHash,
        key: &str,
        name: &str,
    ) -> Self {
        let history = world.index.history(script);
        let confirmed = history
            .iter()
            .filter_map(|txid| world.index.transaction(txid));
        let waiting = waiting_txs(world, script).into_iter();
        Self(json!({
            key: name,
            "chain_stats": Sums::over(world, script, confirmed),
            "mempool_stats": Sums::over(world, script, waiting),
        }))
    }
}

impl Sums {
    fn over<'a>(
        world: &'a World,
        script: &ScriptHash,
        txs: impl Iterator<Item = &'a Transaction>,
    ) -> Self {
        let mut sums = Self::default();
        for tx in txs {
            sums.tx_count += 1;
            for output in &tx.output {
                if script_hash(&output.script_pubkey) == *script {
                    sums.funded_txo_count += 1;
                    sums.funded_txo_sum += output.value.to_sat();
                }
            }
            for input in &tx.input {
                let spent = world.output(&input.previous_output);
                if let Some(output) = spent.filter(|o| script_hash(&o.script_pubkey) == *script) {
                    sums.spent_txo_count += 1;
                    sums.spent_txo_sum += output.value.to_sat();
                }
            }
        }
        sums
    }
}

/// A coin of a script.
#[derive(Serialize)]
pub(in crate::esplora) struct UtxoShape {
    txid: String,
    vout: u32,
    status: StatusShape,
    value: u64,
}

impl UtxoShape {
    pub(in crate::esplora) fn new(world: &World, outpoint: &OutPoint, value: Amount) -> Self {
        Self {
            txid: outpoint.txid.to_string(),
            vout: outpoint.vout,
            status: StatusShape::new(world, &outpoint.txid),
            value: value.to_sat(),
        }
    }
}
