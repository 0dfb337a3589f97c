//! Transactions, where they are, and who spent their outputs.

use bitcoin::{Address, Network, OutPoint, Script, Transaction, TxIn, TxOut, Txid};
use serde::Serialize;

use crate::world::World;

/// A transaction with what its inputs spend.
#[derive(Serialize)]
pub(in crate::esplora) struct TransactionShape {
    txid: String,
    version: i32,
    locktime: u32,
    vin: Vec<InputShape>,
    vout: Vec<OutputShape>,
    size: usize,
    weight: u64,
    fee: u64,
    status: StatusShape,
}

impl TransactionShape {
    pub(in crate::esplora) fn new(world: &World, tx: &Transaction) -> Self {
        let txid = tx.compute_txid();
        Self {
            txid: txid.to_string(),
            version: tx.version.0,
            locktime: tx.lock_time.to_consensus_u32(),
            vin: tx.input.iter().map(|i| InputShape::new(world, i)).collect(),
            vout: tx.output.iter().map(OutputShape::new).collect(),
            size: tx.total_size(),
            weight: tx.weight().to_wu(),
            fee: fee_sat(world, tx),
            status: StatusShape::new(world, &txid),
        }
    }
}

/// What the inputs are worth beyond the outputs: nothing for a coinbase, whose input has no output.
fn fee_sat(world: &World, tx: &Transaction) -> u64 {
    let spent = tx
        .input
        .iter()
        .filter_map(|i| world.output(&i.previous_output));
    let in_sat: u64 = spent.map(|output| output.value.to_sat()).sum();
    let out_sat: u64 = tx.output.iter().map(|output| output.value.to_sat()).sum();
    in_sat.saturating_sub(out_sat)
}

#[derive(Serialize)]
struct InputShape {
    txid: String,
    vout: u32,
    prevout: Option<OutputShape>,
    scriptsig: String,
    scriptsig_asm: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    witness: Vec<String>,
    is_coinbase: bool,
    sequence: u32,
}

impl InputShape {
    fn new(world: &World, input: &TxIn) -> Self {
        let outpoint = &input.previous_output;
        Self {
            txid: outpoint.txid.to_string(),
            vout: outpoint.vout,
            prevout: world.output(outpoint).map(OutputShape::new),
            scriptsig: input.script_sig.to_hex_string(),
            scriptsig_asm: input.script_sig.to_asm_string(),
            witness: input.witness.iter().map(hex::encode).collect(),
            is_coinbase: outpoint.is_null(),
            sequence: input.sequence.to_consensus_u32(),
        }
    }
}

#[derive(Serialize)]
struct OutputShape {
    scriptpubkey: String,
    scriptpubkey_asm: String,
    scriptpubkey_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scriptpubkey_address: Option<String>,
    value: u64,
}

impl OutputShape {
    fn new(output: &TxOut) -> Self {
        let script = &output.script_pubkey;
        let address = Address::from_script(script, Network::Regtest).ok();
        Self {
            scriptpubkey: script.to_hex_string(),
            scriptpubkey_asm: script.to_asm_string(),
            scriptpubkey_type: kind(script),
            scriptpubkey_address: address.map(|address| address.to_string()),
            value: output.value.to_sat(),
        }
    }
}

fn kind(script: &Script) -> &'static str {
    match script {
        s if s.is_empty() => "empty",
        s if s.is_op_return() => "op_return",
        s if s.is_p2pk() => "p2pk",
        s if s.is_p2pkh() => "p2pkh",
        s if s.is_p2sh() => "p2sh",
        s if s.is_p2wpkh() => "v0_p2wpkh",
        s if s.is_p2wsh() => "v0_p2wsh",
        s if s.is_p2tr() => "v1_p2tr",
        // Pay to anchor: version 1, and the two bytes "Ns".
        s if s.as_bytes() == [0x51, 0x02, 0x4e, 0x73] => "anchor",
        s if s.is_multisig() => "multisig",
        _ => "unknown",
    }
}

/// Which block a transaction is in, if any.
#[derive(Serialize)]
pub(in crate::esplora) struct StatusShape {
    confirmed: bool,
    #[serde(flatten)]
    block: Option<StatusBlock>,
}

#[derive(Serialize)]
struct StatusBlock {
    block_height: u32,
    block_hash: String,
    block_time: u32,
}

impl StatusShape {
    pub(in crate::esplora) fn new(world: &World, txid: &Txid) -> Self {
        let block = world.index.place(txid).and_then(|place| {
            let record = world.index.block(&place.block_hash)?;
            Some(StatusBlock {
                block_height: place.height,
                block_hash: place.block_hash.to_string(),
                block_time: record.block.header.time,
            })
        });
        Self {
            confirmed: block.is_some(),
            block,
        }
    }
}

/// Whether an output is spent, and by which input.
#[derive(Serialize)]
pub(in crate::esplora) struct SpendShape {
    spent: bool,
    #[serde(flatten)]
    by: Option<Spender>,
}

#[derive(Serialize)]
struct Spender {
    txid: String,
    vin: usize,
    status: StatusShape,
}

impl SpendShape {
    pub(in crate::esplora) fn new(world: &World, outpoint: &OutPoint) -> Self {
        let by = world.spend(outpoint).map(|spend| Spender {
            txid: spend.txid.to_string(),
            vin: spend.vin,
            status: StatusShape::new(world, &spend.txid),
        });
        Self {
            spent: by.is_some(),
            by,
        }
    }
}
