//! What a wallet asks, and what it takes in.

use std::collections::HashSet;
use std::sync::Arc;

use bdk_bitcoind_rpc::BlockEvent;
use bdk_wallet::chain::spk_client::{FullScanRequest, SyncRequest};
use bdk_wallet::chain::{BlockId, CheckPoint};
use bdk_wallet::miniscript::Descriptor;
use bdk_wallet::{KeychainKind, Update, Wallet};
use bitcoin::{Block, Network, Transaction, Txid};

use super::{ChainError, check};

/// From this block on there can be money behind Taproot, and behind SegWit, addresses.
const TAPROOT_FROM_HEIGHT: u32 = 709_632;
const SEGWIT_FROM_HEIGHT: u32 = 481_824;

/// So many addresses after the last known one are looked at: the gap that wallets agree on.
const ADDRESSES_AHEAD: usize = 20;

/// What a wallet wants to know. It stands alone, so that the wallet is free while a source is asked.
pub struct Ask {
    pub(super) request: Request,
    pub(super) tip: CheckPoint,
    pub(super) now_unix_s: u64,
    /// What was checked already.
    pub(super) proven: HashSet<(BlockId, Txid)>,
    /// What waits for a block.
    pub(super) waiting: Vec<Arc<Transaction>>,
    /// Earlier blocks can't hold anything.
    pub(super) from_height: u32,
}

pub(super) enum Request {
    Sync(SyncRequest<(KeychainKind, u32)>),
    FullScan(FullScanRequest<KeychainKind>),
}

impl Ask {
    /// For what is new at addresses that are known, and at the next ones: whoever has the same keys
    /// elsewhere may have given those out.
    #[must_use]
    pub fn sync(wallet: &Wallet, now_unix_s: u64) -> Self {
        let mut request = wallet.start_sync_with_revealed_spks_at(now_unix_s);
        let ranged = wallet.keychains().filter(|(_, keys)| keys.has_wildcard());
        for (keychain, _) in ranged {
            let next = wallet.derivation_index(keychain).map_or(0, |last| last + 1);
            let scripts = wallet.unbounded_spk_iter(keychain).skip(next as usize);
            let scripts = scripts.take(ADDRESSES_AHEAD);
            request = request
                .spks_with_indexes(scripts.map(|(index, script)| ((keychain, index), script)));
        }
        Self::new(wallet, now_unix_s, Request::Sync(request.build()))
    }

    /// For all that ever was at any address.
    #[must_use]
    pub fn full_scan(wallet: &Wallet, now_unix_s: u64) -> Self {
        let request = wallet.start_full_scan_at(now_unix_s).build();
        Self::new(wallet, now_unix_s, Request::FullScan(request))
    }

    fn new(wallet: &Wallet, now_unix_s: u64, request: Request) -> Self {
        let anchors = wallet.tx_graph().all_anchors().iter();
        let proven = anchors.flat_map(|(txid, anchors)| {
            let blocks = anchors.iter().map(|anchor| anchor.block_id);
            blocks.map(|block| (block, *txid))
        });
        let waiting = wallet
            .transactions()
            .filter(|tx| tx.chain_position.is_unconfirmed());
        let is_taproot = wallet
            .keychains()
            .all(|(_, keys)| matches!(keys, Descriptor::Tr(_)));
        Self {
            request,
            tip: wallet.latest_checkpoint(),
            now_unix_s,
            proven: proven.collect(),
            waiting: waiting.map(|tx| Arc::clone(&tx.tx_node.tx)).collect(),
            from_height: match (wallet.network(), is_taproot) {
                (Network::Bitcoin, true) => TAPROOT_FROM_HEIGHT,
                (Network::Bitcoin, false) => SEGWIT_FROM_HEIGHT,
                _ => 0,
            },
        }
    }
}

impl std::fmt::Debug for Ask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ask(from block {})", self.tip.height())
    }
}

/// What a source had to say. It was checked, as far as that goes.
pub struct Seen {
    pub(super) known: CheckPoint,
    pub(super) news: News,
}

pub(super) enum News {
    /// All at once.
    Update(Box<Update>),
    /// Some blocks; there may be more.
    Blocks(Vec<BlockEvent<Block>>),
    /// No more blocks, and this of the mempool.
    Mempool {
        here: Vec<(Transaction, u64)>,
        gone: Vec<(Txid, u64)>,
    },
}

impl Seen {
    /// Takes it in, and says whether that was all. Nothing is persisted.
    ///
    /// # Errors
    /// `Behind`, `ReorgTooDeep` or `Moved`; the wallet is unchanged then.
    pub fn apply(self, wallet: &mut Wallet) -> Result<bool, ChainError> {
        match self.news {
            News::Update(update) => {
                if let Some(chain) = &update.chain {
                    check::grows(&wallet.latest_checkpoint(), chain)?;
                }
                wallet
                    .apply_update(*update)
                    .map_err(|_| ChainError::Moved)?;
                Ok(true)
            }
            News::Blocks(blocks) => {
                if let Some(last) = blocks.last() {
                    check::grows(&self.known, &last.checkpoint).or_else(|error| match error {
                        // A branch is taken in from its first block on, which is lower.
                        ChainError::Behind { .. } => Ok(()),
                        error => Err(error),
                    })?;
                }
                for event in blocks {
                    let (height, before) = (event.block_height(), event.connected_to());
                    wallet
                        .apply_block_connected_to(&event.block, height, before)
                        .map_err(|_| ChainError::Moved)?;
                }
                Ok(false)
            }
            News::Mempool { here, gone } => {
                wallet.apply_unconfirmed_txs(here);
                wallet.apply_evicted_txs(gone);
                Ok(true)
            }
        }
    }
}

impl std::fmt::Debug for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.news {
            News::Update(_) => "Seen(update)",
            News::Blocks(_) => "Seen(blocks)",
            News::Mempool { .. } => "Seen(mempool)",
        })
    }
}
