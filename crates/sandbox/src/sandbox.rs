//! The sandbox as its users see it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use bitcoin::block::Header;
use bitcoin::{Block, BlockHash, ScriptBuf, Transaction, Txid};

use crate::server::{Server, Shared};
use crate::world::World;
use crate::{Error, Reject};

/// The loopback address, and whichever port is free.
const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The last block of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// How many blocks are before it.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
}

/// A running regtest chain with its Esplora server. Dropping it ends both.
///
/// All calls are short and block, so they can be made from async code too. Calls and requests take turns.
pub struct Sandbox {
    shared: Shared,
    server: Server,
}

impl Sandbox {
    /// Starts a chain of 101 blocks, so that the miner has 100 bitcoin to spend, and the server.
    pub fn start() -> Result<Self, Error> {
        Self::serve(World::open(None)?, ANY_PORT)
    }

    /// As [`start`](Self::start), but the chain goes on from the blocks that a sandbox left in this folder, if any
    /// did, and leaves its own there. What waited for a block isn't kept: wallets send it again. One process at a
    /// time may have the folder. Port 0 takes any free one.
    pub fn open(folder: &Path, listen: SocketAddr) -> Result<Self, Error> {
        std::fs::create_dir_all(folder).map_err(|why| Error::system("make the folder", why))?;
        Self::serve(World::open(Some(&folder.join("blocks.dat")))?, listen)
    }

    fn serve(world: World, listen: SocketAddr) -> Result<Self, Error> {
        let shared = Shared::new(world);
        let server = Server::start(shared.clone(), listen)?;
        Ok(Self { shared, server })
    }

    /// Ends the server and the chain, as dropping does.
    pub fn stop(self) {}

    /// Where the Esplora API is: `http://127.0.0.1:PORT`, without a slash at the end. `POST /` there speaks a little
    /// of Bitcoin Core's JSON-RPC.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// The last block.
    pub fn tip(&self) -> Tip {
        let world = self.shared.world();
        Tip {
            height: world.index.tip_height(),
            hash: world.index.tip_hash(),
        }
    }

    /// The header at a height of the chain.
    pub fn header(&self, height: u32) -> Result<Header, Error> {
        Ok(self.block(height)?.header)
    }

    /// The block at a height of the chain.
    pub fn block(&self, height: u32) -> Result<Block, Error> {
        self.shared.world().block_at(height)
    }

    /// Mines blocks that pay the sandbox's own miner. The first takes what waits in the mempool.
    pub fn mine(&self, count: u32) -> Result<Vec<BlockHash>, Error> {
        let mut world = self.shared.world();
        let script = world.miner_script();
        world.mine(&script, count)
    }

    /// Mines blocks that pay to a script or an [address](bitcoin::Address).
    pub fn mine_to(
        &self,
        script_pubkey: impl Into<ScriptBuf>,
        count: u32,
    ) -> Result<Vec<BlockHash>, Error> {
        self.shared.world().mine(&script_pubkey.into(), count)
    }

    /// Pays from the miner's wallet to a script or an [address](bitcoin::Address). The payment waits in the mempool
    /// until a block is mined.
    pub fn fund(&self, to: impl Into<ScriptBuf>, amount_sat: u64) -> Result<Txid, Error> {
        self.shared.world().fund(to.into(), amount_sat)
    }

    /// Abandons the last `depth` blocks for a branch of `depth + 1` empty ones, whose hashes come back. Transactions
    /// of the abandoned blocks wait in the mempool again, unless they spent rewards of those blocks.
    pub fn reorg(&self, depth: u32) -> Result<Vec<BlockHash>, Error> {
        self.shared.world().reorg(depth)
    }

    /// Offers a transaction to the mempool.
    pub fn submit(&self, tx: Transaction) -> Result<Txid, Reject> {
        self.shared.world().submit(tx)
    }

    /// Drops a transaction, and all that build on it, from the mempool, as a full one would. Says whether it was
    /// there. It may be sent again.
    pub fn evict(&self, txid: &Txid) -> bool {
        self.shared.world().mempool.evict(txid)
    }

    /// What waits for a block, oldest first.
    pub fn mempool_txids(&self) -> Vec<Txid> {
        let world = self.shared.world();
        let arrivals = world.mempool.arrivals();
        arrivals.into_iter().map(|(txid, _)| txid).collect()
    }

    /// A transaction of the chain or the mempool.
    pub fn transaction(&self, txid: &Txid) -> Option<Transaction> {
        self.shared.world().transaction(txid).cloned()
    }

    /// How many blocks a transaction is deep: 1 in the last block, 0 in the mempool, nothing if it isn't known.
    pub fn confirmations(&self, txid: &Txid) -> Option<u32> {
        let world = self.shared.world();
        match world.index.place(txid) {
            Some(place) => Some(world.index.tip_height() - place.height + 1),
            None => world.mempool.get(txid).map(|_| 0),
        }
    }

    /// What `/fee-estimates` says, for every target. 2 sat/vB from the start.
    pub fn set_fee_estimate_sat_per_vb(&self, estimate: f64) {
        let mut world = self.shared.world();
        world.set_fee_estimate_sat_per_vb(estimate);
    }

    /// Takes the server away (`true`) or brings it back. While it is away every request is answered with
    /// `502 Bad Gateway`, which clients don't try again by themselves; calls on `self` go on working.
    pub fn pause_api(&self, paused: bool) {
        self.shared.set_paused(paused);
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Sandbox");
        shown.field("url", &self.url()).finish_non_exhaustive()
    }
}
