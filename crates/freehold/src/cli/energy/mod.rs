//! `freehold energy`: what a site should run, what that would have earned, and a simulated week of it.

mod backtest;
mod plan;
mod simulate;
mod status;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use node::energy::{BitcoinTables, EnergyError, Sources};

use super::Context;
use super::up::stop_signal;
use crate::failure::{Failure, Result};

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum EnergyCommand {
    /// Plan miners, AI and battery from now on, and say why
    Plan(plan::PlanArgs),
    /// Replay the past without foresight, against baselines and the best that was possible
    Backtest(backtest::BacktestArgs),
    /// Live through a week of simulated devices, spoken to over their real protocols
    Simulate(simulate::SimulateArgs),
    /// Show the site that the running node steers ([energy] in the configuration file)
    Status,
}

impl EnergyCommand {
    /// Whether it asks the node.
    pub fn needs_node(&self) -> bool {
        matches!(self, Self::Status)
    }
}

/// Where a site's prices, weather and income come from.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// The site's file
    #[arg(long, env = "FREEHOLD_ENERGY_SITE", hide_env = true)]
    #[arg(value_name = "SITE.toml")]
    site: PathBuf,
    /// Hourly market prices in CSV [default: made up]
    #[arg(long, env = "FREEHOLD_ENERGY_PRICES", hide_env = true)]
    #[arg(value_name = "PRICES.csv")]
    prices: Option<PathBuf>,
    /// A typical year of weather in the format TMY3 [default: made up]
    #[arg(long, env = "FREEHOLD_ENERGY_WEATHER", hide_env = true)]
    #[arg(value_name = "WEATHER.csv")]
    weather: Option<PathBuf>,
    /// What a TH/s brings in a day, in dollars [default: 0.055]
    #[arg(long, env = "FREEHOLD_ENERGY_HASHPRICE", hide_env = true)]
    #[arg(value_name = "USD", value_parser = usd, conflicts_with = "bitcoin_price")]
    hashprice: Option<f64>,
    /// Dollars a bitcoin, day by day in CSV; hashprice follows from it and the next two
    #[arg(long, env = "FREEHOLD_ENERGY_BITCOIN_PRICE", hide_env = true)]
    #[arg(value_name = "CSV", requires_all = ["bitcoin_difficulty", "bitcoin_fees"])]
    bitcoin_price: Option<PathBuf>,
    /// The network's difficulty, day by day in CSV
    #[arg(long, env = "FREEHOLD_ENERGY_BITCOIN_DIFFICULTY", hide_env = true)]
    #[arg(value_name = "CSV", requires = "bitcoin_price")]
    bitcoin_difficulty: Option<PathBuf>,
    /// The percentage of fees in what a block pays, day by day in CSV
    #[arg(long, env = "FREEHOLD_ENERGY_BITCOIN_FEES", hide_env = true)]
    #[arg(value_name = "CSV", requires = "bitcoin_price")]
    bitcoin_fees: Option<PathBuf>,
    #[command(flatten)]
    chance: ChanceArgs,
}

/// What is made up.
#[derive(Debug, Clone, Copy, Args)]
pub struct ChanceArgs {
    /// What is made up depends on this number, and on nothing else
    #[arg(long = "seed", id = "made_up_by", env = "FREEHOLD_ENERGY_SEED")]
    #[arg(hide_env = true, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
}

impl SourceArgs {
    fn sources(&self) -> Sources {
        let tables = self.bitcoin_price.as_ref().zip(
            self.bitcoin_difficulty
                .as_ref()
                .zip(self.bitcoin_fees.as_ref()),
        );
        let bitcoin = tables.map(|(price, (difficulty, fees))| BitcoinTables {
            price: price.clone(),
            difficulty: difficulty.clone(),
            fees: fees.clone(),
        });
        Sources {
            site: self.site.clone(),
            prices: self.prices.clone(),
            weather: self.weather.clone(),
            hashprice_usd_per_th_day: self.hashprice,
            bitcoin,
            seed: self.chance.seed,
        }
    }
}

/// Reads dollars: a finite number that isn't negative.
fn usd(text: &str) -> Result<f64, String> {
    let usd = text.parse::<f64>().ok();
    usd.filter(|usd| (0.0..=1e6).contains(usd))
        .ok_or_else(|| "a number of dollars, such as 0.055".to_owned())
}

pub use status::run as status;

pub async fn run(context: &Context, command: EnergyCommand) -> Result<()> {
    let mut stop = stop_signal()?;
    match command {
        EnergyCommand::Simulate(args) => simulate::run(context.output, &args, stop).await,
        command => {
            let output = context.output;
            // The solver can't be interrupted, and nothing is lost when the program ends without it.
            let work = tokio::task::spawn_blocking(move || match command {
                EnergyCommand::Plan(args) => plan::run(output, &args),
                EnergyCommand::Backtest(args) => backtest::run(output, &args),
                EnergyCommand::Simulate(_) | EnergyCommand::Status => Ok(()),
            });
            tokio::select! {
                done = work => done.map_err(|error| EnergyError::Ended(error.to_string()))?,
                () = stop.requested() => Err(interrupted()),
            }
        }
    }
}

fn interrupted() -> Failure {
    Failure {
        exit: crate::failure::Exit::Interrupted,
        ..Failure::user("interrupted", "interrupted", "nothing was changed")
    }
}
