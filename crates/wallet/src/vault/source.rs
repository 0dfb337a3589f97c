//! The chain, as an Esplora server tells it to a vault.

use std::time::Duration;

use bdk_esplora::EsploraAsyncExt as _;
use bdk_esplora::esplora_client::{AsyncClient, Builder};
use bdk_wallet::KeychainKind;
use bdk_wallet::chain::spk_client::{FullScanRequest, FullScanResponse};
use bitcoin::{Transaction, Txid};

use super::error::VaultError;

/// How many unused addresses in a row end the search for coins: other signers give addresses too.
const STOP_GAP: usize = 20;
/// Requests at the same time.
const PARALLEL: usize = 4;
/// How many blocks a transaction may take: about an hour.
const TARGET_BLOCKS: u16 = 6;
/// What is paid where the server has no estimate, and the least in any case.
const FEE_RATE_SAT_PER_VB_MIN: f64 = 1.0;
/// No estimate is believed beyond this.
const FEE_RATE_SAT_PER_VB_MAX: f64 = 500.0;

/// An Esplora server.
#[derive(Clone, Debug)]
pub struct Source {
    client: AsyncClient,
}

impl Source {
    /// Uses the server at an address (up to and without the path of an endpoint).
    ///
    /// # Errors
    /// `Source` if the address is of no use.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, VaultError> {
        let builder = Builder::new(url.trim_end_matches('/')).timeout(timeout.as_secs().max(1));
        let client = builder.build_async().map_err(source)?;
        Ok(Self { client })
    }

    /// Looks for all coins of a wallet.
    ///
    /// # Errors
    /// `Source`.
    pub async fn scan(
        &self,
        request: FullScanRequest<KeychainKind>,
    ) -> Result<FullScanResponse<KeychainKind>, VaultError> {
        let scan = self.client.full_scan(request, STOP_GAP, PARALLEL);
        scan.await.map_err(source)
    }

    /// What a transaction pays in order to be in a block within the hour.
    ///
    /// # Errors
    /// `Source`.
    pub async fn fee_rate_sat_per_vb(&self) -> Result<f64, VaultError> {
        let estimates = self.client.get_fee_estimates().await.map_err(source)?;
        let in_time = estimates
            .into_iter()
            .filter(|(blocks, rate)| *blocks <= TARGET_BLOCKS && rate.is_finite())
            .max_by_key(|(blocks, _)| *blocks);
        Ok(in_time.map_or(FEE_RATE_SAT_PER_VB_MIN, |(_, rate)| {
            rate.clamp(FEE_RATE_SAT_PER_VB_MIN, FEE_RATE_SAT_PER_VB_MAX)
        }))
    }

    /// Sends a transaction to the network. One that it has already is fine.
    ///
    /// # Errors
    /// `Source`, also if the network refuses it.
    pub async fn broadcast(&self, tx: &Transaction) -> Result<Txid, VaultError> {
        let txid = tx.compute_txid();
        match self.client.broadcast(tx).await {
            Ok(()) => Ok(txid),
            Err(error) => {
                let known = self.client.get_tx(&txid).await.map_err(source)?;
                known.map(|_| txid).ok_or_else(|| source(error))
            }
        }
    }
}

impl Source {
    /// Whether the network has a transaction, in a block or on its way.
    ///
    /// # Errors
    /// `Source`.
    pub async fn knows(&self, txid: &Txid) -> Result<bool, VaultError> {
        let known = self.client.get_tx(txid).await.map_err(source)?;
        Ok(known.is_some())
    }
}

fn source(error: impl std::fmt::Display) -> VaultError {
    let text: String = error.to_string().chars().take(300).collect();
    VaultError::Source(text)
}
