//! The transactions that wait for a block, and the decision which may.
//!
//! Pure: what the chain knows comes in through [`View`], and no clock is read. The rules for one transaction are in
//! `rules.rs`, those for replacing others in `replace.rs`.

mod replace;
mod rules;

use std::collections::{BinaryHeap, HashMap, HashSet};

use bitcoin::{OutPoint, Transaction, TxOut, Txid};

pub(crate) use self::rules::RELAY_FEE_MIN_SAT_PER_VB;
use crate::Reject;
use crate::index::{Coin, Spend};

/// The most transactions that wait at a time.
const COUNT_MAX: usize = 20_000;

/// What the mempool asks of the chain.
pub(crate) trait View {
    /// An unspent output of the chain.
    fn coin(&self, outpoint: &OutPoint) -> Option<Coin>;
    /// Whether a block has this transaction.
    fn is_confirmed(&self, txid: &Txid) -> bool;
    /// The height of the next block.
    fn next_height(&self) -> u32;
    /// The median time of the block at a height of the chain and the ten before it.
    fn median_time_s(&self, height: u32) -> u32;
    /// The consensus rules that need no context.
    fn check_shape(&self, tx: &Transaction) -> Result<(), Reject>;
    /// The scripts of all inputs, against the outputs they spend.
    fn check_scripts(&self, tx: &Transaction, spent: &[TxOut]) -> Result<(), Reject>;
}

/// A transaction that waits.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) tx: Transaction,
    pub(crate) fee_sat: u64,
    pub(crate) vsize_vb: u64,
    /// What its signature checks count for, of which a block may have so many.
    pub(crate) sigops: usize,
    /// Counts arrivals. Parents always have a lower one than their children.
    pub(crate) arrival: u64,
    /// When it arrived, Unix seconds.
    pub(crate) arrived_s: u32,
    /// The chain's height then.
    pub(crate) arrived_height: u32,
}

impl Entry {
    /// For comparing only: millionths of a satoshi per virtual byte.
    fn fee_rate(&self) -> u128 {
        u128::from(self.fee_sat) * 1_000_000 / u128::from(self.vsize_vb.max(1))
    }

    pub(crate) fn fee_rate_sat_per_vb(&self) -> f64 {
        // Both are far below 2^53.
        self.fee_sat as f64 / self.vsize_vb.max(1) as f64
    }
}

/// What a block has left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) weight_wu: u64,
    pub(crate) sigops: usize,
}

impl Room {
    /// Takes a transaction's share, if there is so much.
    fn take(&mut self, entry: &Entry) -> bool {
        let weight_wu = self.weight_wu.checked_sub(entry.tx.weight().to_wu());
        let sigops = self.sigops.checked_sub(entry.sigops);
        let (Some(weight_wu), Some(sigops)) = (weight_wu, sigops) else {
            return false;
        };
        *self = Self { weight_wu, sigops };
        true
    }
}

/// The mempool.
#[derive(Debug, Default)]
pub(crate) struct Mempool {
    entries: HashMap<Txid, Entry>,
    spends: HashMap<OutPoint, Spend>,
    arrivals: u64,
}

impl Mempool {
    /// Takes a transaction, if the rules allow it. What it replaces is thrown out.
    pub(crate) fn accept(
        &mut self,
        tx: Transaction,
        view: &impl View,
        now_s: u32,
    ) -> Result<Txid, Reject> {
        let txid = tx.compute_txid();
        if self.entries.contains_key(&txid) {
            return Err(Reject::InMempool(txid));
        }
        if view.is_confirmed(&txid) {
            return Err(Reject::InChain(txid));
        }
        rules::check_alone(&tx)?;
        view.check_shape(&tx)?;
        let inputs = self.find_inputs(&tx, view)?;
        rules::check_maturity(&tx, &inputs, view)?;
        rules::check_final(&tx, &inputs, view)?;
        let fee_sat = rules::fee_sat(&tx, &inputs)?;
        let vsize_vb = tx.weight().to_vbytes_ceil();
        rules::check_fee(fee_sat, vsize_vb)?;
        let sigops = rules::sigops(&tx, &inputs)?;
        let replaced = replace::replaced(self, &tx, fee_sat, vsize_vb)?;
        if self.entries.len() - replaced.len() >= COUNT_MAX {
            return Err(Reject::Full { max: COUNT_MAX });
        }
        let spent: Vec<_> = inputs.into_iter().map(|coin| coin.output).collect();
        view.check_scripts(&tx, &spent)?;
        for txid in replaced {
            self.remove_one(&txid);
        }
        self.arrivals += 1;
        let entry = Entry {
            tx,
            fee_sat,
            vsize_vb,
            sigops,
            arrival: self.arrivals,
            arrived_s: now_s,
            arrived_height: view.next_height().saturating_sub(1),
        };
        self.insert(txid, entry);
        Ok(txid)
    }

