//! The chain, as an Esplora server tells it.

use std::time::Duration;

use bitcoin::block::Header;
use bitcoin::hashes::Hash as _;
use bitcoin::{Address, OutPoint};
use esplora_client::{AsyncClient, Builder};

use super::{Coin, DataTx, KeyRing, OnchainError};

/// How many blocks a transaction may take: about an hour.
const TARGET_BLOCKS: u16 = 6;
/// What is paid where the server has no estimate, and the least in any case.
const FEE_RATE_SAT_PER_VB_MIN: f64 = 1.0;

/// The one-address wallet and its view of the chain.
#[derive(Debug, Clone)]
pub struct Onchain {
    ring: KeyRing,
    client: AsyncClient,
}

/// What the address holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Balance {
    /// In blocks.
    pub confirmed_sat: u64,
    /// On its way.
    pub unconfirmed_sat: u64,
}

/// Where a transaction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TxState {
    /// The server doesn't know it.
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

impl Onchain {
    /// Uses an Esplora server (an address up to and without the path of an endpoint).
    ///
    /// # Errors
    /// `Source` if the address is of no use.
    pub fn new(ring: KeyRing, url: &str, timeout: Duration) -> Result<Self, OnchainError> {
        let builder = Builder::new(url.trim_end_matches('/')).timeout(timeout.as_secs().max(1));
        let client = builder.build_async().map_err(source)?;
        Ok(Self { ring, client })
    }

    /// The address to pay into.
    #[must_use]
    pub fn address(&self) -> Address {
        self.ring.address()
    }

    /// What the address holds.
    ///
    /// # Errors
    /// `Source`.
    pub async fn balance(&self) -> Result<Balance, OnchainError> {
        let found = self.utxos().await?;
        let sum = |confirmed: bool| {
            let of = found.iter().filter(|(_, is)| *is == confirmed);
            of.map(|(coin, _)| coin.value_sat).sum()
        };
        Ok(Balance {
            confirmed_sat: sum(true),
            unconfirmed_sat: sum(false),
        })
    }

    async fn utxos(&self) -> Result<Vec<(Coin, bool)>, OnchainError> {
        let found = self
            .client
            .get_scripthash_utxos(&self.ring.script())
            .await
            .map_err(source)?;
        let coins = found.into_iter().map(|utxo| {
            let coin = Coin {
                outpoint: OutPoint::new(utxo.txid, utxo.vout),
                value_sat: utxo.value.to_sat(),
            };
            (coin, utxo.status.confirmed)
        });
        Ok(coins.collect())
    }

    /// What a transaction has to pay in order to be in a block within the hour.
    ///
    /// # Errors
    /// `Source`.
    pub async fn fee_rate_sat_per_vb(&self) -> Result<f64, OnchainError> {
        let estimates = self.client.get_fee_estimates().await.map_err(source)?;
        let in_time = estimates
            .into_iter()
            .filter(|(blocks, rate)| *blocks <= TARGET_BLOCKS && rate.is_finite())
            .max_by_key(|(blocks, _)| *blocks);
        Ok(in_time.map_or(FEE_RATE_SAT_PER_VB_MIN, |(_, rate)| {
            rate.max(FEE_RATE_SAT_PER_VB_MIN)
        }))
    }

    /// The height of the chain.
    ///
    /// # Errors
    /// `Source`.
    pub async fn height(&self) -> Result<u32, OnchainError> {
        self.client.get_height().await.map_err(source)
    }

    /// Makes a transaction with this data, and sends nothing. Only coins in blocks are spent, or,
    /// to replace another transaction, the same ones.
    ///
    /// # Errors
    /// `Insufficient` or `Source`.
    pub async fn prepare(
        &self,
        data: &[u8; 32],
        fee_rate_sat_per_vb: f64,
        replaces: Option<&DataTx>,
    ) -> Result<DataTx, OnchainError> {
        if let Some(earlier) = replaces {
            return earlier.replacement(&self.ring, data, fee_rate_sat_per_vb);
        }
        let utxos = self.utxos().await?.into_iter();
        let coins: Vec<Coin> = utxos.filter(|(_, is)| *is).map(|(coin, _)| coin).collect();
        DataTx::new(&self.ring, &coins, data, fee_rate_sat_per_vb)
    }

    /// Sends a transaction. Again does no harm.
    ///
    /// # Errors
    /// `Refused`.
    pub async fn send(&self, tx: &DataTx) -> Result<(), OnchainError> {
        let sent = self.client.broadcast(tx.transaction()).await;
        sent.map_err(|error| match error {
            esplora_client::Error::HttpResponse { message, .. } => OnchainError::Refused(message),
            error => source(error),
        })
    }

    /// Where a transaction is. What the server says of its block is checked against the header,
    /// and the header against its own proof of work.
    ///
    /// # Errors
    /// `Source`, also if the server contradicts itself.
    pub async fn state(&self, tx: &DataTx) -> Result<TxState, OnchainError> {
        let txid = tx.txid();
        match self.client.get_tx_info(&txid).await.map_err(source)? {
            Some(info) if info.status.confirmed => self.confirmed(tx).await,
            Some(_) => Ok(TxState::Waiting),
            None => {
                let Some(first) = tx.first_input() else {
                    return Ok(TxState::Unknown);
                };
                let spent = self
                    .client
                    .get_output_status(&first.txid, first.vout.into())
                    .await
                    .map_err(source)?;
                let is_lost = spent.is_some_and(|spent| {
                    spent.spent
                        && spent.txid != Some(txid)
                        && spent.status.is_some_and(|status| status.confirmed)
                });
                Ok(if is_lost {
                    TxState::Replaced
                } else {
                    TxState::Unknown
                })
            }
        }
    }

    async fn confirmed(&self, tx: &DataTx) -> Result<TxState, OnchainError> {
        let proof = self.client.get_merkle_proof(&tx.txid()).await;
        let Some(proof) = proof.map_err(source)? else {
            // A block went away between two questions.
            return Ok(TxState::Waiting);
        };
        let tip = self.height().await?;
        let hash = self
            .client
            .get_block_hash(proof.block_height)
            .await
            .map_err(source)?;
        let header = self
            .client
            .get_header_by_hash(&hash)
            .await
            .map_err(source)?;
        let siblings: Vec<[u8; 32]> = proof
            .merkle
            .iter()
            .map(|sibling| sibling.to_byte_array())
            .collect();
        let lies = |why: &str| OnchainError::Source(format!("{why} of block {hash}"));
        if header.block_hash() != hash || header.validate_pow(header.target()).is_err() {
            return Err(lies("it sent a wrong header"));
        }
        if root(tx.txid().to_byte_array(), &siblings, proof.pos)
            != header.merkle_root.to_byte_array()
        {
            return Err(lies("its proof does not lead to the root"));
        }
        Ok(TxState::Confirmed {
            height: proof.block_height,
            confirmations: (tip + 1).saturating_sub(proof.block_height),
            header,
            siblings,
            position: proof.pos,
        })
    }
}

/// Where the hashes lead.
fn root(txid: [u8; 32], siblings: &[[u8; 32]], mut position: usize) -> [u8; 32] {
    let mut hash = txid;
    for sibling in siblings {
        let (left, right) = match position % 2 {
            0 => (hash, *sibling),
            _ => (*sibling, hash),
        };
        hash = bitcoin::hashes::sha256d::Hash::hash(&[left, right].concat()).to_byte_array();
        position /= 2;
    }
    hash
}

fn source(error: esplora_client::Error) -> OnchainError {
    OnchainError::Source(error.to_string())
}
