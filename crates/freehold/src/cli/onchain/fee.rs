//! What a payment may cost.

use clap::Args;
use clap::builder::FalseyValueParser;
use node::FeeChoice;

use crate::cli::amount;

/// What a payment may cost.
#[derive(Debug, Args)]
#[command(next_help_heading = "Fee")]
pub struct FeeFlags {
    /// What to pay for each byte, in sat/vB [default: what the next hour takes]
    #[arg(
        long,
        env = "FREEHOLD_ONCHAIN_FEE_RATE",
        hide_env = true,
        value_name = "SAT/VB"
    )]
    fee_rate: Option<f64>,
    /// In how many blocks it is to be [default: 6]
    #[arg(
        long,
        env = "FREEHOLD_ONCHAIN_TARGET_BLOCKS",
        hide_env = true,
        value_name = "BLOCKS"
    )]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=1008), conflicts_with = "fee_rate")]
    target_blocks: Option<u16>,
    /// The most to pay in all, such as 1000sat
    #[arg(
        long,
        env = "FREEHOLD_ONCHAIN_MAX_FEE",
        hide_env = true,
        value_name = "AMOUNT"
    )]
    #[arg(value_parser = amount::sat)]
    max_fee: Option<u64>,
    /// Pay a fee that is far above the usual
    #[arg(long, env = "FREEHOLD_ONCHAIN_FORCE", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    force: bool,
}

impl FeeFlags {
    pub fn choice(&self) -> FeeChoice {
        FeeChoice {
            fee_rate_sat_per_vb: self.fee_rate,
            target_blocks: self.target_blocks,
            max_fee_sat: self.max_fee,
            force: self.force,
        }
    }
}
