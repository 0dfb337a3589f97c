//! Blocks, and proofs that they have a transaction.

use serde::Serialize;

use crate::index::Record;
use crate::world::World;

/// A block without its transactions.
#[derive(Serialize)]
pub(in crate::esplora) struct BlockShape {
    id: String,
    height: u32,
    version: i32,
    timestamp: u32,
    tx_count: usize,
    size: usize,
    weight: u64,
    merkle_root: String,
    previousblockhash: Option<String>,
    mediantime: u32,
    nonce: u32,
    bits: u32,
    difficulty: f64,
}

impl BlockShape {
    pub(in crate::esplora) fn new(world: &World, record: &Record) -> Self {
        let header = &record.block.header;
        let hash = header.block_hash();
        let previous = header.prev_blockhash.to_string();
        Self {
            id: hash.to_string(),
            height: record.height,
            version: header.version.to_consensus(),
            timestamp: header.time,
            tx_count: record.txids.len(),
            size: record.block.total_size(),
            weight: record.block.weight().to_wu(),
            merkle_root: header.merkle_root.to_string(),
            previousblockhash: (record.height > 0).then_some(previous),
            mediantime: world.index.median_time_of(hash),
            nonce: header.nonce,
            bits: header.bits.to_consensus(),
            difficulty: header.difficulty_float(),
        }
    }
}

/// Whether a block is part of the chain.
#[derive(Serialize)]
pub(in crate::esplora) struct BlockStatusShape {
    in_best_chain: bool,
    height: Option<u32>,
    next_best: Option<String>,
}

impl BlockStatusShape {
    pub(in crate::esplora) fn new(world: &World, record: &Record) -> Self {
        let in_best_chain = world.index.is_active(record);
        let next = world.index.hash_at(record.height + 1);
        Self {
            in_best_chain,
            height: in_best_chain.then_some(record.height),
            next_best: next.filter(|_| in_best_chain).map(|hash| hash.to_string()),
        }
    }
}

/// The way from a transaction to the Merkle root in the header.
#[derive(Serialize)]
pub(in crate::esplora) struct MerkleProofShape {
    pub(in crate::esplora) block_height: u32,
    pub(in crate::esplora) merkle: Vec<String>,
    pub(in crate::esplora) pos: usize,
}
