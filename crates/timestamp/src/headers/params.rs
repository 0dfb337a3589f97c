//! The rules of a network, as far as headers follow them.

mod networks;

use bitcoin::block::Header;
use bitcoin::p2p::Magic;
use bitcoin::{BlockHash, CompactTarget, Network, Target, Work};

use super::{Error, Result};

/// A block that is known to be in the network's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// The block's height.
    pub height: u32,
    /// The block's hash.
    pub hash: BlockHash,
}

/// The rules of a network, as far as headers follow them.
///
/// On **signet**, blocks must also be signed by the network's operator. Headers don't carry that
/// signature, so it isn't checked: a signet header proves no more than its little work.
#[derive(Debug, Clone)]
pub struct Params {
    pub(super) name: &'static str,
    pub(super) genesis: Header,
    /// The easiest target there is.
    pub(super) limit: Target,
    pub(super) spacing_s: u64,
    /// The number of blocks after which the difficulty changes.
    pub(super) interval: u32,
    pub(super) retargets: bool,
    /// Testnets: a block that comes 20 minutes after the last may (and must) be an easy one.
    pub(super) easy_when_late: bool,
    /// Testnet4 (BIP 94): a retarget starts from the period's first difficulty, and a period
    /// can't begin long before the last one ended.
    pub(super) bip94: bool,
    /// In order of height.
    pub(super) checkpoints: Vec<Checkpoint>,
    pub(super) min_work: Work,
    pub(super) magic: Magic,
    pub(super) port: u16,
    pub(super) seeds: &'static [&'static str],
}

/// A made-up network, for tests.
#[derive(Debug, Clone)]
pub struct Custom {
    /// The first header. Its `bits` are the easiest that there are.
    pub genesis: Header,
    /// The seconds between blocks that retargets aim at.
    pub spacing_s: u64,
    /// The number of blocks after which the difficulty changes; at least 1.
    pub interval: u32,
    /// Known blocks, in any order.
    pub checkpoints: Vec<Checkpoint>,
    /// The least total work to rely on where no checkpoint follows.
    pub min_work: Work,
}

impl Params {
    /// A made-up network, which otherwise follows mainnet's rules and speaks regtest's protocol.
    pub fn custom(custom: Custom) -> Self {
        let mut checkpoints = custom.checkpoints;
        checkpoints.sort_by_key(|checkpoint| checkpoint.height);
        Self {
            name: "custom",
            limit: Target::from_compact(custom.genesis.bits),
            genesis: custom.genesis,
            spacing_s: custom.spacing_s,
            interval: custom.interval.max(1),
            retargets: true,
            easy_when_late: false,
            checkpoints,
            min_work: custom.min_work,
            ..Self::regtest()
        }
    }

    /// The network's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The first header.
    pub fn genesis(&self) -> Header {
        self.genesis
    }

    /// Known blocks, in order of height.
    pub fn checkpoints(&self) -> &[Checkpoint] {
        &self.checkpoints
    }

    /// The least total work that the network's chain has had.
    pub fn min_work(&self) -> Work {
        self.min_work
    }

    /// The port that peers listen on by default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What every message between the network's peers begins with.
    pub fn magic(&self) -> Magic {
        self.magic
    }

    /// Names that resolve to the addresses of peers.
    pub fn dns_seeds(&self) -> &'static [&'static str] {
        self.seeds
    }

    /// The last checkpoint at or below this height.
    pub fn checkpoint_below(&self, height: u32) -> Option<Checkpoint> {
        let after = self
            .checkpoints
            .partition_point(|known| known.height <= height);
        self.checkpoints.get(after.checked_sub(1)?).copied()
    }

    /// Objects if another block is known to be at this height.
    pub(super) fn check_checkpoint(&self, height: u32, found: BlockHash) -> Result<()> {
        match self.checkpoint_below(height) {
            Some(known) if known.height == height && known.hash != found => {
                Err(Error::CheckpointMismatch {
                    height,
                    expected: known.hash,
                    found,
                })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn easiest_bits(&self) -> CompactTarget {
        self.limit.to_compact_lossy()
    }

    /// The seconds that a period should take.
    pub(super) fn period_s(&self) -> u64 {
        self.spacing_s.saturating_mul(u64::from(self.interval))
    }

    fn of(network: Network) -> Self {
        let rules = bitcoin::params::Params::new(network);
        Self {
            name: "",
            genesis: bitcoin::constants::genesis_block(network).header,
            limit: rules.max_attainable_target,
            spacing_s: rules.pow_target_spacing,
            interval: rules.miner_confirmation_window,
            retargets: !rules.no_pow_retargeting,
            easy_when_late: rules.allow_min_difficulty_blocks,
            bip94: false,
            checkpoints: Vec::new(),
            min_work: Work::from_be_bytes([0; 32]),
            magic: Magic::from_params(rules),
            port: 0,
            seeds: &[],
        }
    }
}
