//! Engine, index, mempool, miner and wallet as one: every change of the chain goes through here.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use bitcoin::constants::{COINBASE_MATURITY, genesis_block};
use bitcoin::{Block, BlockHash, Network, OutPoint, ScriptBuf, Transaction, TxOut, Txid};

use crate::chain::{self, Chain};
use crate::history::History;
use crate::index::{Coin, Index, Spend, script_hash};
use crate::mempool::{Mempool, View};
use crate::miner::{self, Template};
use crate::wallet::Wallet;
use crate::{Error, Reject};

/// So many blocks are there from the start: with them the miner has two rewards to spend.
const FIRST_BLOCKS: u32 = 101;
/// The first blocks are dated back by as much as Bitcoin would take for them, so that the tip is of now.
const FIRST_INTERVAL_S: u32 = 600;
/// What a sandbox says of fees until it is told otherwise.
const FEE_ESTIMATE_SAT_PER_VB: f64 = 2.0;
/// For how many blocks ahead an Esplora server estimates.
const FEE_TARGETS_BLOCKS: [u16; 4] = [25, 144, 504, 1008];

/// All of a sandbox but its server.
pub(crate) struct World {
    chain: Chain,
    pub(crate) index: Index,
    pub(crate) mempool: Mempool,
    wallet: Wallet,
    history: Option<History>,
    extra_nonce: u64,
    fee_estimate_sat_per_vb: f64,
}

impl World {
    /// A chain whose miner has money to spend. With a file, it is the chain of the blocks in there, and grows there.
    pub(crate) fn open(file: Option<&Path>) -> Result<Self, Error> {
        let (history, blocks) = match file {
            Some(path) => {
                let (history, blocks) = History::open(path)?;
                (Some(history), blocks)
            }
            None => (None, Vec::new()),
        };
        let mut world = Self {
            chain: Chain::open()?,
            index: Index::new(genesis_block(Network::Regtest)),
            mempool: Mempool::default(),
            wallet: Wallet::new()?,
            history: None,
            extra_nonce: blocks.len() as u64,
            fee_estimate_sat_per_vb: FEE_ESTIMATE_SAT_PER_VB,
        };
        for block in blocks {
            let parent = block.header.prev_blockhash;
            let height = world.height_on(parent)?;
            world.take_block(block, height)?;
        }
        world.history = history;
        let script = world.wallet.script().clone();
        let now_s = now_s();
        for left in (0..FIRST_BLOCKS.saturating_sub(world.index.tip_height())).rev() {
            let time_s = now_s.saturating_sub(left * FIRST_INTERVAL_S);
            let tip = world.index.tip_hash();
            world.extend(tip, time_s, &script, true)?;
        }
        Ok(world)
    }

    pub(crate) fn miner_script(&self) -> ScriptBuf {
        self.wallet.script().clone()
    }

    /// Mines `count` blocks on the tip, the first of them with what the mempool holds.
    pub(crate) fn mine(&mut self, script: &ScriptBuf, count: u32) -> Result<Vec<BlockHash>, Error> {
        let mut hashes = Vec::new();
        for _ in 0..count {
            let hash = self.extend(self.index.tip_hash(), now_s(), script, true)?;
            hashes.push(hash);
        }
        Ok(hashes)
    }

    /// Abandons the last `depth` blocks for a branch that is longer by one. Its blocks are empty; what the abandoned
    /// ones held waits in the mempool again, as far as it is still valid.
    pub(crate) fn reorg(&mut self, depth: u32) -> Result<Vec<BlockHash>, Error> {
        let tip_height = self.index.tip_height();
        let fork = tip_height.checked_sub(depth).filter(|_| depth > 0);
        let out_of_range = Error::ReorgDepth { depth, tip_height };
        let fork = fork.ok_or(out_of_range)?;
        let script = self.miner_script();
        let mut hashes = Vec::new();
        let mut previous = self.hash_at(fork)?;
        for _ in 0..=depth {
            previous = self.extend(previous, now_s(), &script, false)?;
            hashes.push(previous);
        }
        Ok(hashes)
    }

    /// Puts a block on top of `previous` and lets the engine decide what the chain is now.
    fn extend(
        &mut self,
        previous: BlockHash,
        now_s: u32,
        script: &ScriptBuf,
        with_transactions: bool,
    ) -> Result<BlockHash, Error> {
        let height = self.height_on(previous)?;
        let entries = if with_transactions {
            self.mempool.select(miner::ROOM)
        } else {
            Vec::new()
        };
        self.extra_nonce += 1;
        let block = miner::mine(Template {
            previous,
            height,
            time_s: now_s.max(self.index.median_time_of(previous) + 1),
            bits: genesis_block(Network::Regtest).header.bits,
            script_pubkey: script.clone(),
            extra_nonce: self.extra_nonce,
            fees_sat: entries.iter().map(|entry| entry.fee_sat).sum(),
            transactions: entries.iter().map(|entry| entry.tx.clone()).collect(),
        });
        self.take_block(block, height)
    }

    /// The height of a block on top of `parent`.
    fn height_on(&self, parent: BlockHash) -> Result<u32, Error> {
        let missing = || Error::kernel("extend a branch", format!("{parent} is unknown"));
        Ok(self.index.block(&parent).ok_or_else(missing)?.height + 1)
    }

    fn take_block(&mut self, block: Block, height: u32) -> Result<BlockHash, Error> {
        let hash = block.block_hash();
        self.chain.process(&block)?;
        if let Some(history) = &mut self.history {
            history.append(&block)?;
        }
        self.index.remember(block, height);
        self.follow()?;
        Ok(hash)
    }

