//! `freehold energy backtest`

use std::path::PathBuf;

use clap::Args;
use node::energy::{self, Backtest};
use serde_json::json;

use super::SourceArgs;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// What to replay.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// Replay so many days [default: all prices; 28 days of made-up ones]
    #[arg(
        long,
        env = "FREEHOLD_ENERGY_DAYS",
        hide_env = true,
        value_name = "DAYS"
    )]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: Option<u32>,
    /// Write a chart of the planner's run as SVG
    #[arg(
        long,
        env = "FREEHOLD_ENERGY_SVG",
        hide_env = true,
        value_name = "CHART.svg"
    )]
    svg: Option<PathBuf>,
}

pub fn run(output: Output, args: &BacktestArgs) -> Result<()> {
    let days = args.days.and_then(|days| usize::try_from(days).ok());
    let report = energy::backtest(&args.sources.sources(), days)?;
    if let Some(path) = &args.svg {
        std::fs::write(path, &report.svg).map_err(|error| Failure::file("write", path, &error))?;
    }
    if output.json {
        return output.json(&json!(report));
    }
    output.line(&words(&report))
}

fn words(report: &Backtest) -> String {
    format!(
        "{}: {} hours from {} on\n\n{}\n{}",
        report.site, report.hours, report.start, report.table, report.chart
    )
}
