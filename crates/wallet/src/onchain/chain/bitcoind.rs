//! A Bitcoin node, by its JSON-RPC. Its client blocks, so it runs on threads for that.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bdk_bitcoind_rpc::bitcoincore_rpc::jsonrpc::{self, minreq_http::MinreqHttpTransport};
use bdk_bitcoind_rpc::bitcoincore_rpc::{Client, Error, RpcApi as _};
use bdk_bitcoind_rpc::{BitcoindRpcErrorExt as _, Emitter, NO_EXPECTED_MEMPOOL_TXS};
use bdk_wallet::chain::BlockId;
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Network, OutPoint, Transaction, Txid};

use super::error::brief;
use super::esplora::has_arrived;
use super::look::News;
use super::{Ask, ChainError, FeeRates, Seen, Tip, TxState, check};

use crate::boxed;

/// Blocks that are read before they are taken in.
const BATCH_BLOCKS: usize = 50;
/// A mempool with more than this isn't read through for payments to us: they show in a block.
const MEMPOOL_READ_MAX: usize = 5_000;
/// A cookie is a name and 64 hex digits.
const COOKIE_BYTES_MAX: u64 = 4_096;
/// For how many blocks ahead a node is asked for a fee.
const FEE_TARGETS_BLOCKS: [u16; 5] = [1, 3, 6, 25, 144];
/// "Transaction already in block chain" or "outputs already in utxo set".
const RPC_VERIFY_ALREADY_IN_CHAIN: i32 = -27;
/// "Loading block index".
const RPC_IN_WARMUP: i32 = -28;

/// A client of one node.
pub(super) struct Bitcoind(Arc<Inner>);

struct Inner {
    url: String,
    cookie: Option<PathBuf>,
    network: Network,
    timeout: Duration,
    /// What was read of the mempool: all wallets look at it.
    read: Mutex<HashMap<Txid, Transaction>>,
}

impl Bitcoind {
    pub fn new(
        url: &str,
        cookie: Option<&Path>,
        network: Network,
        timeout: Duration,
    ) -> Result<Self, ChainError> {
        if !url.starts_with("http://") {
            let why = "a Bitcoin node's RPC address begins with http://";
            return Err(ChainError::Setup(why.into()));
        }
        Ok(Self(Arc::new(Inner {
            url: url.to_owned(),
            cookie: cookie.map(Path::to_owned),
            network,
            timeout,
            read: Mutex::default(),
        })))
    }

    /// Runs `ask` with a client, on a thread that may block.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Inner, &Client) -> Result<T, ChainError> + Send + 'static,
    ) -> Result<T, ChainError> {
        let inner = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || ask(&inner, &inner.client()?));
        let stopped = |_| ChainError::Unreachable("the program is stopping".into());
        task.await.map_err(stopped)?
    }

    #[boxed]
    pub async fn first_block(&self) -> Result<BlockHash, ChainError> {
        self.ask(|_, rpc| rpc.get_block_hash(0).map_err(fault))
            .await
    }

    #[boxed]
    pub async fn tip(&self) -> Result<Tip, ChainError> {
        self.ask(|_, rpc| {
            let hash = rpc.get_best_block_hash().map_err(fault)?;
            let height = rpc.get_block_header_info(&hash).map_err(fault)?.height;
            let height = u32::try_from(height).map_err(|_| ChainError::Moved)?;
            Ok(Tip { height, hash })
        })
        .await
    }

    #[boxed]
    pub async fn fee_rates(&self) -> Result<FeeRates, ChainError> {
        self.ask(|_, rpc| {
            let mut rates = Vec::new();
            for target_blocks in FEE_TARGETS_BLOCKS {
                let estimate = rpc.estimate_smart_fee(target_blocks, None).map_err(fault)?;
                if let Some(rate) = estimate.fee_rate {
                    rates.push((target_blocks, sat_per_vb(rate)));
                }
            }
            Ok(FeeRates::new(rates))
        })
        .await
    }

    #[boxed]
    pub async fn broadcast(&self, tx: &Transaction) -> Result<(), ChainError> {
        let tx = tx.clone();
        self.ask(move |_, rpc| match rpc.send_raw_transaction(&tx) {
            Ok(_) => Ok(()),
            Err(Error::JsonRpc(jsonrpc::Error::Rpc(error)))
                if error.code == RPC_VERIFY_ALREADY_IN_CHAIN || has_arrived(&error.message) =>
            {
                Ok(())
            }
            Err(Error::JsonRpc(jsonrpc::Error::Rpc(error))) if error.code != RPC_IN_WARMUP => {
                Err(ChainError::Refused(brief(error.message)))
            }
            Err(error) => Err(fault(error)),
        })
        .await
    }

    /// Goes by what waits and by the newest blocks: a node has no index of transactions.
    #[boxed]
    pub async fn tx_state(
        &self,
        tx: &Transaction,
        spends: Option<OutPoint>,
    ) -> Result<TxState, ChainError> {
        let txid = tx.compute_txid();
        self.ask(move |inner, rpc| inner.tx_state(rpc, txid, spends))
            .await
    }

    #[boxed]
    pub async fn look(&self, ask: Ask) -> Result<Seen, ChainError> {
        self.ask(move |inner, rpc| inner.look(rpc, &ask)).await
    }
}

