//! The chain, as an Esplora server or a Bitcoin node shows it.
//!
//! [`ChainSource`] is all that wallets need of it. Every answer is bounded in time, and what a
//! source says is checked as far as that goes ([`ChainError::Contradiction`]): whoever lies can hide
//! money and invent some that waits for a block, but not a payment in a block.

mod bitcoind;
mod check;
mod error;
mod esplora;
mod look;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bdk_wallet::Wallet;
use bitcoin::block::Header;
use bitcoin::constants::genesis_block;
use bitcoin::{BlockHash, Network, OutPoint, Transaction};

use bitcoind::Bitcoind;
use esplora::Esplora;

use crate::boxed;

pub use error::ChainError;
pub use look::{Ask, Seen};

/// The least that is paid for a byte, and what is paid where a source has no estimate.
pub const FEE_RATE_SAT_PER_VB_MIN: f64 = 1.0;
/// An estimate above this is a lie or a fault, and isn't passed on.
const FEE_RATE_SAT_PER_VB_MAX: f64 = 10_000.0;
/// How often it is asked again because a block came in between.
pub(super) const MOVES_MAX: u32 = 3;
/// So many answers may be taken in until a wallet is up to date: it is years of blocks.
pub(super) const ROUNDS_MAX: u32 = 100_000;

/// Whoever shows us the chain. Clones share one client.
#[derive(Clone)]
pub struct ChainSource(Arc<Inner>);

struct Inner {
    kind: Kind,
    network: Network,
    /// True once its first block was compared with the network's.
    is_known: AtomicBool,
}

enum Kind {
    Esplora(Esplora),
    Bitcoind(Bitcoind),
}

/// The last block of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// How many blocks are before it.
    pub height: u32,
    /// Its hash.
    pub hash: BlockHash,
}

impl Tip {
    /// The last block that a wallet knows.
    #[must_use]
    pub fn of(wallet: &Wallet) -> Self {
        let tip = wallet.latest_checkpoint();
        Self {
            height: tip.height(),
            hash: tip.hash(),
        }
    }
}

/// What a byte costs, by how soon it is to be in a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FeeRates(Vec<(u16, f64)>);

impl FeeRates {
    /// From pairs of blocks and rates. What isn't a sensible rate is left out.
    #[must_use]
    pub fn new(estimates: impl IntoIterator<Item = (u16, f64)>) -> Self {
        let is_sensible = |rate: f64| rate.is_finite() && rate > 0.0;
        let mut rates: Vec<(u16, f64)> = estimates
            .into_iter()
            .filter(|(_, rate)| is_sensible(*rate) && *rate <= FEE_RATE_SAT_PER_VB_MAX)
            .collect();
        rates.sort_by_key(|(blocks, _)| *blocks);
        Self(rates)
    }

    /// What to pay in order to be in one of the next `target_blocks` blocks.
    #[must_use]
    pub fn sat_per_vb(&self, target_blocks: u16) -> f64 {
        let in_time = self.0.iter().rfind(|(blocks, _)| *blocks <= target_blocks);
        let soonest = self.0.first();
        in_time
            .or(soonest)
            .map_or(FEE_RATE_SAT_PER_VB_MIN, |(_, rate)| {
                rate.max(FEE_RATE_SAT_PER_VB_MIN)
            })
    }
}

/// Where a transaction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxState {
    /// The source doesn't know it.
    Unknown,
    /// It waits for a block.
    Waiting,
    /// Another one spends the same coin, in a block.
    Replaced,
    /// It is in a block.
    Confirmed {
        /// The block's height.
        height: u32,
        /// How many blocks there are from that block on.
        confirmations: u32,
        /// The block's header.
        header: Header,
        /// The hashes from the transaction to the header's Merkle root.
        siblings: Vec<[u8; 32]>,
        /// The transaction's place in the block.
        position: usize,
    },
}

impl ChainSource {
    /// An Esplora server, by its address up to and without the path of an endpoint.
    ///
    /// # Errors
    /// `Setup` if the address is of no use.
    pub fn esplora(url: &str, network: Network, timeout: Duration) -> Result<Self, ChainError> {
        Ok(Self::of(
            Kind::Esplora(Esplora::new(url, network, timeout)?),
            network,
        ))
    }

    /// A Bitcoin node, by the address of its RPC and the file with its `user:password`.
    ///
    /// # Errors
    /// `Setup` if the address or the file is of no use.
    pub fn bitcoind(
        url: &str,
        cookie: Option<&Path>,
        network: Network,
        timeout: Duration,
    ) -> Result<Self, ChainError> {
        let node = Bitcoind::new(url, cookie, network, timeout)?;
        Ok(Self::of(Kind::Bitcoind(node), network))
    }

    fn of(kind: Kind, network: Network) -> Self {
        Self(Arc::new(Inner {
            kind,
            network,
            is_known: AtomicBool::new(false),
        }))
    }

    /// The network that it has to be of.
    #[must_use]
    pub fn network(&self) -> Network {
        self.0.network
    }

    /// Whether it can tell all about an address at once. Otherwise, all blocks have to be read.
    #[must_use]
    pub fn has_index(&self) -> bool {
        matches!(self.0.kind, Kind::Esplora(_))
    }

    /// The last block.
    ///
    /// # Errors
    /// `Unreachable` or `WrongNetwork`, mostly.
    #[boxed]
    pub async fn tip(&self) -> Result<Tip, ChainError> {
        self.check_network().await?;
        match &self.0.kind {
            Kind::Esplora(server) => server.tip().await,
            Kind::Bitcoind(node) => node.tip().await,
        }
    }

