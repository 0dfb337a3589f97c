//! What a node's ledger must say at any moment, and when nothing is under way.

use rusqlite::Connection;
use std::collections::HashSet;
use uuid::Uuid;
use wallet::Account;
use wallet::ledger;

use super::ground::Ground;
use crate::error::Result;

/// What the ledger has in an asset: in all, and without what is reserved.
fn held_msat(db: &Connection, asset: &Account) -> Result<(i64, i64)> {
    let held_msat = -ledger::ensure_account(db, asset)?.balance_msat;
    let sql = "SELECT COALESCE(SUM(amount_msat), 0) FROM transfers WHERE state = 'pending' AND credit = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let reserved_msat: i64 = statement.query_row([asset.to_string()], |row| row.get(0))?;
    Ok((held_msat, held_msat - reserved_msat))
}

fn sum_msat(db: &Connection) -> Result<i64> {
    let mut statement = db.prepare_cached("SELECT COALESCE(SUM(balance_msat), 0) FROM accounts")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

impl Ground {
    /// The sum is zero, and what may be spent is there.
    pub fn check_books(
        &self,
        ecash: &Account,
        recorded: fn(&Connection) -> Result<Vec<Uuid>>,
    ) -> std::result::Result<(), String> {
        let (sum, notes, channels) = self
            .look(|db| {
                let notes = held_msat(db, ecash)?.1;
                Ok((sum_msat(db)?, notes, held_msat(db, &Account::Lightning)?.1))
            })
            .map_err(|error| error.to_string())?;
        if sum != 0 {
            return Err(format!(
                "{}: the sum of all accounts is {sum} msat",
                self.name
            ));
        }
        let there_msat = self.ecash.balance_sat() as i64 * 1_000;
        // What was made and isn't recorded is on its way back.
        let back_msat = || -> i64 {
            let recorded = self.look(recorded).unwrap_or_default();
            self.ecash.unrecorded_sat(&HashSet::from_iter(recorded)) as i64 * 1_000
        };
        if notes > there_msat && notes > there_msat + back_msat() {
            return Err(format!(
                "{}: {notes} msat of ecash can be spent, {there_msat} are there",
                self.name
            ));
        }
        let rail = self.world.rail.borrow();
        let there_msat = rail.balance_msat(&self.name);
        match channels > there_msat {
            true => Err(format!(
                "{}: {channels} msat can be sent, {there_msat} are there",
                self.name
            )),
            false => Ok(()),
        }
    }

    /// Nothing is reserved, and the ledger has what is there, to the last millisatoshi.
    pub fn check_books_at_rest(
        &self,
        ecash: &Account,
        recorded: fn(&Connection) -> Result<Vec<Uuid>>,
    ) -> std::result::Result<(), String> {
        self.check_books(ecash, recorded)?;
        let (notes, channels, report) = self
            .look(|db| {
                Ok((
                    held_msat(db, ecash)?.0,
                    held_msat(db, &Account::Lightning)?.0,
                    ledger::check(db)?,
                ))
            })
            .map_err(|error| error.to_string())?;
        if !report.is_sound() || report.pending > 0 {
            return Err(format!(
                "{}: {} pending, {:?}",
                self.name, report.pending, report.findings
            ));
        }
        let there_msat = self.ecash.balance_sat() as i64 * 1_000;
        if notes != there_msat {
            return Err(format!(
                "{}: {notes} msat of ecash are booked, {there_msat} are there",
                self.name
            ));
        }
        let there_msat = self.world.rail.borrow().balance_msat(&self.name);
        match channels == there_msat {
            true => Ok(()),
            false => Err(format!(
                "{}: {channels} msat are booked in channels, {there_msat} are there",
                self.name
            )),
        }
    }
}
