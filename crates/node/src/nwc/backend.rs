//! A purse, as the wallet behind its connections.

use std::sync::Arc;

use async_trait::async_trait;
use wallet::ledger::{self, Account};
use wallet::nwc::{
    BudgetState, Connection, ErrorCode, Failure, ListTransactions, Method, NewInvoice, Payment,
    PaymentState, Transaction, WalletBackend, WalletInfo,
};
use wallet::purse::{self, Purse, PurseName, Spent};

use super::budget::{budget_state, left_msat};
use super::lightning::PurseLightning;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// What can be told of every purse.
const ALWAYS: [Method; 3] = [Method::GetInfo, Method::GetBalance, Method::GetBudget];

pub(super) struct PurseBackend {
    node: Node,
}

/// A purse as a connection sees it.
struct Look {
    purse: Purse,
    spent: Spent,
    available_msat: u64,
}

impl PurseBackend {
    pub fn new(node: Node) -> Self {
        Self { node }
    }

    async fn look(&self, connection: &Connection) -> std::result::Result<Look, Failure> {
        let name = purse_name(connection)?;
        let look = self.node.inner.db.write(move |tx| -> Result<Look> {
            let purse = purse::find(tx, &name)?;
            let account = ledger::ensure_account(tx, &Account::Purse(name))?;
            Ok(Look {
                spent: purse.spent(tx, now_ms())?,
                available_msat: account.available_msat().max(0).unsigned_abs(),
                purse,
            })
        });
        let look = look.await.map_err(failure)?;
        if look.purse.revoked_ms.is_some() {
            return Err(Failure::new(
                ErrorCode::Unauthorized,
                "the purse was revoked",
            ));
        }
        Ok(look)
    }

    async fn lightning(
        &self,
        connection: &Connection,
    ) -> std::result::Result<(PurseName, Arc<dyn PurseLightning>), Failure> {
        let name = purse_name(connection)?;
        let found = self.node.purse_lightning(&name).await.map_err(failure)?;
        let missing = || Failure::new(ErrorCode::NotImplemented, "this purse can't use Lightning");
        Ok((name, found.ok_or_else(missing)?))
    }
}

#[async_trait]
impl WalletBackend for PurseBackend {
    async fn methods(&self, connection: &Connection) -> Vec<Method> {
        let mut methods = ALWAYS.to_vec();
        if let Ok((purse, lightning)) = self.lightning(connection).await {
            methods.extend(lightning.methods(&purse).await);
        }
        methods
    }

    async fn info(&self, connection: &Connection) -> std::result::Result<WalletInfo, Failure> {
        self.look(connection).await?;
        Ok(WalletInfo {
            alias: Some(format!("Freehold purse {}", connection.wallet)),
            ..WalletInfo::default()
        })
    }

    async fn balance_msat(&self, connection: &Connection) -> std::result::Result<u64, Failure> {
        let look = self.look(connection).await?;
        let Ok((purse, lightning)) = self.lightning(connection).await else {
            return Ok(look.available_msat);
        };
        let elsewhere = lightning.balance_msat(&purse).await.map_err(failure)?;
        // What the other wallet has is its owner's secret beyond what the purse may spend of it.
        let bounded = |msat: u64| msat.min(left_msat(&look.purse.policy, look.spent));
        Ok(elsewhere.map_or(look.available_msat, bounded))
    }

    async fn budget(
        &self,
        connection: &Connection,
    ) -> std::result::Result<Option<BudgetState>, Failure> {
        let look = self.look(connection).await?;
        Ok(Some(budget_state(&look.purse.policy, look.spent)))
    }

    async fn pay(
        &self,
        connection: &Connection,
        payment: &Payment,
    ) -> std::result::Result<PaymentState, Failure> {
        let (purse, lightning) = self.lightning(connection).await?;
        lightning.pay(&purse, payment).await.map_err(failure)
    }

    async fn payment(&self, key: &str) -> std::result::Result<PaymentState, Failure> {
        for lightning in self.node.all_lightning() {
            if let Some(state) = lightning.payment(key).await.map_err(failure)? {
                return Ok(state);
            }
        }
        Ok(PaymentState::NeverBegan)
    }

    async fn make_invoice(
        &self,
        connection: &Connection,
        invoice: &NewInvoice,
    ) -> std::result::Result<Transaction, Failure> {
        self.look(connection).await?;
        let (purse, lightning) = self.lightning(connection).await?;
        lightning
            .make_invoice(&purse, invoice)
            .await
            .map_err(failure)
    }

    async fn lookup(
        &self,
        connection: &Connection,
        payment_hash: &str,
    ) -> std::result::Result<Option<Transaction>, Failure> {
        let (purse, lightning) = self.lightning(connection).await?;
        lightning
            .transaction(&purse, payment_hash)
            .await
            .map_err(failure)
    }

    async fn list(
        &self,
        connection: &Connection,
        query: &ListTransactions,
    ) -> std::result::Result<Vec<Transaction>, Failure> {
        let (purse, lightning) = self.lightning(connection).await?;
        lightning.transactions(&purse, query).await.map_err(failure)
    }
}

fn purse_name(connection: &Connection) -> std::result::Result<PurseName, Failure> {
    let unknown = || Failure::new(ErrorCode::Unauthorized, "this connection has no purse");
    connection.wallet.parse().map_err(|_| unknown())
}

/// A node's error in NIP-47's words. What is only the owner's business stays in the log.
pub(super) fn failure(error: NodeError) -> Failure {
    let code = match error.code() {
        "budget_per_payment" | "budget_per_hour" | "budget_per_day" | "budget_total" => {
            ErrorCode::QuotaExceeded
        }
        "policy_rate" | "approvals_full" => ErrorCode::RateLimited,
        "policy_expired" | "policy_host" | "policy_method" | "policy_payee" | "approval_needed"
        | "approval_denied" => ErrorCode::Restricted,
        "insufficient_funds" => ErrorCode::InsufficientBalance,
        "purse_revoked" | "purse_unknown" => ErrorCode::Unauthorized,
        "not_found" => ErrorCode::NotFound,
        "invoice_invalid" | "invoice_paid" | "amount_invalid" | "idempotency_conflict" => {
            ErrorCode::Other
        }
        "nwc_not_connected" | "nwc_no_info" | "nwc_silent" | "nwc_refused" => {
            ErrorCode::PaymentFailed
        }
        _ => ErrorCode::Internal,
    };
    if code == ErrorCode::Internal {
        tracing::error!(
            code = error.code(),
            "a connection's request failed: {error}"
        );
        return Failure::new(code, "the wallet has a problem of its own");
    }
    Failure::new(code, error.to_string())
}

#[cfg(test)]
mod tests {
    use wallet::WalletError;
    use wallet::purse::PolicyError;

    use super::*;

    #[test]
    fn errors_have_the_codes_of_nip_47() {
        let over = WalletError::Policy {
            purse: "scout".into(),
            reason: PolicyError::PerPayment {
                wanted_msat: 2_000,
                limit_msat: 1_000,
            },
        };
        assert_eq!(failure(over.into()).code, ErrorCode::QuotaExceeded);
        let empty = WalletError::Insufficient {
            account: "purse:scout".into(),
            available_msat: 0,
            needed_msat: 1,
        };
        assert_eq!(failure(empty.into()).code, ErrorCode::InsufficientBalance);
        let secret = NodeError::Config("/home/me".into());
        let told = failure(secret);
        assert_eq!(told.code, ErrorCode::Internal);
        assert!(!told.message.contains("/home"));
    }
}
