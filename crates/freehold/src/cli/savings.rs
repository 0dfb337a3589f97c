//! `freehold savings`

use clap::Subcommand;
use node::{Attempt, Decision, Reason, Savings, SavingsInput};
use serde_json::json;

use super::amount;
use super::table::pairs;
use crate::client::Client;
use crate::failure::Result;
use crate::output::Output;
use crate::when;

/// What to do about savings.
#[derive(Debug, Subcommand)]
pub enum SavingsCommand {
    /// Have what is above a limit swept to keys that aren't on this machine
    Set {
        /// An xpub, or a descriptor of public keys, of a wallet elsewhere
        descriptor: String,
        /// What is above this goes, such as 200000sat
        #[arg(
            long,
            env = "FREEHOLD_SAVINGS_ABOVE",
            hide_env = true,
            value_name = "AMOUNT"
        )]
        #[arg(value_parser = amount::sat)]
        above: u64,
        /// Only while a byte costs less than this, in sat/vB
        #[arg(
            long,
            env = "FREEHOLD_SAVINGS_FEE_BELOW",
            hide_env = true,
            value_name = "SAT/VB"
        )]
        #[arg(default_value_t = 5.0)]
        fee_below: f64,
    },
    /// Show where savings go, and why the last look sent something or nothing
    Show,
    /// Stop sweeping
    Off,
    /// Look now whether there is something to sweep
    Now,
}

pub async fn run(output: Output, client: &Client, command: SavingsCommand) -> Result<()> {
    match command {
        SavingsCommand::Set {
            descriptor,
            above,
            fee_below,
        } => {
            let input = SavingsInput {
                descriptor,
                above_sat: above,
                fee_below_sat_per_vb: fee_below,
            };
            output.show(client.post("/api/savings", &input).await?, |set| {
                shown(Some(set))
            })
        }
        SavingsCommand::Show => output.show(client.get("/api/savings").await?, shown),
        SavingsCommand::Off => output.show(
            client.post("/api/savings/off", &json!({})).await?,
            |_: Option<Savings>| "nothing is swept any more".to_owned(),
        ),
        SavingsCommand::Now => {
            let attempt = client.post("/api/savings/now", &json!({})).await?;
            output.show(attempt, |attempt| said(&attempt))
        }
    }
}

fn shown(savings: Option<Savings>) -> String {
    let Some(savings) = savings else {
        return "no savings yet: freehold savings set XPUB --above 200000sat".into();
    };
    let rule = savings.rule;
    let mut lines = vec![
        ("to", savings.descriptor),
        ("next address", savings.next_address),
        ("above", format!("{} sat", rule.above_sat)),
        (
            "fees below",
            format!("{} sat/vB", rule.fee_below_sat_per_vb),
        ),
        ("since", when::utc(savings.set_ms)),
    ];
    if let Some(last) = &savings.last {
        lines.push((
            "last look",
            format!("{}: {}", when::utc(last.at_ms), said(last)),
        ));
    }
    pairs(&lines)
}

fn said(attempt: &Attempt) -> String {
    match attempt.decision {
        Decision::Sweep { amount_sat } => format!(
            "{amount_sat} sat were sent, as payment {}",
            attempt.spend_id.as_deref().unwrap_or("?")
        ),
        Decision::Wait(reason) => format!("nothing was sent: {}", why(reason)),
    }
}

fn why(reason: Reason) -> String {
    match reason {
        Reason::UnderWay => "the last sweep waits for its block".to_owned(),
        Reason::NothingAbove {
            confirmed_sat,
            keep_sat,
        } => format!("{confirmed_sat} sat are there, and {keep_sat} sat have to stay"),
        Reason::FeesTooHigh {
            fee_rate_sat_per_vb,
            fee_below_sat_per_vb,
        } => format!(
            "a byte costs {fee_rate_sat_per_vb:.1} sat/vB, and has to cost less than \
             {fee_below_sat_per_vb}"
        ),
        Reason::TooLittle {
            amount_sat,
            least_sat,
        } => format!(
            "{amount_sat} sat would arrive, and less than {least_sat} sat isn't worth the fee"
        ),
    }
}
