//! Headers straight from Bitcoin's peers: no server, no account, nobody to ask.
//!
//! The crate `bip157` has a headers-only mode, and was considered. It is a light client with a
//! life of its own: it chooses its peers itself and doesn't say which of them sent a header, so
//! that answers of several can't be compared; it takes only peers with block filters once it has
//! caught up; it keeps every header in memory, in two maps, and hands them out through an
//! unbounded queue; and its summary holds the last ten. Here, one question and one answer are all
//! that is needed, so this asks them itself and leaves the codec to the `bitcoin` crate.
//!
//! The connection isn't encrypted. What is asked doesn't depend on the proofs that are verified.

use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use bitcoin::block::Header;
use bitcoin::p2p::Magic;
use tokio::net::lookup_host;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::super::{Error, Params, Result};
use super::wire::{Outcome, Wire};
use super::{BlockAt, HeaderSource};

/// How long a peer may take for a connection or an answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const SEED_TIMEOUT: Duration = Duration::from_secs(5);

/// One peer of the network. It is connected to when it is first asked, and again after an error.
#[derive(Debug)]
pub struct Peer {
    name: String,
    address: SocketAddr,
    magic: Magic,
    timeout: Duration,
    wire: Mutex<Option<Wire>>,
}

impl Peer {
    /// A peer at this address.
    pub fn new(address: SocketAddr, params: &Params) -> Self {
        Self {
            name: format!("the peer {address}"),
            address,
            magic: params.magic(),
            timeout: TIMEOUT,
            wire: Mutex::new(None),
        }
    }

    /// The same peer, with another limit on how long it may take for an answer.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    async fn connected(&self) -> Result<Wire> {
        let connecting = Wire::connect(self.address, self.magic);
        self.in_time(connecting).await
    }

    async fn in_time<T>(&self, asking: impl Future<Output = Outcome<T>>) -> Result<T> {
        match timeout(self.timeout, asking).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(why)) => Err(Error::source(&self.name, why)),
            Err(_) => Err(Error::source(&self.name, "it did not answer in time")),
        }
    }
}

#[async_trait]
impl HeaderSource for Peer {
    fn name(&self) -> &str {
        &self.name
    }

    /// The height that the peer had when it was connected to.
    async fn tip_height(&self) -> Result<u32> {
        let mut slot = self.wire.lock().await;
        let wire = match slot.take() {
            Some(wire) => wire,
            None => self.connected().await?,
        };
        Ok(slot.insert(wire).height)
    }

    async fn headers_after(&self, after: BlockAt, count: u32) -> Result<Vec<Header>> {
        let mut slot = self.wire.lock().await;
        // Taken out, so that a connection which failed, or a question that was given up half-way,
        // is not used again.
        let mut wire = match slot.take() {
            Some(wire) => wire,
            None => self.connected().await?,
        };
        let mut headers = self.in_time(wire.headers_after(after.hash)).await?;
        *slot = Some(wire);
        headers.truncate(count as usize);
        Ok(headers)
    }
}

/// Addresses of peers, at most `max`, from the names that the network's developers keep for that.
/// Names that can't be resolved are passed over.
pub async fn seed_addresses(params: &Params, max: usize) -> Vec<SocketAddr> {
    let seeds = params.dns_seeds();
    // A few of each, so that no single name decides whom we talk to.
    let each = max.div_ceil(seeds.len().max(1));
    let mut addresses = Vec::new();
    for seed in seeds {
        let looking = lookup_host((*seed, params.port()));
        if let Ok(Ok(found)) = timeout(SEED_TIMEOUT, looking).await {
            addresses.extend(found.take(each));
        }
        if addresses.len() >= max {
            break;
        }
    }
    addresses.truncate(max);
    addresses
}