    /// What a byte costs at present.
    ///
    /// # Errors
    /// `Unreachable` or `WrongNetwork`, mostly.
    #[boxed]
    pub async fn fee_rates(&self) -> Result<FeeRates, ChainError> {
        self.check_network().await?;
        match &self.0.kind {
            Kind::Esplora(server) => server.fee_rates().await,
            Kind::Bitcoind(node) => node.fee_rates().await,
        }
    }

    /// Sends a transaction. Again does no harm, also when it is in a block already.
    ///
    /// # Errors
    /// `Refused` if the network doesn't take it; otherwise it isn't known whether it was sent.
    #[boxed]
    pub async fn broadcast(&self, tx: &Transaction) -> Result<(), ChainError> {
        self.check_network().await?;
        match &self.0.kind {
            Kind::Esplora(server) => server.broadcast(tx).await,
            Kind::Bitcoind(node) => node.broadcast(tx).await,
        }
    }

    /// Where a transaction is, with a proof if it is in a block. `spends` is an output that it
    /// spends: whoever else spends that has won.
    ///
    /// # Errors
    /// `Unreachable`, or `Contradiction` if the proof is wrong.
    #[boxed]
    pub async fn tx_state(
        &self,
        tx: &Transaction,
        spends: Option<OutPoint>,
    ) -> Result<TxState, ChainError> {
        self.check_network().await?;
        match &self.0.kind {
            Kind::Esplora(server) => server.tx_state(tx, spends).await,
            Kind::Bitcoind(node) => node.tx_state(tx, spends).await,
        }
    }

    /// Brings a wallet up to date, as far as its addresses are known to it. Nothing is persisted.
    ///
    /// # Errors
    /// Any of a source; the wallet is as it was then, or has taken in some more blocks.
    #[boxed]
    pub async fn sync(&self, wallet: &mut Wallet, now_unix_s: u64) -> Result<Tip, ChainError> {
        self.bring_up(wallet, |wallet| Ask::sync(wallet, now_unix_s))
            .await
    }

    /// The same for a wallet that has just been restored: also addresses that it doesn't know of
    /// yet are looked for.
    ///
    /// # Errors
    /// Like [`Self::sync`].
    #[boxed]
    pub async fn full_scan(&self, wallet: &mut Wallet, now_unix_s: u64) -> Result<Tip, ChainError> {
        self.bring_up(wallet, |wallet| Ask::full_scan(wallet, now_unix_s))
            .await
    }

    async fn bring_up(
        &self,
        wallet: &mut Wallet,
        ask: impl Fn(&Wallet) -> Ask + Send + Sync,
    ) -> Result<Tip, ChainError> {
        let mut moves = 0;
        for _ in 0..ROUNDS_MAX {
            let seen = self.look(ask(wallet)).await;
            match seen.and_then(|seen| seen.apply(wallet)) {
                Ok(true) => return Ok(Tip::of(wallet)),
                Ok(false) => {}
                Err(ChainError::Moved) if moves < MOVES_MAX => moves += 1,
                Err(error) => return Err(error),
            }
        }
        Err(ChainError::Unreadable("the chain has no end".into()))
    }

    /// Asks for what is new, without a wallet being held meanwhile. [`Seen::apply`] takes it in,
    /// and says whether that was all.
    ///
    /// # Errors
    /// Any of a source; after `Moved` it is worth asking anew.
    #[boxed]
    pub async fn look(&self, ask: Ask) -> Result<Seen, ChainError> {
        self.check_network().await?;
        match &self.0.kind {
            Kind::Esplora(server) => server.look(ask).await,
            Kind::Bitcoind(node) => node.look(ask).await,
        }
    }

    /// Compares the first block, once.
    async fn check_network(&self) -> Result<(), ChainError> {
        if self.0.is_known.load(Ordering::Relaxed) {
            return Ok(());
        }
        let first = match &self.0.kind {
            Kind::Esplora(server) => server.first_block().await?,
            Kind::Bitcoind(node) => node.first_block().await?,
        };
        let expected = self.0.network;
        if first != genesis_block(expected).block_hash() {
            return Err(ChainError::WrongNetwork { expected });
        }
        self.0.is_known.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl std::fmt::Debug for ChainSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.0.kind {
            Kind::Esplora(_) => "Esplora",
            Kind::Bitcoind(_) => "Bitcoind",
        };
        // Its address may have a password in it.
        write!(f, "ChainSource({kind}, {})", self.0.network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_longest_time_that_is_short_enough() {
        let rates = FeeRates::new([(25, 2.0), (3, 9.5), (6, 5.0), (1, f64::NAN), (2, -1.0)]);
        assert_eq!(rates.sat_per_vb(6), 5.0);
        assert_eq!(rates.sat_per_vb(24), 5.0);
        assert_eq!(rates.sat_per_vb(1_000), 2.0);
        // Nothing is said of so soon a block, so the soonest counts.
        assert_eq!(rates.sat_per_vb(1), 9.5);
        assert_eq!(FeeRates::new([(6, 0.1)]).sat_per_vb(6), 1.0);
        assert_eq!(FeeRates::default().sat_per_vb(6), 1.0);
        assert_eq!(FeeRates::new([(6, 1.0e9)]).sat_per_vb(6), 1.0);
    }
}
