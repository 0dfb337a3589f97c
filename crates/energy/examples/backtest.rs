//! Replays history at a site, and says what the planner would have earned.
//!
//! ```text
//! cargo run --release -p energy --example backtest -- --site examples/home-solar.toml
//! ```
//!
//! `--prices P.csv` market prices, `--weather W.csv` a TMY3 file, `--hashprice USD` for a TH/s and a day, `--days N`,
//! `--seed N` for what is made up, `--svg CHART.svg` writes a chart.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it is a program")]

use std::error::Error;
use std::process::ExitCode;

use energy::backtest::{Hashprice, Inputs, Options, World, compare};
use energy::chart;
use energy::market::read_prices;
use energy::site::Site;
use energy::weather::TypicalYear;

fn main() -> ExitCode {
    match replay() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn replay() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)
    };
    let text = |name: &str| option(name).map(std::fs::read_to_string).transpose();
    let site = text("--site")?.ok_or("give a site file with --site")?;
    let site = Site::parse(&site)?;
    let days = option("--days")
        .map(|days| days.parse::<usize>())
        .transpose()?;
    let hashprice = option("--hashprice").map(|usd| usd.parse()).transpose()?;
    let inputs = Inputs {
        prices: text("--prices")?
            .map(|text| read_prices(&text, &site.zone()))
            .transpose()?,
        weather: text("--weather")?
            .map(|text| TypicalYear::read_tmy3(&text))
            .transpose()?,
        hashprice: hashprice.map_or_else(Hashprice::default, Hashprice::Constant),
        days,
        seed: option("--seed")
            .map(|seed| seed.parse())
            .transpose()?
            .unwrap_or(1),
        start: None,
    };
    let world = World::new(&site, &inputs)?;
    let world = world.part(0, days.map_or(usize::MAX, |days| days.saturating_mul(24)));
    let world = world.whole_days(&site.zone());
    let report = compare(
        &site,
        &world,
        Options {
            foresight: false,
            keep_hours: true,
        },
    )?;
    println!("{}: {} hours\n\n{report}", site.name, world.hours);
    if let Some(tally) = report.tally("planner, day-ahead") {
        println!("{}", chart::terminal(tally));
        if let Some(path) = option("--svg") {
            std::fs::write(path, chart::svg(tally)?)?;
        }
    }
    Ok(())
}
