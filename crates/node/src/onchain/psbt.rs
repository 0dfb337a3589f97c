//! Partially signed transactions.

use wallet::onchain::{PsbtView, Spend};

use super::FeeChoice;
use super::send::new_id;
use crate::boxed;
use crate::error::Result;
use crate::node::{Node, now_ms};

impl Node {
    /// Signs with the own wallet's keys what they can sign.
    ///
    /// # Errors
    /// `psbt_invalid` or `fee_too_high`.
    #[boxed]
    pub async fn onchain_psbt_sign(&self, psbt: &str, fee: &FeeChoice) -> Result<PsbtView> {
        let (wallet, _) = self.fresh_wallet(None).await?;
        Ok(wallet.psbt_sign(psbt, fee.limit()).await?)
    }

    /// Puts together what several have signed.
    ///
    /// # Errors
    /// `psbt_invalid` if they aren't of one transaction.
    #[boxed]
    pub async fn onchain_psbt_combine(&self, psbts: &[String]) -> Result<PsbtView> {
        let wallet = self.onchain_wallet(None).await?;
        Ok(wallet.psbt_combine(psbts).await?)
    }

    /// Shows what a partially signed transaction does, as a wallet sees it.
    ///
    /// # Errors
    /// `psbt_invalid`.
    #[boxed]
    pub async fn onchain_psbt_show(&self, name: Option<&str>, psbt: &str) -> Result<PsbtView> {
        let wallet = self.onchain_wallet(name).await?;
        Ok(wallet.psbt_show(psbt).await?)
    }

    /// Sends a transaction that all have signed. It is recorded first, like any payment.
    ///
    /// # Errors
    /// `psbt_incomplete`, `fee_too_high`, or the chain source's.
    #[boxed]
    pub async fn onchain_psbt_broadcast(
        &self,
        name: Option<String>,
        id: Option<String>,
        psbt: String,
        fee: FeeChoice,
    ) -> Result<Spend> {
        let node = self.clone();
        self.uninterrupted(async move {
            let wallet = node.onchain_wallet(name.as_deref()).await?;
            wallet.sync(now_ms()).await?;
            let id = id.unwrap_or_else(new_id);
            let spend = wallet.psbt_broadcast(&id, &psbt, fee.limit(), now_ms());
            let spend = spend.await?;
            node.book_onchain_spend(&spend);
            Ok(spend)
        })
        .await
    }
}
