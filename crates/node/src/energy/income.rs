//! What a kWh brings: of answers by the ledger, of hashes by the chain's own headers.

use energy::live::Income;
use energy::market::{BitcoinDay, hashprice_usd_per_th_day};
use rusqlite::Connection;
use wallet::ledger::{self, Account};

use crate::config::EnergyConfig;
use crate::error::Result;

/// How long answers took, and what they had earned by then, hour by hour.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS energy_hours (
    hour_s      INTEGER PRIMARY KEY,
    busy_ms     INTEGER NOT NULL CHECK (busy_ms >= 0),
    earned_msat INTEGER NOT NULL
) STRICT;
";

const HOUR_S: i64 = 3_600;
/// What answers bring is taken from so many hours: four weeks.
const WINDOW_HOURS: i64 = 28 * 24;
/// With less work than this, what it brought says nothing, in hours.
const WORK_HOURS_MIN: f64 = 0.25;
const MSAT_PER_BITCOIN: f64 = 1e11;

/// Adds work to the hour that is now, with what all answers have earned by now.
pub(super) fn note(tx: &Connection, now_s: i64, busy_ms: u64) -> Result<()> {
    let income = ledger::accounts(tx)?;
    let income = income
        .iter()
        .find(|state| state.name == Account::InferenceIncome.to_string());
    let earned_msat = income.map_or(0, |state| state.balance_msat);
    let hour_s = now_s.div_euclid(HOUR_S) * HOUR_S;
    tx.execute(
        "INSERT INTO energy_hours (hour_s, busy_ms, earned_msat) VALUES (?1, ?2, ?3)
         ON CONFLICT (hour_s) DO UPDATE SET busy_ms = busy_ms + excluded.busy_ms, earned_msat = excluded.earned_msat",
        (hour_s, i64::try_from(busy_ms).unwrap_or(i64::MAX), earned_msat),
    )?;
    tx.execute(
        "DELETE FROM energy_hours WHERE hour_s < ?1",
        [hour_s - WINDOW_HOURS * HOUR_S],
    )?;
    Ok(())
}

/// What an hour of answering has earned in the last four weeks, in bitcoin; nothing if there was too little of it.
pub(super) fn btc_per_hour(tx: &Connection) -> Result<Option<f64>> {
    // Of the first hour it isn't known what was earned before it, so only what comes after it counts.
    let (busy_ms, earned_msat): (Option<i64>, Option<i64>) = tx.query_row(
        "SELECT sum(busy_ms) - (SELECT busy_ms FROM energy_hours ORDER BY hour_s LIMIT 1),
                max(earned_msat) - min(earned_msat)
         FROM energy_hours",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let hours = busy_ms.unwrap_or(0) as f64 / 3_600_000.0;
    let earned = earned_msat.unwrap_or(0) as f64 / MSAT_PER_BITCOIN;
    Ok((hours >= WORK_HOURS_MIN).then(|| earned / hours))
}

/// What is known of income when a plan is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Known {
    pub hashprice_usd_per_th_day: Option<f64>,
    /// Of which batch AI, and what a kWh of it brings, in dollars.
    pub answers: Option<(String, f64)>,
}

impl Income for Known {
    fn hashprice_usd_per_th_day(&self) -> Option<f64> {
        self.hashprice_usd_per_th_day
    }

    fn ai_usd_per_kwh(&self, job: &str) -> Option<f64> {
        let (name, usd_per_kwh) = self.answers.as_ref()?;
        (name == job).then_some(*usd_per_kwh)
    }
}

/// What a TH/s brings in a day with the chain's newest difficulty and subsidy; nothing while bitcoin's price isn't known.
pub(super) fn hashprice(config: &EnergyConfig, difficulty: f64, height: u32) -> Option<f64> {
    let day = BitcoinDay {
        price_usd: config.bitcoin_usd?,
        difficulty,
        fee_share: config.fee_share_percent / 100.0,
    };
    let hashprice = hashprice_usd_per_th_day(&day, subsidy_btc(height));
    hashprice.is_finite().then_some(hashprice)
}

/// What a block at a height creates, in bitcoin.
fn subsidy_btc(height: u32) -> f64 {
    let halvings = height / bitcoin::constants::SUBSIDY_HALVING_INTERVAL;
    50.0 / 2f64.powi(i32::try_from(halvings).unwrap_or(64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn earn(tx: &Connection, id: &str, amount_msat: u64) -> Result<()> {
        let booked = ledger::NewTransfer {
            id,
            debit: &Account::TillEcash,
            credit: &Account::InferenceIncome,
            amount_msat,
            memo: "earned",
            now_ms: 1,
        };
        Ok(ledger::transfer(tx, &booked)?)
    }

    #[tokio::test]
    async fn an_hour_of_answering_brings_what_the_ledger_says() {
        let db = wallet::Db::in_memory().unwrap();
        db.write(|tx| -> Result<()> {
            tx.execute_batch(SCHEMA)?;
            earn(tx, "before", 5_000_000)?;
            note(tx, 0, 3_600_000)?;
            assert_eq!(btc_per_hour(tx)?, None, "nothing after the first hour");
            earn(tx, "after", 2_000_000)?;
            note(tx, HOUR_S, 600_000)?;
            assert_eq!(btc_per_hour(tx)?, None, "ten minutes say nothing");
            note(tx, HOUR_S + 1_800, 1_200_000)?;
            // 2,000 sat in half an hour.
            let rate = btc_per_hour(tx)?.unwrap();
            assert!((rate - 4_000e-8).abs() < 1e-12, "{rate}");
            // Four weeks later it is forgotten.
            note(tx, HOUR_S * (WINDOW_HOURS + 3), 0)?;
            assert_eq!(btc_per_hour(tx)?, None);
            Ok(())
        })
        .await
        .unwrap();
    }

    #[test]
    fn hashprice_follows_height_and_difficulty() {
        let mut config = EnergyConfig {
            bitcoin_usd: Some(56_000.0),
            fee_share_percent: 15.0,
            ..EnergyConfig::default()
        };
        let hashprice_of = |config: &EnergyConfig, height| hashprice(config, 23.58e12, height);
        let before = hashprice_of(&config, 680_000).unwrap();
        assert!((before - 0.351).abs() < 0.002, "{before}");
        let after = hashprice_of(&config, 840_000).unwrap();
        assert!((after * 2.0 - before).abs() < 1e-9);
        config.bitcoin_usd = None;
        assert_eq!(hashprice_of(&config, 840_000), None);
    }
}
