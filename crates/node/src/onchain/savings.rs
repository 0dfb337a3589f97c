//! Savings: when they are looked at, and what has to stay.

use serde::{Deserialize, Serialize};
use wallet::MSAT_PER_SAT;
use wallet::ledger::{self, AccountState};
use wallet::savings::{self, Attempt, Rule, Savings};

use crate::boxed;
use crate::error::Result;
use crate::node::{Node, now_ms};

/// Where savings go, and when.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavingsInput {
    /// An xpub, or a descriptor of public keys.
    pub descriptor: String,
    /// What is above this is swept.
    pub above_sat: u64,
    /// Only while a byte costs less than this.
    pub fee_below_sat_per_vb: f64,
}

impl Node {
    /// Sets up where savings go.
    ///
    /// # Errors
    /// `descriptor_…`, or the chain source's.
    #[boxed]
    pub async fn savings_set(&self, input: &SavingsInput) -> Result<Savings> {
        let wallet = self.onchain_wallet(None).await?;
        let rule = Rule {
            above_sat: input.above_sat,
            fee_below_sat_per_vb: input.fee_below_sat_per_vb,
        };
        Ok(savings::set(&wallet, &input.descriptor, rule, now_ms()).await?)
    }

    /// Where savings go, if anywhere, and why the last look sent something or nothing.
    ///
    /// # Errors
    /// `onchain_off`.
    #[boxed]
    pub async fn savings_show(&self) -> Result<Option<Savings>> {
        Ok(savings::show(&self.onchain_wallet(None).await?).await?)
    }

    /// Ends it. What was saved stays where it is.
    ///
    /// # Errors
    /// `onchain_off`.
    #[boxed]
    pub async fn savings_off(&self) -> Result<()> {
        Ok(savings::off(&self.onchain_wallet(None).await?).await?)
    }

    /// Looks now whether there is something to sweep, by the same rules as in the background.
    ///
    /// # Errors
    /// `savings_off`, or the chain source's.
    #[boxed]
    pub async fn savings_now(&self) -> Result<Attempt> {
        let node = self.clone();
        self.uninterrupted(async move {
            node.onchain_wallet(None).await?.sync(now_ms()).await?;
            node.sweep_savings().await
        })
        .await
    }

    /// Sweeps if it is time. The wallet has to be up to date.
    pub(super) async fn sweep_savings(&self) -> Result<Attempt> {
        let wallet = self.onchain_wallet(None).await?;
        let reserved_sat = self.onchain_reserved_sat().await?;
        let attempt = savings::run(&wallet, reserved_sat, now_ms()).await?;
        if let Some(id) = &attempt.spend_id {
            let spends = wallet.spends(1).await?;
            let spend = spends.iter().find(|spend| spend.id == *id);
            spend.inspect(|spend| self.book_onchain_spend(spend));
        }
        Ok(attempt)
    }

    /// What must not be swept: as much as purses hold. What channels need for being closed is no part of this
    /// wallet: they keep it in their own.
    async fn onchain_reserved_sat(&self) -> Result<u64> {
        let accounts = self.inner.db.write(|tx| ledger::accounts(tx)).await?;
        let purses = accounts
            .iter()
            .filter(|account| account.name.starts_with("purse:"));
        // Reserved is still in the balance: it is needed until it is spent.
        let msat: u64 = purses.map(held_msat).fold(0, u64::saturating_add);
        Ok(msat.div_ceil(MSAT_PER_SAT))
    }
}

fn held_msat(account: &AccountState) -> u64 {
    account.balance_msat.max(0).unsigned_abs()
}
