//! What the engine has no answers for: where a transaction is, what touched a script, who spent an output.
//!
//! It follows the engine's best branch block by block, forwards and backwards, and keeps the blocks of abandoned
//! branches, which an Esplora server can be asked for too. All of it is in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bitcoin::block::Header;
use bitcoin::hashes::{Hash as _, sha256};
use bitcoin::{Block, BlockHash, OutPoint, Script, Transaction, TxOut, Txid};

/// Names a script as Esplora does: the SHA-256 of its bytes.
pub(crate) type ScriptHash = sha256::Hash;

/// The [`ScriptHash`] of a script.
pub(crate) fn script_hash(script: &Script) -> ScriptHash {
    sha256::Hash::hash(script.as_bytes())
}

/// How many headers the median time is taken over.
const MEDIAN_OF: usize = 11;

/// A block, with what is asked of it often.
pub(crate) struct Record {
    pub(crate) block: Block,
    pub(crate) height: u32,
    pub(crate) txids: Vec<Txid>,
}

/// Where a confirmed transaction is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) block_hash: BlockHash,
    pub(crate) height: u32,
    pub(crate) position: usize,
}

/// An output that can be spent.
#[derive(Debug, Clone)]
pub(crate) struct Coin {
    pub(crate) output: TxOut,
    pub(crate) height: u32,
    pub(crate) is_coinbase: bool,
}

/// The input that spends an output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spend {
    pub(crate) txid: Txid,
    pub(crate) vin: usize,
}

/// The index. It always has its genesis block.
pub(crate) struct Index {
    genesis: BlockHash,
    blocks: HashMap<BlockHash, Arc<Record>>,
    active: Vec<BlockHash>,
    places: HashMap<Txid, Place>,
    spends: HashMap<OutPoint, Spend>,
    histories: HashMap<ScriptHash, Vec<Txid>>,
}

impl Index {
    pub(crate) fn new(genesis: Block) -> Self {
        let hash = genesis.block_hash();
        let mut index = Self {
            genesis: hash,
            blocks: HashMap::new(),
            active: Vec::new(),
            places: HashMap::new(),
            spends: HashMap::new(),
            histories: HashMap::new(),
        };
        index.remember(genesis, 0);
        index.connect(hash);
        index
    }

    /// Keeps a block without making it part of the chain.
    pub(crate) fn remember(&mut self, block: Block, height: u32) {
        let txids = block.txdata.iter().map(Transaction::compute_txid).collect();
        let hash = block.block_hash();
        let record = Record {
            block,
            height,
            txids,
        };
        self.blocks.insert(hash, Arc::new(record));
    }

    /// Puts a remembered block on top of the chain.
    pub(crate) fn connect(&mut self, block_hash: BlockHash) {
        let Some(record) = self.block(&block_hash) else {
            return;
        };
        self.active.push(block_hash);
        for (position, (tx, txid)) in record.block.txdata.iter().zip(&record.txids).enumerate() {
            let place = Place {
                block_hash,
                height: record.height,
                position,
            };
            self.places.insert(*txid, place);
            for script in self.touched(tx) {
                self.histories.entry(script).or_default().push(*txid);
            }
            for (vin, input) in tx.input.iter().enumerate() {
                self.spends
                    .insert(input.previous_output, Spend { txid: *txid, vin });
            }
        }
    }

    /// Takes the last block off the chain, and gives it back. Genesis stays.
    pub(crate) fn disconnect(&mut self) -> Option<Arc<Record>> {
        if self.active.len() < 2 {
            return None;
        }
        let hash = self.active.pop()?;
        let record = self.block(&hash)?;
        for (tx, txid) in record.block.txdata.iter().zip(&record.txids).rev() {
            for script in self.touched(tx) {
                if let Some(history) = self.histories.get_mut(&script) {
                    history.pop();
                }
            }
            for input in &tx.input {
                self.spends.remove(&input.previous_output);
            }
            self.places.remove(txid);
        }
        Some(record)
    }

