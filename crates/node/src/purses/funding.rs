//! Purses are funded: from what the owner has, the rest from the mint.

use uuid::Uuid;
use wallet::cashier::books::{Holder, PaymentState};
use wallet::ledger::{self, Account, NewTransfer};
use wallet::purse::{self, PurseName};
use wallet::{MSAT_PER_SAT, sat_to_msat};

use super::PurseView;
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// Money on its way in from the mint.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS fundings (
    quote_id    TEXT PRIMARY KEY,
    purse       TEXT NOT NULL,
    amount_sat  INTEGER NOT NULL CHECK (amount_sat > 0),
    created_ms  INTEGER NOT NULL
) STRICT;
";

/// A funding that the mint hasn't delivered yet.
struct Funding {
    quote_id: String,
    purse: PurseName,
    amount_sat: u64,
    created_ms: i64,
}

/// How long a funding may stay undelivered before it is forgotten; the mint's quote has
/// expired by then.
const FUNDING_MAX_MS: i64 = 2 * 60 * 60 * 1_000;
/// What the way to a mint elsewhere may cost. The way to our own costs nothing.
const FUNDING_FEE_MAX_MSAT: u64 = 50_000;

impl Node {
    /// Puts money into a purse: the owner's own first, the rest from the mint (which on
    /// `play` makes it out of nothing).
    ///
    /// # Errors
    /// `purse_unknown`, `purse_revoked`, `amount_invalid`, or the mint's refusal.
    #[boxed]
    pub async fn purse_fund(&self, name: &PurseName, amount_sat: u64) -> Result<PurseView> {
        let purse = name.clone();
        let missing_sat = self
            .inner
            .db
            .write(move |tx| -> Result<u64> {
                let found = purse::find(tx, &purse)?;
                if found.revoked_ms.is_some() {
                    return Err(wallet::WalletError::Revoked(purse.to_string()).into());
                }
                if amount_sat == 0 {
                    return Err(wallet::WalletError::Amount(0).into());
                }
                let owner = ledger::ensure_account(tx, &Account::Owner)?;
                let own_sat = owner.available_msat().max(0).unsigned_abs() / MSAT_PER_SAT;
                let from_owner_sat = own_sat.min(amount_sat);
                if from_owner_sat > 0 {
                    let id = format!("fund:{}", Uuid::now_v7());
                    let memo = "from the owner";
                    fund(tx, &id, &Account::Owner, &purse, from_owner_sat, memo)?;
                }
                Ok(amount_sat - from_owner_sat)
            })
            .await?;
        if missing_sat > 0 {
            let (node, name) = (self.clone(), name.clone());
            self.uninterrupted(async move { node.fund_from_mint(&name, missing_sat).await })
                .await?;
        }
        self.purse_show(name).await
    }

    async fn fund_from_mint(&self, name: &PurseName, amount_sat: u64) -> Result<()> {
        let quote = self.inner.purses.quote_funding(amount_sat).await?;
        let funding = Funding {
            quote_id: quote.id,
            purse: name.clone(),
            amount_sat,
            created_ms: now_ms(),
        };
        let _guard = self.inner.payments.lock(&lock_key(&funding.quote_id)).await;
        let (quote_id, purse) = (funding.quote_id.clone(), name.to_string());
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                tx.execute(
                    "INSERT INTO fundings (quote_id, purse, amount_sat, created_ms) VALUES (?1, ?2, ?3, ?4)",
                    (quote_id, purse, amount_sat, now_ms()),
                )?;
                Ok(())
            })
            .await?;
        if let Err(error) = self.pay_for_funding(quote.request).await {
            self.forget_funding(funding.quote_id).await?;
            return Err(error);
        }
        let arrived_sat = self.inner.purses.fund(&funding.quote_id).await?;
        self.book_funding(funding, arrived_sat).await
    }

    /// Pays the mint from the owner's Lightning money. On `play` there is none: the mint there takes nothing.
    async fn pay_for_funding(&self, request: String) -> Result<()> {
        let Some(cashier) = &self.inner.cashier else {
            return Ok(());
        };
        let payment = wallet::cashier::Payment {
            holder: Holder::Owner,
            request,
            amount_msat: None,
            fee_max_msat: FUNDING_FEE_MAX_MSAT,
        };
        match cashier.pay(payment).await {
            // Paid, or still under way: what comes of it is found later.
            Ok(paid) if paid.state != PaymentState::Failed => Ok(()),
            Ok(paid) => Err(NodeError::PaymentFailed(paid.reason.unwrap_or_default())),
            Err(error) if error.is_definitive() => Err(error.into()),
            Err(_) => Ok(()),
        }
    }

    async fn book_funding(&self, funding: Funding, arrived_sat: u64) -> Result<()> {
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                let id = format!("fund:{}", funding.quote_id);
                let memo = "from the mint";
                fund(
                    tx,
                    &id,
                    &Account::PurseEcash,
                    &funding.purse,
                    arrived_sat,
                    memo,
                )?;
                tx.execute(
                    "DELETE FROM fundings WHERE quote_id = ?1",
                    [funding.quote_id],
                )?;
                Ok(())
            })
            .await
    }

    /// Finishes fundings that a crash or a silent mint left open.
    pub(crate) async fn resume_fundings(&self) -> Result<()> {
        let open = self
            .inner
            .db
            .write(|tx| -> Result<Vec<Funding>> {
                let mut statement =
                    tx.prepare("SELECT quote_id, purse, amount_sat, created_ms FROM fundings")?;
                let rows = statement.query_map([], |row| {
                    let purse: String = row.get(1)?;
                    Ok(Funding {
                        quote_id: row.get(0)?,
                        purse: purse.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
                        amount_sat: row.get(2)?,
                        created_ms: row.get(3)?,
                    })
                })?;
                Ok(rows.collect::<std::result::Result<_, _>>()?)
            })
            .await?;
        for funding in open {
            let key = lock_key(&funding.quote_id);
            let Some(_guard) = self.inner.payments.try_lock(&key) else {
                continue;
            };
            let arrived = match self.inner.purses.funded(&funding.quote_id).await? {
                Some(arrived_sat) => Ok(arrived_sat),
                None => self.inner.purses.fund(&funding.quote_id).await,
            };
            match arrived {
                Ok(arrived_sat) => self.book_funding(funding, arrived_sat).await?,
                Err(error) if now_ms() - funding.created_ms > FUNDING_MAX_MS => {
                    tracing::warn!(%error, sat = funding.amount_sat, "a funding never arrived");
                    self.forget_funding(funding.quote_id).await?;
                }
                Err(error) => tracing::info!(%error, "a funding is still open"),
            }
        }
        Ok(())
    }

    async fn forget_funding(&self, quote_id: String) -> Result<()> {
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                tx.execute("DELETE FROM fundings WHERE quote_id = ?1", [quote_id])?;
                Ok(())
            })
            .await
    }
}

/// Keeps a live funding and recovery apart.
fn lock_key(quote_id: &str) -> String {
    format!("fund:{quote_id}")
}

fn fund(
    db: &rusqlite::Connection,
    id: &str,
    from: &Account,
    purse: &PurseName,
    amount_sat: u64,
    memo: &str,
) -> Result<()> {
    let transfer = NewTransfer {
        id,
        debit: from,
        credit: &Account::Purse(purse.clone()),
        amount_msat: sat_to_msat(amount_sat),
        memo,
        now_ms: now_ms(),
    };
    Ok(ledger::transfer(db, &transfer)?)
}
