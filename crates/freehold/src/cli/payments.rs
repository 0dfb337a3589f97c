//! `freehold payments`

use clap::Args;
use node::PaymentView;

use super::table::table;
use crate::client::Client;
use crate::failure::Result;
use crate::output::Output;

/// What to list.
#[derive(Debug, Args)]
pub struct PaymentsArgs {
    /// How many, the newest last
    #[arg(long, env = "FREEHOLD_PAYMENTS_LIMIT", hide_env = true)]
    #[arg(value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
}

pub async fn run(output: Output, client: &Client, args: PaymentsArgs) -> Result<()> {
    let payments = client
        .get(&format!("/api/payments?limit={}", args.limit))
        .await?;
    output.show(payments, rows)
}

fn rows(payments: Vec<PaymentView>) -> String {
    let row = |payment: PaymentView| {
        let spent = payment.spent_sat.map(|sat| sat.to_string());
        [
            payment.id,
            payment.spender,
            payment.protocol,
            payment.state,
            spent.unwrap_or_else(|| "?".into()),
            payment.url,
            payment.error.unwrap_or_default(),
        ]
    };
    table(
        ["id", "spender", "rail", "state", "sat", "url", "error"],
        payments.into_iter().map(row).collect(),
    )
}