    /// The scripts that a transaction pays to or spends from, each once.
    fn touched(&self, tx: &Transaction) -> HashSet<ScriptHash> {
        let spent = tx.input.iter().filter_map(|input| {
            let output = self.output(&input.previous_output)?;
            Some(script_hash(&output.script_pubkey))
        });
        let paid = tx.output.iter().map(|o| script_hash(&o.script_pubkey));
        spent.chain(paid).collect()
    }

    pub(crate) fn tip_height(&self) -> u32 {
        // Heights are 32 bits wide in Bitcoin too, and the chain has a block at least.
        u32::try_from(self.active.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(crate) fn tip_hash(&self) -> BlockHash {
        self.active.last().copied().unwrap_or(self.genesis)
    }

    pub(crate) fn hash_at(&self, height: u32) -> Option<BlockHash> {
        self.active.get(usize::try_from(height).ok()?).copied()
    }

    /// A block by its hash, of the chain or of an abandoned branch.
    pub(crate) fn block(&self, hash: &BlockHash) -> Option<Arc<Record>> {
        self.blocks.get(hash).cloned()
    }

    pub(crate) fn block_at(&self, height: u32) -> Option<Arc<Record>> {
        self.block(&self.hash_at(height)?)
    }

    pub(crate) fn is_active(&self, record: &Record) -> bool {
        self.hash_at(record.height) == Some(record.block.block_hash())
    }

    /// The header at a height of the chain.
    pub(crate) fn header_at(&self, height: u32) -> Option<Header> {
        Some(self.block_at(height)?.block.header)
    }

    /// The median time of a block and the ten before it, of whichever branch it is on.
    pub(crate) fn median_time_of(&self, hash: BlockHash) -> u32 {
        let mut times = Vec::with_capacity(MEDIAN_OF);
        let mut next = self.blocks.get(&hash);
        while let Some(record) = next.filter(|_| times.len() < MEDIAN_OF) {
            times.push(record.block.header.time);
            next = self.blocks.get(&record.block.header.prev_blockhash);
        }
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or(0)
    }

    pub(crate) fn place(&self, txid: &Txid) -> Option<Place> {
        self.places.get(txid).copied()
    }

    /// A confirmed transaction.
    pub(crate) fn transaction(&self, txid: &Txid) -> Option<&Transaction> {
        let place = self.places.get(txid)?;
        let record = self.blocks.get(&place.block_hash)?;
        record.block.txdata.get(place.position)
    }

    /// An output of a confirmed transaction, spent or not.
    pub(crate) fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let tx = self.transaction(&outpoint.txid)?;
        tx.output.get(usize::try_from(outpoint.vout).ok()?)
    }

    /// An output of a confirmed transaction that no block spends.
    pub(crate) fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        let place = self.place(&outpoint.txid)?;
        // By an old oversight that became a rule, what genesis pays can't be spent.
        if place.height == 0 || self.spends.contains_key(outpoint) {
            return None;
        }
        let output = self.output(outpoint)?;
        if output.script_pubkey.is_op_return() {
            return None;
        }
        Some(Coin {
            output: output.clone(),
            height: place.height,
            is_coinbase: place.position == 0,
        })
    }

    /// The input of a block that spends an output.
    pub(crate) fn spend(&self, outpoint: &OutPoint) -> Option<Spend> {
        self.spends.get(outpoint).copied()
    }

    /// The confirmed transactions that touch a script, oldest first.
    pub(crate) fn history(&self, script: &ScriptHash) -> &[Txid] {
        self.histories.get(script).map_or(&[], Vec::as_slice)
    }

    /// Every coin of a script, oldest first.
    pub(crate) fn coins(&self, script: &ScriptHash) -> Vec<(OutPoint, Coin)> {
        let mut coins = Vec::new();
        for txid in self.history(script) {
            let outputs = self.transaction(txid).map_or(0, |tx| tx.output.len());
            for vout in 0..u32::try_from(outputs).unwrap_or(0) {
                let outpoint = OutPoint { txid: *txid, vout };
                let coin = self.coin(&outpoint);
                let own = |coin: &Coin| script_hash(&coin.output.script_pubkey) == *script;
                coins.extend(coin.filter(own).map(|coin| (outpoint, coin)));
            }
        }
        coins
    }
}
