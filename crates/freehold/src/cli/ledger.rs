//! `freehold ledger`

use clap::Subcommand;
use node::PurseName;
use serde::Deserialize;

use super::args::purse_name;
use super::table::{pairs, sat, table};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::when;

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List the newest transfers, oldest first
    List {
        /// Only this purse's
        #[arg(
            long,
            env = "FREEHOLD_LEDGER_PURSE",
            hide_env = true,
            value_name = "NAME"
        )]
        #[arg(value_parser = purse_name)]
        purse: Option<PurseName>,
        /// How many
        #[arg(
            long,
            env = "FREEHOLD_LEDGER_LIMIT",
            hide_env = true,
            value_name = "COUNT"
        )]
        #[arg(default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Check that the books balance
    Check,
}

/// A line of the ledger.
#[derive(Debug, Deserialize)]
pub struct Line {
    seq: i64,
    debit: String,
    credit: String,
    amount_msat: u64,
    posted_msat: Option<u64>,
    state: String,
    memo: String,
    created_ms: i64,
}

/// What a check found.
#[derive(Debug, Deserialize)]
struct Outcome {
    transfers: u64,
    accounts: u64,
    sum_msat: i64,
    pending: u64,
    #[serde(default)]
    in_flight: u64,
    findings: Vec<String>,
    sound: bool,
}

pub async fn run(output: Output, client: &Client, command: LedgerCommand) -> Result<()> {
    match command {
        LedgerCommand::List { purse, limit } => {
            let filter = purse.map(|purse| format!("&purse={purse}"));
            let filter = filter.unwrap_or_default();
            let path = format!("/api/ledger?limit={limit}{filter}");
            output.show(client.get(&path).await?, listed)
        }
        LedgerCommand::Check => {
            let outcome = client.get("/api/ledger/check").await?;
            let is_sound = outcome["sound"] == true;
            output.show(outcome, checked)?;
            if is_sound {
                return Ok(());
            }
            Err(Failure::ours("ledger_unsound", "the books don't balance"))
        }
    }
}

fn listed(lines: Vec<Line>) -> String {
    if lines.is_empty() {
        return "no transfers yet".into();
    }
    let row = |line: &Line| {
        [
            line.seq.to_string(),
            when::utc(line.created_ms),
            sat(line.posted_msat.unwrap_or(line.amount_msat)),
            line.debit.clone(),
            line.credit.clone(),
            line.state.clone(),
            line.memo.clone(),
        ]
    };
    let rows = lines.iter().map(row).collect();
    table(["#", "time", "sat", "from", "to", "state", "memo"], rows)
}

fn checked(outcome: Outcome) -> String {
    let verdict = if outcome.sound {
        "the books balance"
    } else {
        "THE BOOKS DON'T BALANCE"
    };
    let mut lines = vec![
        ("ledger", verdict.to_owned()),
        ("transfers", outcome.transfers.to_string()),
        ("accounts", outcome.accounts.to_string()),
        ("sum", format!("{} msat", outcome.sum_msat)),
        ("pending", outcome.pending.to_string()),
        ("in flight", outcome.in_flight.to_string()),
    ];
    lines.extend(outcome.findings.into_iter().map(|found| ("finding", found)));
    pairs(&lines)
}