    /// What the inputs spend. An output of a waiting transaction counts as one of the next block.
    fn find_inputs(&self, tx: &Transaction, view: &impl View) -> Result<Vec<Coin>, Reject> {
        let find = |outpoint: &OutPoint| {
            if let Some(output) = self.output(outpoint) {
                return Ok(Coin {
                    output: output.clone(),
                    height: view.next_height(),
                    is_coinbase: false,
                });
            }
            let coin = view.coin(outpoint);
            coin.ok_or(Reject::MissingOrSpent(*outpoint))
        };
        tx.input.iter().map(|i| find(&i.previous_output)).collect()
    }

    fn insert(&mut self, txid: Txid, entry: Entry) {
        for (vin, input) in entry.tx.input.iter().enumerate() {
            self.spends
                .insert(input.previous_output, Spend { txid, vin });
        }
        self.entries.insert(txid, entry);
    }

    fn remove_one(&mut self, txid: &Txid) -> Option<Entry> {
        let entry = self.entries.remove(txid)?;
        for input in &entry.tx.input {
            self.spends.remove(&input.previous_output);
        }
        Some(entry)
    }

    /// Drops a transaction and all that build on it. Says whether it was there.
    pub(crate) fn evict(&mut self, txid: &Txid) -> bool {
        let family = self.with_descendants([*txid]);
        let gone = family.iter().filter_map(|one| self.remove_one(one));
        gone.count() > 0
    }

    /// Forgets what a block has taken, and whatever spends the same outputs.
    pub(crate) fn confirm(&mut self, block: &[Transaction]) {
        for tx in block {
            self.remove_one(&tx.compute_txid());
            for input in &tx.input {
                if let Some(rival) = self.spend(&input.previous_output) {
                    self.evict(&rival.txid);
                }
            }
        }
    }

    /// Empties it, giving back what was there, parents first.
    pub(crate) fn drain(&mut self) -> Vec<Transaction> {
        let order: Vec<_> = self.arrivals().into_iter().map(|(txid, _)| txid).collect();
        let drained = order.iter().filter_map(|txid| self.remove_one(txid));
        drained.map(|entry| entry.tx).collect()
    }

    /// These transactions, as far as they are here, and all that build on them.
    fn with_descendants(&self, roots: impl IntoIterator<Item = Txid>) -> HashSet<Txid> {
        let mut open: Vec<_> = roots.into_iter().collect();
        let mut family = HashSet::new();
        while let Some(txid) = open.pop() {
            if self.entries.contains_key(&txid) && family.insert(txid) {
                open.extend(self.children(&txid));
            }
        }
        family
    }

    fn children(&self, txid: &Txid) -> Vec<Txid> {
        let outputs = self.entries.get(txid).map_or(0, |e| e.tx.output.len());
        let spends = (0..u32::try_from(outputs).unwrap_or(0)).filter_map(|vout| {
            let outpoint = OutPoint { txid: *txid, vout };
            self.spend(&outpoint).map(|spend| spend.txid)
        });
        // A child that spends two outputs of the same parent is still one child.
        spends.collect::<HashSet<_>>().into_iter().collect()
    }

    /// What goes into the next block: higher fee rates first, but no child before its parents.
    pub(crate) fn select(&self, mut room: Room) -> Vec<&Entry> {
        let rank = |entry: &Entry, txid| (entry.fee_rate(), u64::MAX - entry.arrival, txid);
        let (mut waiting, mut ready) = (HashMap::new(), BinaryHeap::new());
        for (txid, entry) in &self.entries {
            match self.parents(&entry.tx) {
                0 => ready.push(rank(entry, *txid)),
                parents => drop(waiting.insert(*txid, parents)),
            }
        }
        let mut chosen = Vec::new();
        while let Some((_, _, txid)) = ready.pop() {
            let fitting = self.entries.get(&txid).filter(|entry| room.take(entry));
            let Some(entry) = fitting else {
                continue;
            };
            chosen.push(entry);
            for child in self.children(&txid) {
                let Some(parents) = waiting.get_mut(&child) else {
                    continue;
                };
                *parents -= 1;
                if *parents == 0
                    && let Some(entry) = self.entries.get(&child)
                {
                    ready.push(rank(entry, child));
                }
            }
        }
        chosen
    }

    /// How many waiting transactions it spends from.
    fn parents(&self, tx: &Transaction) -> usize {
        let parents = tx.input.iter().map(|input| input.previous_output.txid);
        let waiting = parents.filter(|txid| self.entries.contains_key(txid));
        waiting.collect::<HashSet<_>>().len()
    }

    pub(crate) fn get(&self, txid: &Txid) -> Option<&Entry> {
        self.entries.get(txid)
    }

    /// All that wait, oldest first.
    pub(crate) fn arrivals(&self) -> Vec<(Txid, &Entry)> {
        let mut all: Vec<_> = self.entries.iter().map(|(txid, e)| (*txid, e)).collect();
        all.sort_by_key(|(_, entry)| entry.arrival);
        all
    }

    /// An output of a waiting transaction, spent or not.
    pub(crate) fn output(&self, outpoint: &OutPoint) -> Option<&TxOut> {
        let entry = self.entries.get(&outpoint.txid)?;
        entry.tx.output.get(usize::try_from(outpoint.vout).ok()?)
    }

    /// The waiting input that spends an output.
    pub(crate) fn spend(&self, outpoint: &OutPoint) -> Option<Spend> {
        self.spends.get(outpoint).copied()
    }
}
