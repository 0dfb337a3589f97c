//! Where bitcoin on the chain meets the ledger: the books follow the wallet.

use wallet::cashier::books;
use wallet::ledger::Account;
use wallet::onchain::Spend;
use wallet::{WalletError, sat_to_msat};

use crate::error::Result;
use crate::node::{Node, now_ms};

impl Node {
    /// Notes a payment that the own wallet or a watched one has recorded. The ledger follows when the chain is
    /// looked at next: only the own wallet's coins are in it, and it is they that tell.
    #[expect(clippy::unused_self, reason = "the log is the node's")]
    pub(crate) fn book_onchain_spend(&self, spend: &Spend) {
        tracing::info!(
            id = spend.id,
            txid = spend.txid,
            amount_sat = spend.amount_sat,
            fee_sat = spend.fee_sat,
            "a payment on the chain is recorded"
        );
    }

    /// Brings the books to what the own wallet has: what came, and what went with its fees.
    pub(crate) async fn follow_onchain(&self) -> Result<()> {
        let balance = self.onchain()?.main.balance().await?;
        let sat =
            balance.confirmed_sat + balance.pending_sat + balance.immature_sat + balance.frozen_sat;
        let now_ms = now_ms();
        let book = move |tx: &rusqlite::Transaction<'_>| -> std::result::Result<i64, WalletError> {
            let (asset, owner) = (Account::Onchain, Account::OwnerOnchain);
            let id = format!("onchain:{now_ms}");
            books::follow(tx, &asset, &owner, sat_to_msat(sat), &id, now_ms)
        };
        self.inner.db.write(book).await?;
        Ok(())
    }
}
