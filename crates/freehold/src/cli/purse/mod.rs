//! `freehold purse`

mod narrow;
mod policy;

use clap::Subcommand;
use node::lightning::{PursePayment, PursePaymentState};
use node::{NewPurse, PolicySat, PurseName, PurseView, Revoked};
use serde_json::{Value, json};

use self::policy::PolicyFlags;
use super::args::purse_name;
use super::nwc;
use super::table::{pairs, table};
use crate::api::approvals::DisputeInput;
use crate::api::lightning::PursePayInput;
use crate::api::purses::{AmountInput, PolicyInput, PurseInput};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::when;

/// What to do with a purse.
#[derive(Debug, Subcommand)]
pub enum PurseCommand {
    /// Make a purse for an agent, and show its token once
    ///
    /// Unless told otherwise it may spend 100 sat in one payment, 1000 in any 24 hours and 10000 ever, on anything, and
    /// nobody is asked.
    New {
        /// 1 to 32 of a-z, 0-9 and `-`, beginning with a letter
        #[arg(value_parser = purse_name)]
        name: PurseName,
        #[command(flatten)]
        flags: PolicyFlags,
    },
    /// Change what a purse may spend; what you don't name stays as it is
    Policy {
        /// Which
        #[arg(value_parser = purse_name)]
        name: PurseName,
        #[command(flatten)]
        flags: PolicyFlags,
    },
    /// Make a token that may do less, for a sub-agent; needs no node
    Narrow(narrow::NarrowArgs),
    /// Say that a payment wasn't worth its money: a purse whose mode is earned is supervised from now on
    Dispute {
        /// The payment's id, an invoice's payment hash, or an id in the ledger
        payment: String,
        /// What was wrong with it
        #[arg(long, env = "FREEHOLD_PURSE_REASON", hide_env = true)]
        #[arg(value_name = "TEXT", default_value = "")]
        reason: String,
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

pub use narrow::run as narrow;

pub async fn run(output: Output, client: &Client, command: PurseCommand) -> Result<()> {
    match command {
        PurseCommand::New { name, flags } => {
            let mut policy = PolicySat::default();
            flags.apply(&mut policy);
            let name = name.to_string();
            let purse = client
                .post("/api/purses", &PurseInput { name, policy })
                .await?;
            output.show(purse, created)
        }
        PurseCommand::Policy { name, flags } => {
            let path = format!("/api/purses/{name}");
            let purse = read(client.get(&path).await?)?;
            let (version, mut policy) = (purse.policy_version, purse.policy);
            flags.apply(&mut policy);
            let input = PolicyInput { version, policy };
            let purse = client.post(&format!("{path}/policy"), &input).await?;
            output.show(purse, |purse| shown(&purse))
        }
        PurseCommand::Narrow(args) => narrow(output, &args),
        PurseCommand::Dispute { payment, reason } => {
            let input = DisputeInput { payment, reason };
            let purse = client.post("/api/disputes", &input).await?;
            output.show(purse, |purse: PurseView| {
                format!(
                    "noted against purse {}, which is {} now",
                    purse.name, purse.policy.mode
                )
            })
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

fn read(purse: Value) -> Result<PurseView> {
    serde_json::from_value(purse)
        .map_err(|error| Failure::ours("answer_unreadable", format!("the node's answer: {error}")))
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
            format!("{}/{}", purse.spent_day_sat, purse.policy.per_day_sat),
            format!("{}/{}", purse.spent_total_sat, purse.policy.total_sat),
            purse.policy.per_payment_sat.to_string(),
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
    let revoked = purse.revoked_ms.map(|ms| ("revoked", when::utc(ms)));
    let mut lines = vec![
        ("purse", purse.name.to_string()),
        ("balance", format!("{} sat", purse.balance_sat)),
        ("reserved", format!("{} sat", purse.reserved_sat)),
    ];
    lines.extend(policy::lines(purse));
    lines.push(("created", when::utc(purse.created_ms)));
    lines.extend(revoked);
    pairs(&lines)
}

fn state(purse: &PurseView) -> &'static str {
    match purse.revoked_ms {
        Some(_) => "revoked",
        None => purse.policy.mode.as_str(),
    }
}
