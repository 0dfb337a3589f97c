//! The chain that a suite runs on: the sandbox's, or that of a real Bitcoin Core.
//!
//! Every suite runs on the sandbox. [`on_bitcoin_core`] runs it once more on `bitcoind -regtest`, where one is on the
//! path.
#![allow(
    dead_code,
    clippy::print_stdout,
    reason = "each suite needs a part of it, and says what it skips"
)]

mod bitcoin_core;
mod relay;

use std::path::PathBuf;
use std::process::Command;

use sandbox::Sandbox;
use sandbox::bitcoin::{Address, BlockHash, Transaction, Txid};
use wallet::lightning::ChainSource;

use self::bitcoin_core::BitcoinCore;

/// Set for the second run.
const ON_CORE: &str = "FREEHOLD_TEST_BITCOIN_CORE";
/// The name of the test that starts the second run, and isn't in it.
const SECOND_RUN: &str = "the_same_on_bitcoin_core";

/// A chain of one's own. Dropping it ends it.
pub enum Regtest {
    Sandbox(Sandbox),
    Core(BitcoinCore),
}

/// The last block.
pub struct Tip {
    pub height: u32,
    pub hash: BlockHash,
}

/// Runs `$ask` on whichever it is.
macro_rules! on {
    ($chain:expr, $it:ident => $ask:expr) => {
        match $chain {
            Regtest::Sandbox($it) => $ask.map_err(|why| why.to_string()),
            Regtest::Core($it) => $ask,
        }
    };
}

impl Regtest {
    pub fn start() -> Self {
        match std::env::var_os(ON_CORE) {
            None => Self::Sandbox(Sandbox::start().unwrap()),
            Some(_) => Self::Core(BitcoinCore::start()),
        }
    }

    pub fn is_core(&self) -> bool {
        matches!(self, Self::Core(_))
    }

    /// Where its RPC is, and the sandbox's Esplora server.
    pub fn url(&self) -> String {
        match self {
            Self::Sandbox(sandbox) => sandbox.url(),
            Self::Core(core) => core.url(),
        }
    }

    /// A file with the `user:password` that its RPC wants.
    pub fn login(&self) -> Option<PathBuf> {
        match self {
            Self::Sandbox(_) => None,
            Self::Core(core) => Some(core.login()),
        }
    }

    /// Where a Lightning node reads it, for [`lightning_source`].
    pub fn lightning_url(&self) -> String {
        match self {
            Self::Sandbox(sandbox) => sandbox.url(),
            Self::Core(core) => core.url_with_login(),
        }
    }

    pub fn tip(&self) -> Tip {
        match self {
            Self::Sandbox(sandbox) => {
                let sandbox::Tip { height, hash } = sandbox.tip();
                Tip { height, hash }
            }
            Self::Core(core) => core.tip(),
        }
    }

    pub fn mine(&self, blocks: u32) -> Result<Vec<BlockHash>, String> {
        on!(self, chain => chain.mine(blocks))
    }

    pub fn mine_to(&self, to: Address, blocks: u32) -> Result<Vec<BlockHash>, String> {
        on!(self, chain => chain.mine_to(to, blocks))
    }

    /// Pays to an address; the payment waits for a block.
    pub fn fund(&self, to: Address, amount_sat: u64) -> Result<Txid, String> {
        on!(self, chain => chain.fund(to, amount_sat))
    }

    /// Puts a longer branch of empty blocks in place of the last ones.
    pub fn reorg(&self, depth: u32) -> Result<Vec<BlockHash>, String> {
        on!(self, chain => chain.reorg(depth))
    }

    /// The mempool forgets a transaction; says whether it was there.
    pub fn evict(&self, txid: &Txid) -> bool {
        match self {
            Self::Sandbox(sandbox) => sandbox.evict(txid),
            Self::Core(core) => core.evict(txid),
        }
    }

    pub fn mempool_txids(&self) -> Vec<Txid> {
        match self {
            Self::Sandbox(sandbox) => sandbox.mempool_txids(),
            Self::Core(core) => core.mempool_txids(),
        }
    }

    pub fn transaction(&self, txid: &Txid) -> Option<Transaction> {
        match self {
            Self::Sandbox(sandbox) => sandbox.transaction(txid),
            Self::Core(core) => core.transaction(txid),
        }
    }

    /// 0 if it waits, nothing if it isn't known.
    pub fn confirmations(&self, txid: &Txid) -> Option<u32> {
        match self {
            Self::Sandbox(sandbox) => sandbox.confirmations(txid),
            Self::Core(core) => core.confirmations(txid),
        }
    }

    /// What it says that a byte costs, 2 sat/vB from the start.
    pub fn set_fee_estimate_sat_per_vb(&self, estimate: f64) {
        match self {
            Self::Sandbox(sandbox) => sandbox.set_fee_estimate_sat_per_vb(estimate),
            Self::Core(core) => core.relay.set_fee_estimate_sat_per_vb(estimate),
        }
    }

    /// Takes it away from those who ask, or brings it back.
    pub fn pause_api(&self, is_paused: bool) {
        match self {
            Self::Sandbox(sandbox) => sandbox.pause_api(is_paused),
            Self::Core(core) => core.relay.set_paused(is_paused),
        }
    }
}

/// An address with `user:password@` is that of a Bitcoin node's RPC, any other an Esplora server's.
pub fn lightning_source(url: String) -> ChainSource {
    let parts = url.strip_prefix("http://").and_then(|rest| {
        let (login, host) = rest.split_once('@')?;
        Some((login.split_once(':')?, host.split_once(':')?))
    });
    let Some(((user, password), (host, port))) = parts else {
        return ChainSource::Esplora { url };
    };
    ChainSource::BitcoindRpc {
        host: host.into(),
        port: port.parse().unwrap(),
        user: user.into(),
        password: password.into(),
    }
}

/// Runs this suite again, on a real Bitcoin Core, without the tests whose names begin with one of these. Says so if
/// there is none.
pub fn on_bitcoin_core(without: &[&str]) {
    if std::env::var_os(ON_CORE).is_some() {
        return;
    }
    if Command::new("bitcoind").arg("--version").output().is_err() {
        println!("SKIPPED: there is no bitcoind on the path");
        return;
    }
    let program = std::env::current_exe().unwrap();
    // Each test starts a node of its own.
    let status = Command::new(program)
        .args(["--test-threads", "2", "--skip", SECOND_RUN])
        .args(without.iter().flat_map(|name| ["--skip", name]))
        .env(ON_CORE, "1")
        .status();
    assert!(status.unwrap().success(), "it fails on Bitcoin Core");
}
