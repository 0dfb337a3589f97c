//! The audit of purses: replays what was spent against the policies that held.

use std::collections::HashSet;

use rusqlite::Connection;

use super::{DAY_MS, HOUR_MS, Purse, Spent, history};
use crate::WalletError;
use crate::ledger::{Account, TransferState, list};

/// Describes each payment of the purse that broke a limit and wasn't approved.
///
/// # Errors
/// If the database fails.
pub(crate) fn audit(db: &Connection, purse: &Purse) -> Result<Vec<String>, WalletError> {
    let account = Account::Purse(purse.name.clone());
    let (name, owner) = (account.to_string(), Account::Owner.to_string());
    let approved = approved(db, purse)?;
    let mut spending = list(db, Some(&account), u32::MAX)?;
    spending.retain(|t| t.debit == name && t.credit != owner && t.state != TransferState::Voided);
    let mut sums = Sums::over(spending.iter().map(|t| t.created_ms).collect());
    let mut versions = history(db, &purse.name)?.into_iter().peekable();
    let mut policy = purse.policy.clone();
    let mut found = Vec::new();
    for transfer in &spending {
        while let Some(version) = versions.next_if(|version| version.after_seq < transfer.seq) {
            policy = version.policy;
        }
        let amount_msat = transfer.posted_msat.unwrap_or(transfer.amount_msat);
        let since = |window_ms: i64| sums.after(transfer.created_ms.saturating_sub(window_ms));
        let spent = Spent {
            hour_msat: since(HOUR_MS),
            day_msat: since(DAY_MS),
            total_msat: sums.all,
            ..Spent::default()
        };
        found.extend(policy.audits(&spent, amount_msat, approved.contains(&transfer.id)));
        sums.add(transfer.created_ms, amount_msat);
    }
    Ok(found)
}

fn approved(db: &Connection, purse: &Purse) -> Result<HashSet<String>, WalletError> {
    let sql = "SELECT transfer_id FROM approvals WHERE purse = ?1 AND state = 'used'";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([purse.name.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Sums of amounts by time, which comes in any order since clocks are set back: a Fenwick tree over the times.
struct Sums {
    times: Vec<i64>,
    tree: Vec<u64>,
    all: u64,
}

impl Sums {
    fn over(mut times: Vec<i64>) -> Self {
        times.sort_unstable();
        times.dedup();
        let tree = vec![0; times.len() + 1];
        Self {
            times,
            tree,
            all: 0,
        }
    }

    fn add(&mut self, time_ms: i64, amount_msat: u64) {
        self.all = self.all.saturating_add(amount_msat);
        let mut place = self.up_to(time_ms);
        while let Some(sum) = self.tree.get_mut(place).filter(|_| place > 0) {
            *sum = sum.saturating_add(amount_msat);
            place += place & place.wrapping_neg();
        }
    }

    /// What was added for times after `time_ms`.
    fn after(&self, time_ms: i64) -> u64 {
        let (mut place, mut before) = (self.up_to(time_ms), 0_u64);
        while place > 0 {
            before = before.saturating_add(self.tree.get(place).copied().unwrap_or(0));
            place &= place - 1;
        }
        self.all.saturating_sub(before)
    }

    /// How many of the times are at or before this one.
    fn up_to(&self, time_ms: i64) -> usize {
        self.times.partition_point(|time| *time <= time_ms)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sums_are_those_of_a_plain_search(spending in prop::collection::vec((0..20_i64, 0..9_u64), 0..40)) {
            let mut sums = Sums::over(spending.iter().map(|(time, _)| *time).collect());
            for (n, (time, amount)) in spending.iter().enumerate() {
                for after in -1..21 {
                    let plain = spending[..n].iter().filter(|(time, _)| *time > after).map(|(_, a)| a);
                    prop_assert_eq!(sums.after(after), plain.sum::<u64>());
                }
                sums.add(*time, *amount);
            }
        }
    }
}
