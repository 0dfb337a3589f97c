//! Where headers come from: a Bitcoin node's RPC, an Esplora server, or peers.
//!
//! None of them is trusted. What they send must carry the work that the rules demand, and where
//! there are several, [`sync()`] compares them. A source can still withhold the newest blocks, or
//! be slow; that is all that it can do without mining.

mod compare;
mod esplora;
mod login;
mod peer;
mod rpc;
mod sync;
mod text;
mod wire;

use async_trait::async_trait;
use bitcoin::BlockHash;
use bitcoin::block::Header;

use super::{Point, Result};

pub use esplora::Esplora;
pub use login::RpcAuth;
pub use peer::{Peer, seed_addresses};
pub use rpc::NodeRpc;
pub use sync::{Fault, Progress, Synced, sync};

/// The most headers that are asked for at once, which is what peers send at once.
pub const MAX_HEADERS: u32 = 2000;

/// A block, as it is named to a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockAt {
    /// The block's height.
    pub height: u32,
    /// The block's hash.
    pub hash: BlockHash,
}

impl From<Point> for BlockAt {
    fn from(point: Point) -> Self {
        Self {
            height: point.height,
            hash: point.hash,
        }
    }
}

/// Something that has Bitcoin's headers.
#[async_trait]
pub trait HeaderSource: Send + Sync {
    /// What to call it in messages to people. Holds no secrets.
    fn name(&self) -> &str;

    /// The height of its last block, as far as it says.
    async fn tip_height(&self) -> Result<u32>;

    /// At most `count` headers that follow the block `after`, in order; none if it is the last.
    ///
    /// The block is named by both its height and its hash because nodes and servers look it up by
    /// height, and peers by hash. If the source's chain doesn't have it, what is returned doesn't
    /// link to it, and that is how the caller can tell.
    async fn headers_after(&self, after: BlockAt, count: u32) -> Result<Vec<Header>>;
}
