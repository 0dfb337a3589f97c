//! What a purse needs of Lightning, whoever provides it.

use std::sync::Arc;

use async_trait::async_trait;
use wallet::nwc::{ListTransactions, Method, NewInvoice, Payment, PaymentState, Transaction};
use wallet::purse::{Agent, Intent, PurseName};

use super::backing::BackedPurses;
use super::own::OwnPurses;
use crate::error::Result;
use crate::node::Node;

/// Pays and is paid over Lightning, for purses. Whoever implements it books: a payment is reserved
/// against the purse's policy, durably and under its key, before it is sent, and posted or voided when
/// its end is known. An error means that nothing was reserved or sent.
#[async_trait]
pub(crate) trait PurseLightning: Send + Sync {
    /// What can be done for this purse, of the methods that need Lightning.
    async fn methods(&self, purse: &PurseName) -> Vec<Method>;

    /// What the purse can spend, if that isn't what the ledger says.
    async fn balance_msat(&self, purse: &PurseName) -> Result<Option<u64>>;

    /// Pays an invoice, at most once for each [`Payment::key`]; for a request, if there is a `purpose`.
    async fn pay(
        &self,
        agent: &Agent,
        payment: &Payment,
        purpose: Option<&Intent>,
    ) -> Result<PaymentState>;

    /// How the payment with this key stands; none if it isn't known here.
    async fn payment(&self, key: &str) -> Result<Option<PaymentState>>;

    /// Makes an invoice whose money goes to the purse.
    async fn make_invoice(&self, purse: &PurseName, invoice: &NewInvoice) -> Result<Transaction>;

    /// An invoice or a payment of the purse.
    async fn transaction(
        &self,
        purse: &PurseName,
        payment_hash: &str,
    ) -> Result<Option<Transaction>>;

    /// Invoices and payments of the purse, newest first.
    async fn transactions(
        &self,
        purse: &PurseName,
        query: &ListTransactions,
    ) -> Result<Vec<Transaction>>;
}

impl Node {
    /// Who pays over Lightning for this purse; none if nobody does.
    pub(crate) async fn purse_lightning(
        &self,
        purse: &PurseName,
    ) -> Result<Option<Arc<dyn PurseLightning>>> {
        if let Some(elsewhere) = self.wallet_backing(purse).await? {
            return Ok(Some(elsewhere));
        }
        if self.has_lightning() {
            return Ok(Some(Arc::new(OwnPurses::new(self.clone()))));
        }
        Ok(None)
    }

    /// The wallet elsewhere that backs this purse, if one does.
    pub(crate) async fn wallet_backing(
        &self,
        purse: &PurseName,
    ) -> Result<Option<Arc<dyn PurseLightning>>> {
        let is_backed = self.is_backed(purse).await?;
        Ok(is_backed.then(|| self.wallets_elsewhere()))
    }

    /// All wallets elsewhere, also those that back no purse any more.
    pub(crate) fn wallets_elsewhere(&self) -> Arc<dyn PurseLightning> {
        Arc::new(BackedPurses::new(self.clone()))
    }

    /// Everybody who pays over Lightning for purses.
    pub(crate) fn all_lightning(&self) -> Vec<Arc<dyn PurseLightning>> {
        vec![
            self.wallets_elsewhere(),
            Arc::new(OwnPurses::new(self.clone())),
        ]
    }
}
