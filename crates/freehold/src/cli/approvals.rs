//! `freehold approvals`: payments of purses that wait for your word.

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand};
use node::{ApprovalState, ApprovalView};
use serde_json::json;

use super::table::table;
use crate::client::Client;
use crate::failure::Result;
use crate::output::Output;
use crate::when;

/// What to do with them; they are listed unless told.
#[derive(Debug, Args)]
pub struct ApprovalsArgs {
    #[command(subcommand)]
    command: Option<ApprovalsCommand>,
}

/// What to do with an approval.
#[derive(Debug, Subcommand)]
enum ApprovalsCommand {
    /// List what waits for you, and what you approved and isn't paid yet
    List {
        /// Also what is over
        #[arg(long, env = "FREEHOLD_APPROVALS_ALL", hide_env = true)]
        #[arg(value_parser = FalseyValueParser::new())]
        all: bool,
    },
    /// Say yes: the payment may be made once, at its price or less
    Approve {
        /// The approval's number
        id: i64,
    },
    /// Say no
    Deny {
        /// The approval's number
        id: i64,
    },
}

pub async fn run(output: Output, client: &Client, args: ApprovalsArgs) -> Result<()> {
    let command = args
        .command
        .unwrap_or(ApprovalsCommand::List { all: false });
    match command {
        ApprovalsCommand::List { all } => {
            let approvals = client.get(&format!("/api/approvals?all={all}")).await?;
            output.show(approvals, listed)
        }
        ApprovalsCommand::Approve { id } => {
            let path = format!("/api/approvals/{id}/approve");
            let approved = client.post(&path, &json!({})).await?;
            output.show(approved, |approval: ApprovalView| {
                format!(
                    "approved: purse {} may pay up to {} sat for {}, until {}",
                    approval.purse,
                    approval.amount_sat,
                    approval.what,
                    when::utc(approval.deadline_ms)
                )
            })
        }
        ApprovalsCommand::Deny { id } => {
            let path = format!("/api/approvals/{id}/deny");
            let denied = client.post(&path, &json!({})).await?;
            output.show(denied, |approval: ApprovalView| {
                format!(
                    "denied: purse {} doesn't pay for {}",
                    approval.purse, approval.what
                )
            })
        }
    }
}

fn listed(approvals: Vec<ApprovalView>) -> String {
    if approvals.is_empty() {
        return "nothing waits for you".into();
    }
    let row = |approval: &ApprovalView| {
        [
            approval.id.to_string(),
            approval.state.as_str().to_owned(),
            approval.purse.to_string(),
            approval.amount_sat.to_string(),
            what(approval),
            approval.reason.clone(),
            when::utc(approval.deadline_ms),
        ]
    };
    let has_open = approvals
        .iter()
        .any(|approval| approval.state == ApprovalState::Waiting);
    let rows = approvals.iter().map(row).collect();
    let head = ["id", "state", "purse", "sat", "what", "why", "until"];
    let mut text = table(head, rows);
    if has_open {
        text.push_str("\n\nDecide with: freehold approvals approve ID, or deny ID");
    }
    text
}

fn what(approval: &ApprovalView) -> String {
    match &approval.method {
        Some(method) => format!("{method} {}", approval.what),
        None => approval.what.clone(),
    }
}
