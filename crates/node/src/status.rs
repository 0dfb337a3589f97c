//! What the node has, owes and does; and the audit.

use serde::{Deserialize, Serialize};
use wallet::MSAT_PER_SAT;
use wallet::ledger::{self, Account, AccountState, Transfer};
use wallet::purse::PurseName;

use crate::backup::BackupView;
use crate::boxed;
use crate::config::PriceConfig;
use crate::error::Result;
use crate::node::Node;

/// The node at a glance.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// Which money.
    pub network: String,
    /// How others reach the node.
    pub url: String,
    /// The mint of its ecash.
    pub mint_url: String,
    /// The selected model.
    pub model: Option<String>,
    /// True if the model is loaded.
    pub model_running: bool,
    /// The model's process.
    pub model_pid: Option<u32>,
    /// What the owner can spend.
    pub owner_sat: u64,
    /// What all purses together can spend.
    pub purses_sat: u64,
    /// Earned by answering, ever.
    pub earned_sat: u64,
    /// Receipts issued.
    pub receipts: u64,
    /// Who signs the receipts: the node's identity in one line.
    pub receipt_key: String,
    /// What strangers pay.
    pub price: PriceConfig,
    /// Sales and payments that aren't over.
    pub in_flight: u64,
    /// How the backups are.
    pub backup: BackupView,
    /// Up for so long.
    pub uptime_ms: u64,
}

/// The ledger's audit, and the ecash behind it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Audit {
    /// True if nothing is wrong.
    pub sound: bool,
    /// Transfers that were read.
    pub transfers: u64,
    /// Accounts that were read.
    pub accounts: u64,
    /// The sum of all accounts; zero in a sound ledger.
    pub sum_msat: i64,
    /// Reservations whose end isn't known yet.
    pub pending: u64,
    /// Sales and payments that aren't over; as long as there are any, the ecash can't
    /// be compared with the ledger.
    pub in_flight: u64,
    /// What the ledger says that the node holds in ecash.
    pub ecash_booked_sat: u64,
    /// What its wallets have ready to spend.
    pub ecash_held_sat: u64,
    /// Everything that isn't as it must be.
    pub findings: Vec<String>,
}

impl Node {
    /// The node at a glance.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn status(&self) -> Result<Status> {
        let (accounts, in_flight) = self
            .inner
            .db
            .write(|tx| -> Result<_> { Ok((ledger::accounts(tx)?, in_flight(tx)?)) })
            .await?;
        let total = |matches: &dyn Fn(&str) -> bool| -> u64 {
            let matching = accounts.iter().filter(|account| matches(&account.name));
            let msat: i64 = matching.map(AccountState::available_msat).sum();
            msat.max(0).unsigned_abs() / MSAT_PER_SAT
        };
        let receipts = self.inner.receipts.lock().await;
        let running = self.inner.engines.peek();
        let config = &self.inner.config;
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            network: config.network.to_string(),
            url: config.url(),
            mint_url: self.inner.purses.mint_url(),
            model: self.inner.engines.selected()?.map(|model| model.spec.name),
            model_running: running.is_some(),
            model_pid: running.and_then(|running| running.engine.pid()),
            owner_sat: total(&|name| name == "owner"),
            purses_sat: total(&|name| name.starts_with("purse:")),
            earned_sat: total(&|name| name.starts_with("income:")),
            receipts: receipts.size(),
            receipt_key: receipts.node().to_string(),
            price: config.price,
            in_flight,
            backup: self.backup_view(),
            uptime_ms: u64::try_from(self.inner.started.elapsed().as_millis()).unwrap_or(0),
        })
    }

    /// The newest transfers, oldest first, of one purse or of all accounts.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn ledger_list(&self, purse: Option<PurseName>, limit: u32) -> Result<Vec<Transfer>> {
        let account = purse.map(Account::Purse);
        self.inner
            .db
            .write(move |tx| Ok(ledger::list(tx, account.as_ref(), limit)?))
            .await
    }

    /// Audits the ledger, and compares it with the ecash that the wallets really hold.
    ///
    /// # Errors
    /// If a database fails. What the audit finds is in [`Audit::findings`].
    #[boxed]
    pub async fn ledger_check(&self) -> Result<Audit> {
        let (report, accounts, in_flight) = self
            .inner
            .db
            .write(|tx| -> Result<_> {
                Ok((ledger::check(tx)?, ledger::accounts(tx)?, in_flight(tx)?))
            })
            .await?;
        let mut findings = report.findings;
        let (mut booked_sat, mut held_sat) = (0, 0);
        for (account, wallet) in [
            (Account::TillEcash, &self.inner.till),
            (Account::PurseEcash, &self.inner.purses),
        ] {
            let name = account.to_string();
            let found = accounts.iter().find(|state| state.name == name);
            let booked_msat = found
                .map_or(0, |state| -state.balance_msat)
                .max(0)
                .unsigned_abs();
            let (booked, held) = (
                booked_msat / MSAT_PER_SAT,
                wallet.holdings().await?.unspent_sat,
            );
            if in_flight == 0 && booked != held {
                findings.push(format!(
                    "{name}: {booked} sat are booked, {held} sat are in the wallet"
                ));
            }
            booked_sat += booked;
            held_sat += held;
        }
        Ok(Audit {
            sound: findings.is_empty(),
            transfers: report.transfers,
            accounts: report.accounts,
            sum_msat: report.sum_msat,
            pending: report.pending,
            in_flight,
            ecash_booked_sat: booked_sat,
            ecash_held_sat: held_sat,
            findings,
        })
    }
}

/// Sales, payments, fundings and calls that aren't over.
pub(crate) fn in_flight(db: &rusqlite::Connection) -> Result<u64> {
    Ok(db.query_row(
        "SELECT (SELECT count(*) FROM sales WHERE state != 'settled')
              + (SELECT count(*) FROM payments WHERE state NOT IN ('settled', 'voided'))
              + (SELECT count(*) FROM fundings)
              + (SELECT count(*) FROM sessions WHERE state IN ('redeeming', 'refunding'))
              + (SELECT count(*) FROM purse_payments WHERE state = 'paying')",
        [],
        |row| row.get(0),
    )?)
}
