//! Chains of headers, mined on the spot where that is easy. Shared with the unit tests of the
//! store, so it names the crate by way of its parent.

use std::sync::Arc;

use bitcoin::block::{Header, Version};
use bitcoin::hashes::Hash;
use bitcoin::{BlockHash, CompactTarget, Target, TxMerkleNode, Work};

use super::api::{Custom, Params};

/// 128 hashes a block. The `bitcoin` crate's retarget, which serves as the oracle, overflows with
/// anything much easier.
const RETARGETING_BITS: u32 = 0x2002_0000;
pub const INTERVAL: u32 = 16;
pub const START_UNIX_S: u32 = 1_296_688_602;

/// A chain, and what is needed to make it longer.
#[derive(Debug, Clone)]
pub struct Miner {
    pub params: Arc<Params>,
    pub headers: Vec<Header>,
    rules: Option<bitcoin::params::Params>,
}

impl Miner {
    /// Regtest: two hashes a block, no retargets, nothing known.
    pub fn regtest(blocks: u32) -> Self {
        let params = Params::regtest();
        let headers = vec![params.genesis()];
        let mut miner = Self {
            params: Arc::new(params),
            headers,
            rules: None,
        };
        miner.grow(blocks, 600, 0);
        miner
    }

    /// A retarget every 16 blocks, which should be a second apart.
    pub fn retargeting() -> Self {
        let custom = retargeting_network();
        let mut rules = bitcoin::params::Params::MAINNET;
        rules.max_attainable_target = Target::from_compact(custom.genesis.bits);
        rules.pow_target_timespan = u64::from(INTERVAL);
        Self {
            headers: vec![custom.genesis],
            params: Arc::new(Params::custom(custom)),
            rules: Some(rules),
        }
    }

    /// The chain up to this height, to go on differently.
    pub fn fork(&self, height: u32) -> Self {
        let mut fork = self.clone();
        fork.headers.truncate(height as usize + 1);
        fork
    }

    /// Adds blocks that are `step_s` apart. Chains with different salts have different blocks.
    pub fn grow(&mut self, blocks: u32, step_s: u32, salt: u8) -> &mut Self {
        for _ in 0..blocks {
            let tip = self.tip();
            let header = mine(&tip, tip.time + step_s, self.next_bits(), salt);
            self.headers.push(header);
        }
        self
    }

    /// Adds blocks that are as close together as the rules allow.
    pub fn grow_fast(&mut self, blocks: u32, salt: u8) -> &mut Self {
        for _ in 0..blocks {
            let tip = self.tip();
            let recent = self.headers.iter().rev().take(11);
            let mut times: Vec<_> = recent.map(|header| header.time).collect();
            times.sort_unstable();
            let time = times[times.len() / 2] + 1;
            self.headers.push(mine(&tip, time, self.next_bits(), salt));
        }
        self
    }

    pub fn tip(&self) -> Header {
        *self.headers.last().unwrap()
    }

    pub fn height(&self) -> u32 {
        self.headers.len() as u32 - 1
    }

    pub fn hash(&self, height: u32) -> BlockHash {
        self.headers[height as usize].block_hash()
    }

    /// A time at which all blocks are in the past.
    pub fn now(&self) -> u64 {
        u64::from(self.tip().time) + 60
    }

    pub fn work(&self) -> Work {
        let works = self.headers.iter().map(Header::work);
        works.reduce(|sum, work| sum + work).unwrap()
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.headers
            .iter()
            .flat_map(bitcoin::consensus::serialize)
            .collect()
    }

    /// What the oracle demands of the next block.
    pub fn next_bits(&self) -> CompactTarget {
        let tip = self.tip();
        match &self.rules {
            Some(rules) if (self.height() + 1).is_multiple_of(INTERVAL) => {
                let first = self.headers[(self.height() + 1 - INTERVAL) as usize];
                let took_s = u64::from(tip.time.saturating_sub(first.time));
                CompactTarget::from_next_work_required(tip.bits, took_s, rules)
            }
            _ => tip.bits,
        }
    }
}

pub fn retargeting_network() -> Custom {
    let nobody = Header {
        version: Version::ONE,
        prev_blockhash: BlockHash::all_zeros(),
        merkle_root: TxMerkleNode::all_zeros(),
        time: START_UNIX_S,
        bits: CompactTarget::from_consensus(RETARGETING_BITS),
        nonce: 0,
    };
    Custom {
        genesis: with_work(nobody),
        spacing_s: 1,
        interval: INTERVAL,
        checkpoints: Vec::new(),
        min_work: Work::from_be_bytes([0; 32]),
    }
}

pub fn mine(previous: &Header, time: u32, bits: CompactTarget, salt: u8) -> Header {
    with_work(Header {
        version: Version::TWO,
        prev_blockhash: previous.block_hash(),
        merkle_root: TxMerkleNode::from_byte_array([salt; 32]),
        time,
        bits,
        nonce: 0,
    })
}

/// The header with a nonce that makes it meet its own target.
pub fn with_work(mut header: Header) -> Header {
    while !header.target().is_met_by(header.block_hash()) {
        header.nonce += 1;
    }
    header
}

/// The header with a nonce that makes it miss its own target.
#[allow(dead_code, reason = "the tests of the store do without")]
pub fn without_work(mut header: Header) -> Header {
    while header.target().is_met_by(header.block_hash()) {
        header.nonce += 1;
    }
    header
}
