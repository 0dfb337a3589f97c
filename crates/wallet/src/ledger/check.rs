//! The audit: recomputes everything from the transfers, and trusts no stored sum.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::Serialize;

use super::{TransferState, accounts, list};
use crate::WalletError;
use crate::purse;

/// What an audit found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Transfers that were read.
    pub transfers: u64,
    /// Accounts that were read.
    pub accounts: u64,
    /// Sum of all balances; zero in a sound ledger.
    pub sum_msat: i64,
    /// Reservations whose end isn't known yet.
    pub pending: u64,
    /// Everything that isn't as it must be; empty in a sound ledger.
    pub findings: Vec<String>,
}

impl Report {
    /// True if nothing was found.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Audits the whole ledger: balances and reservations against the transfers, the
/// sum against zero, purses against their policies.
///
/// # Errors
/// If the database fails.
pub fn check(db: &Connection) -> Result<Report, WalletError> {
    let transfers = list(db, None, u32::MAX)?;
    let mut balances: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    let mut report = Report {
        transfers: transfers.len() as u64,
        ..Report::default()
    };
    for transfer in &transfers {
        let amount = i64::try_from(transfer.amount_msat).unwrap_or(i64::MAX);
        match transfer.state {
            TransferState::Pending => {
                report.pending += 1;
                balances.entry(&transfer.debit).or_default().1 += amount;
            }
            TransferState::Posted => {
                let posted = transfer.posted_msat.unwrap_or(0);
                if posted > transfer.amount_msat {
                    report
                        .findings
                        .push(format!("{} cost more than was reserved", transfer.id));
                }
                let posted = i64::try_from(posted).unwrap_or(i64::MAX);
                balances.entry(&transfer.debit).or_default().0 -= posted;
                balances.entry(&transfer.credit).or_default().0 += posted;
            }
            TransferState::Voided => {}
        }
    }
    for account in accounts(db)? {
        report.accounts += 1;
        report.sum_msat += account.balance_msat;
        let (balance, reserved) = balances.remove(account.name.as_str()).unwrap_or_default();
        if (balance, reserved) != (account.balance_msat, account.reserved_msat) {
            report.findings.push(format!(
                "{}: stored {}/{} msat, transfers say {balance}/{reserved} msat",
                account.name, account.balance_msat, account.reserved_msat
            ));
        }
        if account.kind == "liability" && account.available_msat() < 0 {
            report
                .findings
                .push(format!("{} is overdrawn", account.name));
        }
    }
    if report.sum_msat != 0 {
        report.findings.push(format!(
            "the sum of all accounts is {} msat",
            report.sum_msat
        ));
    }
    check_purses(db, &mut report)?;
    Ok(report)
}

/// Replays each purse's spending against the policies that held, payment by payment.
fn check_purses(db: &Connection, report: &mut Report) -> Result<(), WalletError> {
    for purse in purse::list(db)? {
        for finding in purse::audit(db, &purse)? {
            report
                .findings
                .push(format!("purse {}: {finding}", purse.name));
        }
    }
    Ok(())
}
