//! What a crash or a silent mint left half done is brought to its end: at start-up, and
//! every few seconds after.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use wallet::ecash::EcashError;
use wallet::ledger::{self, TransferState};

use crate::error::Result;
use crate::fetch::payment_operations;
use crate::node::{Node, now_ms};
use crate::serve::CALL_PREFIX;

/// Between two rounds in the background.
const PAUSE: Duration = Duration::from_secs(10);

impl Node {
    /// At start-up, before anything is served: the ecash wallets ask their mint, and the
    /// reservations of calls that died are released (no answer was stored for them).
    pub(crate) async fn recover_money(&self) -> Result<()> {
        // A restored wallet has nothing half done, and finds what is its own elsewhere.
        if !self.inner.returning.is_ecash_away() && !self.settle_wallets().await? {
            self.inner.is_unsettled.store(true, Ordering::Relaxed);
            tracing::warn!("the mint doesn't answer; what is half done is settled later");
        }
        self.inner
            .db
            .write(|tx| -> Result<()> {
                for transfer in ledger::pending(tx)? {
                    debug_assert_eq!(transfer.state, TransferState::Pending);
                    if transfer.id.starts_with(CALL_PREFIX) {
                        ledger::void(tx, &transfer.id, now_ms())?;
                    }
                }
                Ok(())
            })
            .await
    }

    async fn settle_wallets(&self) -> Result<bool> {
        // Both are asked, also if the first isn't settled.
        let (till, purses) = (self.settle_till().await?, self.settle_purses().await?);
        Ok(till && purses)
    }

    /// Remembers that the mint owes an answer, so that the next round asks again.
    pub(crate) fn note_ecash(&self, error: &EcashError) {
        if error.is_unknown() {
            self.inner.is_unsettled.store(true, Ordering::Relaxed);
        }
    }

    /// Asks the mint about everything half done in the purses' wallet. `Ok(false)` if it
    /// didn't answer for all.
    pub(crate) async fn settle_purses(&self) -> Result<bool> {
        let alone = self.inner.purses.recovery().await;
        let recorded = self.inner.db.write(|tx| payment_operations(tx)).await?;
        Ok(alone.run(&HashSet::from_iter(recorded)).await?)
    }

    /// The background round: the wallets if the mint was away, fundings, payments, sales;
    /// and old answers are forgotten.
    pub(crate) async fn keep_recovering(&self) {
        loop {
            // As long as it isn't known what is there, nothing is begun or ended.
            if !self.is_ecash_back().await {
                if let Err(error) = self.resume_lightning().await {
                    tracing::error!(code = error.code(), "Lightning: {error}");
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            if self.inner.is_unsettled.swap(false, Ordering::Relaxed) {
                let settled = self.settle_wallets().await.unwrap_or_else(|error| {
                    tracing::error!(code = error.code(), "ecash: {error}");
                    false
                });
                self.inner
                    .is_unsettled
                    .fetch_or(!settled, Ordering::Relaxed);
            }
            let rounds = [
                ("fundings", self.resume_fundings().await),
                ("payments", self.resume_payments().await),
                ("purses' payments", self.resume_purse_payments().await),
                ("purses' invoices", self.resume_purse_invoices().await),
                ("Lightning", self.resume_lightning().await),
                ("sales", self.resume_sales().await),
                ("approvals", self.expire_approvals().await),
                ("old answers", self.forget_old_answers().await),
                ("kept answers", self.forget_kept_answers().await),
            ];
            for (what, result) in rounds {
                if let Err(error) = result {
                    tracing::error!(code = error.code(), "{what}: {error}");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