impl Inner {
    /// A client with the cookie of now: a node writes a new one at each start.
    fn client(&self) -> Result<Client, ChainError> {
        let builder = MinreqHttpTransport::builder()
            .timeout(self.timeout)
            .url(&self.url)
            .map_err(|error| ChainError::Setup(brief(error)))?;
        let builder = match &self.cookie {
            Some(path) => builder.cookie_auth(read_cookie(path)?),
            None => builder,
        };
        let client = jsonrpc::Client::with_transport(builder.build());
        Ok(Client::from_jsonrpc(client))
    }

    fn look(&self, rpc: &Client, ask: &Ask) -> Result<Seen, ChainError> {
        let height = rpc.get_block_count().map_err(fault)?;
        let source_height = u32::try_from(height).unwrap_or(u32::MAX);
        check::height(self.network, source_height, ask.now_unix_s)?;
        let known_height = ask.tip.height();
        if source_height < known_height {
            return Err(ChainError::Behind {
                source_height,
                known_height,
            });
        }
        let from = ask.from_height.max(known_height.saturating_add(1));
        let mut emitter = Emitter::new(rpc, ask.tip.clone(), from, NO_EXPECTED_MEMPOOL_TXS);
        let mut blocks = Vec::new();
        while blocks.len() < BATCH_BLOCKS {
            let Some(event) = emitter.next_block().map_err(fault)? else {
                break;
            };
            let id = BlockId {
                height: event.block_height(),
                hash: event.block_hash(),
            };
            check::header(self.network, id, &event.block.header)?;
            if !event.block.check_merkle_root() {
                let why = format!("block {} holds other transactions than it says", id.hash);
                return Err(ChainError::Contradiction(why));
            }
            blocks.push(event);
        }
        let news = match blocks.is_empty() {
            false => News::Blocks(blocks),
            true => self.mempool(rpc, ask)?,
        };
        Ok(Seen {
            known: ask.tip.clone(),
            news,
        })
    }

    fn mempool(&self, rpc: &Client, ask: &Ask) -> Result<News, ChainError> {
        let there: HashSet<Txid> = rpc.get_raw_mempool().map_err(fault)?.into_iter().collect();
        let (mut here, mut gone, mut known) = (Vec::new(), Vec::new(), HashSet::new());
        for tx in &ask.waiting {
            let txid = tx.compute_txid();
            known.insert(txid);
            match there.contains(&txid) {
                true => here.push(((**tx).clone(), ask.now_unix_s)),
                false => gone.push((txid, ask.now_unix_s)),
            }
        }
        if there.len() <= MEMPOOL_READ_MAX {
            let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
            read.retain(|txid, _| there.contains(txid));
            for txid in there.iter().filter(|txid| !known.contains(*txid)) {
                if let Some(tx) = read.get(txid) {
                    here.push((tx.clone(), ask.now_unix_s));
                    continue;
                }
                match rpc.get_raw_transaction(txid, None) {
                    Ok(tx) => {
                        here.push((tx.clone(), ask.now_unix_s));
                        read.insert(*txid, tx);
                    }
                    // It has left meanwhile.
                    Err(error) if error.is_not_found_error() => {}
                    Err(error) => return Err(fault(error)),
                }
            }
        }
        Ok(News::Mempool { here, gone })
    }

