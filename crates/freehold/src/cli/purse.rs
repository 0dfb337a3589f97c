//! `freehold purse`

use clap::{Args, Subcommand};
use node::lightning::{PursePayment, PursePaymentState};
use node::{NewPurse, PurseName, PurseView, Revoked};
use serde_json::json;

use super::args::purse_name;
use super::nwc;
use super::table::{pairs, table};
use crate::api::lightning::PursePayInput;
use crate::api::purses::{AmountInput, BudgetInput, PurseInput};
use crate::client::Client;
use crate::failure::Result;
use crate::output::Output;
use crate::when;

/// What to do with a purse.
#[derive(Debug, Subcommand)]
pub enum PurseCommand {
    /// Make a purse for an agent, and show its token once
    New {
        /// 1 to 32 of a-z, 0-9 and `-`, beginning with a letter
        #[arg(value_parser = purse_name)]
        name: PurseName,
        #[command(flatten)]
        limits: Limits,
    },
    /// List all purses
    List,
    /// Show one purse
    Show {
        /// Which
        #[arg(value_parser = purse_name)]
        name: PurseName,
    },
    /// Put money into a purse
    Fund {
        /// Which
        #[arg(value_parser = purse_name)]
        name: PurseName,
        /// How much
        #[arg(long, env = "FREEHOLD_PURSE_SAT", hide_env = true, value_name = "SAT")]
        #[arg(value_parser = clap::value_parser!(u64).range(1..))]
        sat: u64,
    },
    /// Pay a Lightning invoice from a purse, within its limits
    Pay {
        /// Which
        #[arg(value_parser = purse_name)]
        name: PurseName,
        /// The BOLT 11 invoice
        invoice: String,
        /// What the way may cost [default: what the mint asks for]
        #[arg(
            long,
            env = "FREEHOLD_PURSE_MAX_FEE_SAT",
            hide_env = true,
            value_name = "SAT"
        )]
        max_fee_sat: Option<u64>,
    },
    /// Back a purse by somebody else's wallet: its payments come from there, its limits hold
    Back(nwc::BackArgs),
    /// Make a purse's token worthless, and take its money back
    Revoke {
        /// Which
        #[arg(value_parser = purse_name)]
        name: PurseName,
    },
}

/// Limits that hold whatever the agent does; fees count.
#[derive(Debug, Args)]
pub struct Limits {
    /// The most in one payment [default: 100]
    #[arg(
        long,
        env = "FREEHOLD_PURSE_PER_PAYMENT_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    per_payment_sat: Option<u64>,
    /// The most in any 24 hours [default: 1000]
    #[arg(
        long,
        env = "FREEHOLD_PURSE_PER_DAY_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    per_day_sat: Option<u64>,
    /// The most ever [default: 10000]
    #[arg(
        long,
        env = "FREEHOLD_PURSE_TOTAL_SAT",
        hide_env = true,
        value_name = "SAT"
    )]
    total_sat: Option<u64>,
}

pub async fn run(output: Output, client: &Client, command: PurseCommand) -> Result<()> {
    match command {
        PurseCommand::New { name, limits } => {
            let budget = BudgetInput {
                per_payment_sat: limits.per_payment_sat,
                per_day_sat: limits.per_day_sat,
                total_sat: limits.total_sat,
            };
            let name = name.to_string();
            let purse = client
                .post("/api/purses", &PurseInput { name, budget })
                .await?;
            output.show(purse, created)
        }
        PurseCommand::List => output.show(client.get("/api/purses").await?, listed),
        PurseCommand::Show { name } => {
            let purse = client.get(&format!("/api/purses/{name}")).await?;
            output.show(purse, |purse| shown(&purse))
        }
        PurseCommand::Fund { name, sat } => {
            let path = format!("/api/purses/{name}/fund");
            let purse = client.post(&path, &AmountInput { amount_sat: sat }).await?;
            output.show(purse, |purse: PurseView| {
                format!("purse {name} has {} sat now", purse.balance_sat)
            })
        }
        PurseCommand::Pay {
            name,
            invoice,
            max_fee_sat,
        } => {
            let path = format!("/api/purses/{name}/pay");
            let input = PursePayInput {
                invoice,
                fee_max_sat: max_fee_sat,
            };
            output.show(client.post(&path, &input).await?, paid)
        }
        PurseCommand::Back(args) => nwc::back(output, client, args).await,
        PurseCommand::Revoke { name } => {
            let path = format!("/api/purses/{name}/revoke");
            let revoked = client.post(&path, &json!({})).await?;
            output.show(revoked, |revoked: Revoked| {
                let returned_sat = revoked.returned_sat;
                format!("purse {name} is revoked; {returned_sat} sat went back to you")
            })
        }
    }
}

fn paid(payment: PursePayment) -> String {
    let (purse, amount_sat) = (&payment.purse, payment.amount_sat);
    match payment.state {
        PursePaymentState::Settled => {
            let fee_sat = payment.fee_sat.unwrap_or(0);
            format!("paid {amount_sat} sat from purse {purse}, and {fee_sat} sat for the way")
        }
        PursePaymentState::Paying => {
            format!("{amount_sat} sat from purse {purse} are on their way; they count as spent")
        }
        PursePaymentState::Voided => "nothing was paid".to_owned(),
    }
}

fn created(new: NewPurse) -> String {
    let name = &new.purse.name;
    format!(
        "{}\ntoken        {}\n\nThe token is shown this once; give it to the agent. \
         Next: freehold purse fund {name} --sat 100",
        shown(&new.purse),
        new.token
    )
}

fn listed(purses: Vec<PurseView>) -> String {
    if purses.is_empty() {
        return "no purses yet: freehold purse new NAME".into();
    }
    let row = |purse: &PurseView| {
        [
            purse.name.to_string(),
            purse.balance_sat.to_string(),
            purse.reserved_sat.to_string(),
            format!("{}/{}", purse.spent_day_sat, purse.budget.per_day_sat),
            format!("{}/{}", purse.spent_total_sat, purse.budget.total_sat),
            purse.budget.per_payment_sat.to_string(),
            state(purse).to_owned(),
        ]
    };
    let rows = purses.iter().map(row).collect();
    table(
        [
            "name",
            "sat",
            "reserved",
            "spent/day",
            "spent/total",
            "per payment",
            "state",
        ],
        rows,
    )
}

fn shown(purse: &PurseView) -> String {
    let budget = &purse.budget;
    let revoked = purse.revoked_ms.map(|ms| ("revoked", when::utc(ms)));
    let mut lines = vec![
        ("purse", purse.name.to_string()),
        ("balance", format!("{} sat", purse.balance_sat)),
        ("reserved", format!("{} sat", purse.reserved_sat)),
        (
            "per payment",
            format!("at most {} sat", budget.per_payment_sat),
        ),
        (
            "24 hours",
            format!(
                "{} of {} sat spent",
                purse.spent_day_sat, budget.per_day_sat
            ),
        ),
        (
            "in total",
            format!(
                "{} of {} sat spent",
                purse.spent_total_sat, budget.total_sat
            ),
        ),
        ("created", when::utc(purse.created_ms)),
    ];
    lines.extend(revoked);
    pairs(&lines)
}

fn state(purse: &PurseView) -> &'static str {
    match purse.revoked_ms {
        Some(_) => "revoked",
        None => "open",
    }
}
