//! What waits for the owner's word, and what they say against what was paid.

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use wallet::purse::{self, Approval, ApprovalState, Disputant, PurseName, Reserved};
use wallet::{WalletError, ledger, msat_to_sat_ceil};

use super::{PurseView, view};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::lightning::PursePayment;
use crate::node::{Node, now_ms};
use crate::serve::CALL_PREFIX;
use crate::{fetch, nwc};

/// A payment that needs, or needed, a human's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// Its number.
    pub id: i64,
    /// Whose money it is.
    pub purse: PurseName,
    /// The request's HTTP method.
    pub method: Option<String>,
    /// Where the request goes.
    pub host: Option<String>,
    /// Who gets the money, as far as it is known.
    pub payee: Option<String>,
    /// What is paid for: a URL, or an invoice.
    pub what: String,
    /// The most that it may cost, fees included.
    pub amount_sat: u64,
    /// Why a human is asked.
    pub reason: String,
    /// Since when, Unix milliseconds.
    pub asked_ms: i64,
    /// Until when it can be decided; once approved, until when it can be paid. Unix milliseconds.
    pub deadline_ms: i64,
    /// Where it stands.
    pub state: ApprovalState,
}

impl From<Approval> for ApprovalView {
    fn from(approval: Approval) -> Self {
        Self {
            id: approval.id,
            purse: approval.purse,
            method: approval.method,
            host: approval.host,
            payee: approval.payee,
            what: approval.what,
            amount_sat: msat_to_sat_ceil(approval.amount_msat),
            reason: approval.reason,
            asked_ms: approval.asked_ms,
            deadline_ms: approval.deadline_ms,
            state: approval.state,
        }
    }
}

impl Node {
    /// Runs a transaction that reserves a purse's money. A question to the owner is kept, and is an error to whoever
    /// wanted to pay.
    pub(crate) async fn reserve_or_ask(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<Reserved> + Send + 'static,
    ) -> Result<()> {
        match self.inner.db.write(work).await? {
            Reserved::Now => Ok(()),
            Reserved::Asked(approval) => {
                Err(NodeError::ApprovalNeeded(Box::new((*approval).into())))
            }
        }
    }

    /// The newest approvals, newest first; only those that can still be decided or used, or all.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn approvals(&self, only_open: bool, limit: u32) -> Result<Vec<ApprovalView>> {
        let list = move |tx: &Transaction<'_>| purse::approvals(tx, only_open, limit, now_ms());
        let found = self.inner.db.write(list).await?;
        Ok(found.into_iter().map(ApprovalView::from).collect())
    }

    /// Says yes to a payment: it may be made once, at its price or less.
    ///
    /// # Errors
    /// `approval_unknown`; `approval_state` if it is too late.
    #[boxed]
    pub async fn approve(&self, id: i64) -> Result<ApprovalView> {
        let approve = move |tx: &Transaction<'_>| purse::approve(tx, id, now_ms());
        Ok(self.inner.db.write(approve).await?.into())
    }

    /// Says no to a payment.
    ///
    /// # Errors
    /// `approval_unknown`; `approval_state` if it was paid already.
    #[boxed]
    pub async fn deny(&self, id: i64) -> Result<ApprovalView> {
        let deny = move |tx: &Transaction<'_>| purse::deny(tx, id, now_ms());
        Ok(self.inner.db.write(deny).await?.into())
    }

    /// Ends approvals whose deadline has passed.
    pub(crate) async fn expire_approvals(&self) -> Result<()> {
        let pass = |tx: &Transaction<'_>| purse::pass_time(tx, now_ms());
        Ok(self.inner.db.write(pass).await?)
    }

    /// The owner says that a payment wasn't worth its money. A purse whose mode is earned is supervised from now on.
    /// `payment` is a payment's id, an invoice's payment hash, or an id in the ledger.
    ///
    /// # Errors
    /// `payment_unknown` if no purse has paid that.
    #[boxed]
    pub async fn purse_dispute(&self, payment: &str, reason: &str) -> Result<PurseView> {
        let (payment, reason) = (payment.to_owned(), reason.to_owned());
        let dispute = move |tx: &Transaction<'_>| -> Result<PurseView> {
            let id = ledger_id(tx, &payment)?;
            let purse = purse::dispute(tx, &id, Disputant::Owner, &reason, now_ms())?;
            view(tx, &purse)
        };
        self.inner.db.write(dispute).await
    }
}

/// The ledger's id of a payment that people call by a shorter name.
fn ledger_id(db: &Transaction<'_>, payment: &str) -> Result<String> {
    let named = [
        payment.to_owned(),
        format!("{CALL_PREFIX}{payment}"),
        nwc::payment_transfer_id(payment),
    ];
    let fetched = fetch::ledger_id(db, payment)?;
    let by_hash = PursePayment::transfer_id_of(db, payment)?;
    for id in named.into_iter().chain(fetched).chain(by_hash) {
        if ledger::get(db, &id)?.is_some() {
            return Ok(id);
        }
    }
    Err(WalletError::NotAPayment(payment.to_owned()).into())
}