    fn tx_state(
        &self,
        rpc: &Client,
        txid: Txid,
        spends: Option<OutPoint>,
    ) -> Result<TxState, ChainError> {
        if rpc.get_raw_mempool().map_err(fault)?.contains(&txid) {
            return Ok(TxState::Waiting);
        }
        let tip = rpc.get_block_count().map_err(fault)?;
        let tip = u32::try_from(tip).map_err(|_| ChainError::Moved)?;
        for height in (0..=tip).rev().take(BATCH_BLOCKS) {
            let hash = rpc.get_block_hash(height.into()).map_err(fault)?;
            let block = rpc.get_block(&hash).map_err(fault)?;
            let txids: Vec<Txid> = block.txdata.iter().map(Transaction::compute_txid).collect();
            if let Some(position) = txids.iter().position(|id| *id == txid) {
                check::header(self.network, BlockId { height, hash }, &block.header)?;
                return Ok(TxState::Confirmed {
                    height,
                    confirmations: tip + 1 - height,
                    header: block.header,
                    siblings: siblings(&txids, position),
                    position,
                });
            }
            let inputs = block.txdata.iter().flat_map(|tx| &tx.input);
            let spent: HashSet<OutPoint> = inputs.map(|input| input.previous_output).collect();
            if spends.is_some_and(|outpoint| spent.contains(&outpoint)) {
                return Ok(TxState::Replaced);
            }
        }
        Ok(TxState::Unknown)
    }
}

/// The hashes from a transaction to the root of its block.
fn siblings(txids: &[Txid], mut position: usize) -> Vec<[u8; 32]> {
    use bitcoin::hashes::sha256d;
    let mut row: Vec<[u8; 32]> = txids.iter().map(|txid| txid.to_byte_array()).collect();
    let mut path = Vec::new();
    while row.len() > 1 {
        // The last of an odd row stands beside itself.
        path.push(*row.get(position ^ 1).unwrap_or(&row[position]));
        row = row
            .chunks(2)
            .map(|pair| {
                let both = [pair[0], pair[pair.len() - 1]].concat();
                sha256d::Hash::hash(&both).to_byte_array()
            })
            .collect();
        position /= 2;
    }
    path
}

fn read_cookie(path: &Path) -> Result<String, ChainError> {
    use std::io::Read as _;
    let cant = |error| ChainError::Setup(format!("can't read {}: {error}", path.display()));
    let file = std::fs::File::open(path).map_err(cant)?;
    let mut text = String::new();
    file.take(COOKIE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(cant)?;
    Ok(text.trim().to_owned())
}

/// From an amount for a thousand bytes.
#[expect(clippy::cast_precision_loss, reason = "a rate is far below 2^52")]
fn sat_per_vb(rate_per_kvb: bitcoin::Amount) -> f64 {
    rate_per_kvb.to_sat() as f64 / 1_000.0
}

fn fault(error: Error) -> ChainError {
    match error {
        Error::JsonRpc(jsonrpc::Error::Transport(error)) => ChainError::Unreachable(brief(error)),
        Error::JsonRpc(jsonrpc::Error::Rpc(error)) if error.code == RPC_IN_WARMUP => {
            ChainError::Unreachable(brief(error.message))
        }
        // A block that was there a moment ago.
        error if error.is_not_found_error() => ChainError::Moved,
        error => ChainError::Unreadable(brief(error)),
    }
}
