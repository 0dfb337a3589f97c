//! Purses: made, funded, shown, changed, revoked.

mod approvals;
mod funding;
mod policy;
mod tokens;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use wallet::MSAT_PER_SAT;
use wallet::ledger::{self, Account};
use wallet::purse::{self, Policy, Purse, PurseName};

pub use approvals::ApprovalView;
pub(crate) use funding::SCHEMA;
pub use policy::PolicySat;
pub use tokens::{Narrowed, narrow_token};
pub(crate) use tokens::{TokenKeys, looks_like_token};

use crate::boxed;
use crate::error::Result;
use crate::node::{Node, now_ms};

/// A purse as it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurseView {
    /// Its name.
    pub name: PurseName,
    /// What it can still spend.
    pub balance_sat: u64,
    /// What is reserved for payments whose end isn't known yet.
    pub reserved_sat: u64,
    /// Spent or reserved in the last 60 minutes.
    pub spent_hour_sat: u64,
    /// Spent or reserved in the last 24 hours.
    pub spent_day_sat: u64,
    /// Spent or reserved ever.
    pub spent_total_sat: u64,
    /// What it may spend.
    pub policy: PolicySat,
    /// How often the policy was set; whoever changes it says which one it was.
    pub policy_version: u32,
    /// Settled payments that count towards the next mode, if modes are earned.
    pub settled_payments: Option<u64>,
    /// Made at, Unix milliseconds.
    pub created_ms: i64,
    /// Revoked at, Unix milliseconds.
    pub revoked_ms: Option<i64>,
}

/// A purse that was just made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewPurse {
    /// The purse.
    pub purse: PurseView,
    /// Its bearer token, which can be narrowed. It is shown this once; the node doesn't keep it.
    pub token: String,
}

/// A purse that was just revoked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Revoked {
    /// The purse.
    pub purse: PurseView,
    /// What went back to the owner.
    pub returned_sat: u64,
}

impl Node {
    /// Makes a purse with no money in it.
    ///
    /// # Errors
    /// `purse_exists`, `policy_invalid`, or a database error.
    #[boxed]
    pub async fn purse_new(&self, name: PurseName, policy: PolicySat) -> Result<NewPurse> {
        let token = self.inner.purse_tokens.mint(rand::random())?;
        let (policy, digest) = (Policy::from(policy), token.sha256);
        let purse = self
            .inner
            .db
            .write(move |tx| -> Result<_> {
                let purse = purse::create(tx, &name, &policy, &digest, now_ms())?;
                view(tx, &purse)
            })
            .await?;
        Ok(NewPurse {
            purse,
            token: token.text,
        })
    }

    /// Replaces a purse's policy. `version` is the one that is replaced.
    ///
    /// # Errors
    /// `policy_changed` if it isn't in force any more; `policy_invalid`, `purse_unknown`.
    #[boxed]
    pub async fn purse_set_policy(
        &self,
        name: &PurseName,
        version: u32,
        policy: PolicySat,
    ) -> Result<PurseView> {
        let (name, policy) = (name.clone(), Policy::from(policy));
        self.inner
            .db
            .write(move |tx| {
                let purse = purse::set_policy(tx, &name, version, &policy, now_ms())?;
                view(tx, &purse)
            })
            .await
    }

    /// All purses, by name.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn purse_list(&self) -> Result<Vec<PurseView>> {
        self.inner
            .db
            .write(|tx| {
                purse::list(tx)?
                    .iter()
                    .map(|purse| view(tx, purse))
                    .collect()
            })
            .await
    }

    /// One purse.
    ///
    /// # Errors
    /// `purse_unknown`, or a database error.
    #[boxed]
    pub async fn purse_show(&self, name: &PurseName) -> Result<PurseView> {
        let name = name.clone();
        self.inner
            .db
            .write(move |tx| view(tx, &purse::find(tx, &name)?))
            .await
    }

    /// Makes a purse's token worthless, and gives its money back to the owner.
    ///
    /// # Errors
    /// `purse_unknown`, or a database error.
    #[boxed]
    pub async fn purse_revoke(&self, name: &PurseName) -> Result<Revoked> {
        let name = name.clone();
        self.inner
            .db
            .write(move |tx| -> Result<_> {
                let id = format!("revoke:{}", Uuid::now_v7());
                let returned_msat = purse::revoke(tx, &name, &id, now_ms())?;
                let purse = view(tx, &purse::find(tx, &name)?)?;
                Ok(Revoked {
                    purse,
                    returned_sat: returned_msat / MSAT_PER_SAT,
                })
            })
            .await
    }
}

fn view(db: &rusqlite::Connection, purse: &Purse) -> Result<PurseView> {
    let account = ledger::ensure_account(db, &Account::Purse(purse.name.clone()))?;
    let spent = purse.spent(db, now_ms())?;
    let sat = |msat: u64| msat / MSAT_PER_SAT;
    let is_earned = purse.policy.promotion.is_some();
    let settled_payments = match is_earned {
        true => Some(purse::settled_payments(db, purse)?),
        false => None,
    };
    Ok(PurseView {
        name: purse.name.clone(),
        balance_sat: sat(account.available_msat().max(0).unsigned_abs()),
        reserved_sat: sat(account.reserved_msat.max(0).unsigned_abs()),
        spent_hour_sat: sat(spent.hour_msat),
        spent_day_sat: sat(spent.day_msat),
        spent_total_sat: sat(spent.total_msat),
        policy: PolicySat::from(&purse.policy),
        policy_version: purse.version,
        settled_payments,
        created_ms: purse.created_ms,
        revoked_ms: purse.revoked_ms,
    })
}
