//! `freehold sandbox`

use clap::Subcommand;
use node::lightning::InvoiceView;
use node::{MSAT_PER_SAT, SandboxView};

use super::table::pairs;
use crate::api::lightning::Sent;
use crate::api::sandbox::{
    BlocksInput, FundInput, NeighbourInvoiceInput, NeighbourPaid, NeighbourPayInput,
};
use crate::client::Client;
use crate::failure::Result;
use crate::output::Output;

/// What to do in the sandbox.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    /// Where the chain is, and who the neighbour is
    Status,
    /// Mine blocks
    Mine {
        /// How many
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
        blocks: u32,
    },
    /// Abandon the last blocks for a longer branch of empty ones
    Reorg {
        /// How many
        #[arg(value_parser = clap::value_parser!(u32).range(1..=100))]
        blocks: u32,
    },
    /// Send coins to an address
    Fund {
        /// Where to
        address: String,
        /// How much
        #[arg(long, value_name = "SAT")]
        #[arg(env = "FREEHOLD_SANDBOX_FUND_SAT", hide_env = true)]
        sat: u64,
    },
    /// Show an invoice of the neighbour's, to be paid
    Invoice {
        /// How much; left to the payer if missing
        #[arg(long, value_name = "SAT")]
        #[arg(env = "FREEHOLD_SANDBOX_INVOICE_SAT", hide_env = true)]
        sat: Option<u64>,
        /// A BOLT 12 offer instead
        #[arg(long, env = "FREEHOLD_SANDBOX_OFFER", hide_env = true)]
        #[arg(value_parser = clap::builder::FalseyValueParser::new())]
        offer: bool,
    },
    /// Have the neighbour pay an invoice or an offer
    Pay {
        /// The invoice or the offer
        request: String,
        /// How much, if it doesn't say
        #[arg(long, value_name = "SAT")]
        #[arg(env = "FREEHOLD_SANDBOX_PAY_SAT", hide_env = true)]
        sat: Option<u64>,
    },
}

pub async fn run(output: Output, client: &Client, command: SandboxCommand) -> Result<()> {
    let msat = |sat: u64| sat.saturating_mul(MSAT_PER_SAT);
    match command {
        SandboxCommand::Status => output.show(client.get("/api/sandbox").await?, status),
        SandboxCommand::Mine { blocks } => {
            let input = BlocksInput { blocks };
            let mined = client.post("/api/sandbox/mine", &input).await?;
            output.show(mined, status)
        }
        SandboxCommand::Reorg { blocks } => {
            let input = BlocksInput { blocks };
            let done = client.post("/api/sandbox/reorg", &input).await?;
            output.show(done, status)
        }
        SandboxCommand::Fund { address, sat } => {
            let input = FundInput {
                address,
                amount_sat: sat,
            };
            let sent = client.post("/api/sandbox/fund", &input).await?;
            output.show(sent, |sent: Sent| format!("sent: {}", sent.txid))
        }
        SandboxCommand::Invoice { sat, offer } => {
            let input = NeighbourInvoiceInput {
                amount_msat: sat.map(msat),
                is_offer: offer,
            };
            let invoice = client.post("/api/sandbox/invoice", &input).await?;
            output.show(invoice, |invoice: InvoiceView| invoice.request)
        }
        SandboxCommand::Pay { request, sat } => {
            let input = NeighbourPayInput {
                request,
                amount_msat: sat.map(msat),
            };
            let paid = client.post("/api/sandbox/pay", &input).await?;
            output.show(paid, |_: NeighbourPaid| "the neighbour has paid".into())
        }
    }
}

fn status(view: SandboxView) -> String {
    pairs(&[
        ("chain", format!("height {}", view.height)),
        ("Esplora", view.esplora_url),
        ("neighbour", view.neighbour),
    ])
}
