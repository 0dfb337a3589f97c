//! An Esplora server.

use std::collections::HashSet;
use std::time::Duration;

use bdk_esplora::EsploraAsyncExt as _;
use bdk_wallet::Update;
use bdk_wallet::chain::{BlockId, ConfirmationBlockTime, TxUpdate};
use bitcoin::hashes::Hash as _;
use bitcoin::{BlockHash, Network, OutPoint, Transaction, Txid};
use esplora_client::{AsyncClient, Builder, MerkleProof};
use futures::{StreamExt as _, TryStreamExt as _};

use super::error::brief;
use super::look::{News, Request};
use super::{Ask, ChainError, FeeRates, Seen, Tip, TxState, check};

use crate::boxed;

/// So many addresses in a row that were never used end a full scan.
const STOP_GAP: usize = 25;
/// Questions at a time.
const PARALLEL: usize = 4;
/// A whole look may take so many times as long as one question.
const LOOK_TIMEOUTS: u32 = 10;
/// More blocks of proof than this have no meaning: it is a path in a tree of all transactions.
const PROOF_LEN_MAX: usize = 32;

/// A client of one server.
pub(super) struct Esplora {
    client: AsyncClient,
    network: Network,
    timeout: Duration,
}

impl Esplora {
    pub fn new(url: &str, network: Network, timeout: Duration) -> Result<Self, ChainError> {
        let is_http = url.starts_with("http://") || url.starts_with("https://");
        if !is_http {
            let why = "an Esplora address begins with http:// or https://";
            return Err(ChainError::Setup(why.into()));
        }
        let builder = Builder::new(url.trim_end_matches('/')).timeout(timeout.as_secs().max(1));
        let client = builder.build_async();
        Ok(Self {
            client: client.map_err(|error| ChainError::Setup(brief(error)))?,
            network,
            timeout,
        })
    }

    /// Ends what takes too long as a whole, though each answer comes in time.
    async fn in_time<T>(
        &self,
        asking: impl Future<Output = Result<T, ChainError>>,
    ) -> Result<T, ChainError> {
        let late = |_| ChainError::Unreachable("it takes too long".into());
        let limit = self.timeout.saturating_mul(LOOK_TIMEOUTS);
        tokio::time::timeout(limit, asking).await.map_err(late)?
    }

    #[boxed]
    pub async fn first_block(&self) -> Result<BlockHash, ChainError> {
        self.client.get_block_hash(0).await.map_err(fault)
    }

    #[boxed]
    pub async fn tip(&self) -> Result<Tip, ChainError> {
        let hash = self.client.get_tip_hash().await.map_err(fault)?;
        let status = self.client.get_block_status(&hash).await.map_err(fault)?;
        let height = status.height.ok_or(ChainError::Moved)?;
        Ok(Tip { height, hash })
    }

    #[boxed]
    pub async fn fee_rates(&self) -> Result<FeeRates, ChainError> {
        let estimates = self.client.get_fee_estimates().await.map_err(fault)?;
        Ok(FeeRates::new(estimates))
    }

    #[boxed]
    pub async fn broadcast(&self, tx: &Transaction) -> Result<(), ChainError> {
        match self.client.broadcast(tx).await {
            Ok(()) => Ok(()),
            Err(esplora_client::Error::HttpResponse { status, message }) if status < 500 => {
                match has_arrived(&message) {
                    true => Ok(()),
                    false => Err(ChainError::Refused(brief(message))),
                }
            }
            Err(error) => Err(fault(error)),
        }
    }

    #[boxed]
    pub async fn look(&self, ask: Ask) -> Result<Seen, ChainError> {
        self.in_time(self.look_now(ask)).await
    }

    async fn look_now(&self, ask: Ask) -> Result<Seen, ChainError> {
        let update: Update = match ask.request {
            Request::Sync(request) => {
                let seen = self.client.sync(request, PARALLEL).await;
                seen.map_err(|error| fault(*error))?.into()
            }
            Request::FullScan(request) => {
                let seen = self.client.full_scan(request, STOP_GAP, PARALLEL).await;
                seen.map_err(|error| fault(*error))?.into()
            }
        };
        if let Some(tip) = &update.chain {
            check::height(self.network, tip.height(), ask.now_unix_s)?;
            self.check_header(tip.block_id()).await?;
        }
        self.check_places(&update.tx_update, &ask.proven).await?;
        Ok(Seen {
            known: ask.tip,
            news: News::Update(Box::new(update)),
        })
    }

    async fn check_header(&self, block: BlockId) -> Result<(), ChainError> {
        let header = self.client.get_header_by_hash(&block.hash).await;
        check::header(self.network, block, &header.map_err(moved)?)
    }

    /// Has the server prove that blocks hold what it says they hold, unless it has done so before.
    async fn check_places(
        &self,
        update: &TxUpdate<ConfirmationBlockTime>,
        proven: &HashSet<(BlockId, Txid)>,
    ) -> Result<(), ChainError> {
        let places = update.anchors.iter().map(|(at, txid)| (at.block_id, *txid));
        let new: Vec<_> = places.filter(|place| !proven.contains(place)).collect();
        futures::stream::iter(new)
            .map(|(block, txid)| self.check_place(block, txid))
            .buffer_unordered(PARALLEL)
            .try_collect()
            .await
    }