    /// Brings index and mempool to where the engine's best branch is.
    fn follow(&mut self) -> Result<(), Error> {
        let mut abandoned = Vec::new();
        while self.chain.hash_at(self.index.tip_height()) != Some(self.index.tip_hash()) {
            let record = self.index.disconnect();
            abandoned.push(record.ok_or_else(|| Error::kernel("follow", "genesis differs"))?);
        }
        for height in self.index.tip_height()..self.chain.tip_height() {
            let unknown = || Error::kernel("follow", format!("no block at {}", height + 1));
            let hash = self.chain.hash_at(height + 1).ok_or_else(unknown)?;
            self.index.connect(hash);
            if let Some(record) = self.index.block(&hash) {
                self.mempool.confirm(&record.block.txdata);
            }
        }
        if !abandoned.is_empty() {
            let blocks = abandoned.iter().rev();
            let lost = blocks.flat_map(|record| record.block.txdata.iter().skip(1).cloned());
            self.resubmit(lost.collect());
        }
        Ok(())
    }

    /// Puts what abandoned blocks held back into the mempool, before all that may build on it.
    fn resubmit(&mut self, lost: Vec<Transaction>) {
        let waiting = self.mempool.drain();
        for tx in lost.into_iter().chain(waiting) {
            // What is refused now has lost its coins with the old branch, as in any mempool.
            let _ = self.mempool.accept(tx, &self.index, now_s());
        }
    }

    /// Offers a transaction to the mempool.
    pub(crate) fn submit(&mut self, tx: Transaction) -> Result<Txid, Reject> {
        self.mempool.accept(tx, &self.index, now_s())
    }

    /// Pays from the miner's wallet.
    pub(crate) fn fund(&mut self, to: ScriptBuf, amount_sat: u64) -> Result<Txid, Error> {
        let tx = self.wallet.pay(&self.miner_coins(), to, amount_sat)?;
        Ok(self.submit(tx)?)
    }

    /// What the miner can spend: mature coins, the largest first, and after them change that waits for its block.
    fn miner_coins(&self) -> Vec<(OutPoint, TxOut)> {
        let next = self.index.next_height();
        let is_ours = |output: &TxOut| output.script_pubkey == *self.wallet.script();
        let mut coins: Vec<_> = self
            .index
            .coins(&script_hash(self.wallet.script()))
            .into_iter()
            .filter(|(_, coin)| !coin.is_coinbase || next - coin.height >= COINBASE_MATURITY)
            .map(|(outpoint, coin)| (outpoint, coin.output))
            .collect();
        coins.sort_by_key(|(_, output)| std::cmp::Reverse(output.value));
        for (txid, entry) in self.mempool.arrivals() {
            for (vout, output) in (0..).zip(&entry.tx.output) {
                if is_ours(output) {
                    coins.push((OutPoint { txid, vout }, output.clone()));
                }
            }
        }
        coins.retain(|(outpoint, _)| self.mempool.spend(outpoint).is_none());
        coins
    }

    pub(crate) fn hash_at(&self, height: u32) -> Result<BlockHash, Error> {
        let tip_height = self.index.tip_height();
        let hash = self.index.hash_at(height);
        hash.ok_or(Error::NoSuchHeight { height, tip_height })
    }

    pub(crate) fn block_at(&self, height: u32) -> Result<Block, Error> {
        let tip_height = self.index.tip_height();
        let record = self.index.block_at(height);
        let record = record.ok_or(Error::NoSuchHeight { height, tip_height })?;
        Ok(record.block.clone())
    }

    pub(crate) fn set_fee_estimate_sat_per_vb(&mut self, estimate: f64) {
        self.fee_estimate_sat_per_vb = estimate;
    }

    /// The same for every target: blocks of the sandbox are never full.
    pub(crate) fn fee_estimates_sat_per_vb(&self) -> BTreeMap<u16, f64> {
        let targets = (1..25).chain(FEE_TARGETS_BLOCKS);
        targets.map(|t| (t, self.fee_estimate_sat_per_vb)).collect()
    }

    /// A transaction of the chain or the mempool.
    pub(crate) fn transaction(&self, txid: &Txid) -> Option<&Transaction> {
        let waiting = || self.mempool.get(txid).map(|entry| &entry.tx);
        self.index.transaction(txid).or_else(waiting)
    }

    /// An output of the chain or the mempool, spent or not.
    pub(crate) fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let waiting = || self.mempool.output(outpoint);
        self.index.output(outpoint).or_else(waiting)
    }

    /// The input of the chain or the mempool that spends an output.
    pub(crate) fn spend(&self, outpoint: &OutPoint) -> Option<Spend> {
        let waiting = || self.mempool.spend(outpoint);
        self.index.spend(outpoint).or_else(waiting)
    }
}

impl View for Index {
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin> {
        self.coin(outpoint)
    }

    fn is_confirmed(&self, txid: &Txid) -> bool {
        self.place(txid).is_some()
    }

    fn next_height(&self) -> u32 {
        self.tip_height() + 1
    }

    fn median_time_s(&self, height: u32) -> u32 {
        self.hash_at(height)
            .map_or(0, |hash| self.median_time_of(hash))
    }

    fn check_shape(&self, tx: &Transaction) -> Result<(), Reject> {
        chain::check_shape(tx)
    }

    fn check_scripts(&self, tx: &Transaction, spent: &[TxOut]) -> Result<(), Reject> {
        chain::check_scripts(tx, spent)
    }
}

/// The time in whole seconds, as headers carry it.
fn now_s() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u32::try_from(d.as_secs()).unwrap_or(u32::MAX))
}
