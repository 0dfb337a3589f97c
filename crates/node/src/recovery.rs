//! What a crash or a silent mint left half done is brought to its end: at start-up, and
//! every few seconds after.

use std::collections::HashSet;
use std::time::Duration;

use wallet::ledger::{self, TransferState};

use crate::error::Result;
use crate::node::{Node, now_ms};
use crate::serve::CALL_PREFIX;

/// Between two rounds in the background.
const PAUSE: Duration = Duration::from_secs(10);

impl Node {
    /// At start-up, before anything is served: the ecash wallets ask their mint, and the
    /// reservations of calls that died are released (no answer was stored for them).
    pub(crate) async fn recover_money(&self) -> Result<()> {
        let settled = self.settle_till().await? && self.settle_purses().await?;
        if !settled {
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

    /// Asks the mint about everything half done in the purses' wallet. `Ok(false)` if it
    /// didn't answer for all.
    pub(crate) async fn settle_purses(&self) -> Result<bool> {
        let alone = self.inner.purses.recovery().await;
        let recorded = self.payment_operations().await?;
        Ok(alone.run(&HashSet::from_iter(recorded)).await?)
    }

    /// The background round: fundings, payments, sales; and old answers are forgotten.
    pub(crate) async fn keep_recovering(&self) {
        if let Err(error) = self.resume_fundings().await {
            tracing::error!(code = error.code(), "fundings: {error}");
        }
        loop {
            let rounds = [
                ("payments", self.resume_payments().await),
                ("sales", self.resume_sales().await),
                ("old answers", self.forget_old_answers().await),
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