    async fn check_place(&self, block: BlockId, txid: Txid) -> Result<(), ChainError> {
        let proof = self.merkle_proof(&txid).await?.ok_or(ChainError::Moved)?;
        if proof.block_height != block.height {
            return Err(ChainError::Moved);
        }
        let header = self.client.get_header_by_hash(&block.hash).await;
        let place = check::Place {
            block,
            header: &header.map_err(moved)?,
            siblings: &siblings(&proof),
            position: proof.pos,
        };
        check::holds(self.network, txid, &place)
    }

    async fn merkle_proof(&self, txid: &Txid) -> Result<Option<MerkleProof>, ChainError> {
        let proof = self.client.get_merkle_proof(txid).await.map_err(fault)?;
        match proof {
            Some(proof) if proof.merkle.len() > PROOF_LEN_MAX => {
                let why = format!("the proof of {txid} is too long");
                Err(ChainError::Contradiction(why))
            }
            proof => Ok(proof),
        }
    }

    #[boxed]
    pub async fn tx_state(
        &self,
        tx: &Transaction,
        spends: Option<OutPoint>,
    ) -> Result<TxState, ChainError> {
        let txid = tx.compute_txid();
        match self.client.get_tx_info(&txid).await.map_err(fault)? {
            Some(info) if info.status.confirmed => self.confirmed(txid).await,
            Some(_) => Ok(TxState::Waiting),
            None => match spends {
                Some(outpoint) if self.is_lost(txid, outpoint).await? => Ok(TxState::Replaced),
                _ => Ok(TxState::Unknown),
            },
        }
    }

    /// Whether another transaction, in a block, spends the output.
    async fn is_lost(&self, txid: Txid, outpoint: OutPoint) -> Result<bool, ChainError> {
        let spent = self
            .client
            .get_output_status(&outpoint.txid, outpoint.vout.into())
            .await
            .map_err(fault)?;
        Ok(spent.is_some_and(|spent| {
            spent.spent
                && spent.txid != Some(txid)
                && spent.status.is_some_and(|status| status.confirmed)
        }))
    }

    async fn confirmed(&self, txid: Txid) -> Result<TxState, ChainError> {
        let Some(proof) = self.merkle_proof(&txid).await? else {
            // A block went away between two questions.
            return Ok(TxState::Waiting);
        };
        let tip = self.client.get_height().await.map_err(fault)?;
        let height = proof.block_height;
        let hash = self.client.get_block_hash(height).await.map_err(moved)?;
        let header = self.client.get_header_by_hash(&hash).await.map_err(moved)?;
        let siblings = siblings(&proof);
        let place = check::Place {
            block: BlockId { height, hash },
            header: &header,
            siblings: &siblings,
            position: proof.pos,
        };
        check::holds(self.network, txid, &place)?;
        Ok(TxState::Confirmed {
            height,
            confirmations: tip.saturating_add(1).saturating_sub(height),
            header,
            siblings,
            position: proof.pos,
        })
    }
}

fn siblings(proof: &MerkleProof) -> Vec<[u8; 32]> {
    let siblings = proof.merkle.iter();
    siblings.map(|sibling| sibling.to_byte_array()).collect()
}

/// Whether a refusal says that there is nothing left to do. The words are Bitcoin Core's.
pub(super) fn has_arrived(refusal: &str) -> bool {
    const ARRIVED: [&str; 5] = [
        "txn-already-in-mempool",
        "txn-already-known",
        "already in block chain",
        "already in utxo set",
        "already in mempool",
    ];
    let refusal = refusal.to_ascii_lowercase();
    ARRIVED.iter().any(|words| refusal.contains(words))
}

fn fault(error: esplora_client::Error) -> ChainError {
    use esplora_client::Error;
    match error {
        Error::Reqwest(error) if error.is_decode() => ChainError::Unreadable(brief(chain(&error))),
        // Without its address, which may have a password in it.
        Error::Reqwest(error) => ChainError::Unreachable(brief(chain(&error.without_url()))),
        Error::HttpResponse { status, message } if status >= 500 || status == 429 => {
            ChainError::Unreachable(brief(format!("status {status}: {message}")))
        }
        Error::HttpResponse { status, message } => {
            ChainError::Unreadable(brief(format!("status {status}: {message}")))
        }
        error => ChainError::Unreadable(brief(error)),
    }
}

/// The same for a block that was there a moment ago.
fn moved(error: esplora_client::Error) -> ChainError {
    match error {
        esplora_client::Error::HttpResponse { status: 404, .. } => ChainError::Moved,
        error => fault(error),
    }
}

/// An error with what it stems from: the first alone says only that something failed.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::has_arrived;

    #[test]
    fn what_has_arrived_is_told_from_what_is_refused() {
        let arrived = [
            "sendrawtransaction RPC error -27: Transaction already in block chain",
            "sendrawtransaction RPC error: {\"code\":-27,\"message\":\"Transaction outputs already in utxo set\"}",
            "sendrawtransaction RPC error -26: txn-already-in-mempool",
        ];
        assert!(arrived.iter().all(|text| has_arrived(text)));
        assert!(!has_arrived("RPC error -26: min relay fee not met, 1 < 2"));
        assert!(!has_arrived(
            "RPC error -25: bad-txns-inputs-missingorspent"
        ));
    }
}
