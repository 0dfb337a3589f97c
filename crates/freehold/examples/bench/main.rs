//! `make bench`: what paying costs in time, and how fast the node is, from a real run.
//!
//! Starts the program that was built next to this one, with the real model and a data directory
//! of its own, and measures over HTTP what a client sees. Requests that are compared take turns,
//! so that a busy machine slows them alike, and every prompt is new, so that none profits from
//! another's. Options: `--json` (data on standard output), `--rounds N`, `--rivals` (also runs
//! the Nutshell mint, from PyPI), `--timestamps` (nothing but those, which take no model), `--selling` (nothing but
//! that).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement that fails may stop loudly"
)]

mod bitcoin;
mod house;
mod latency;
mod numbers;
#[path = "../../tests/e2e/common/outsider.rs"]
#[allow(dead_code, unreachable_pub)]
mod outsider;
mod programs;
mod rivals;
mod selling;
mod speed;
mod swaps;
mod timestamps;

use std::process::ExitCode;
use std::time::Instant;

use house::House;
use serde_json::{Value, json};

/// What is asked for on the command line.
struct Options {
    json: bool,
    rivals: bool,
    timestamps: bool,
    selling: bool,
    rounds: usize,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        json: false,
        rivals: false,
        timestamps: false,
        selling: false,
        rounds: 10,
    };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--json" => options.json = true,
            "--rivals" => options.rivals = true,
            "--timestamps" => options.timestamps = true,
            "--selling" => options.selling = true,
            "--rounds" => {
                let count = args.next().and_then(|count| count.parse().ok());
                options.rounds = count.filter(|&n| n > 0).ok_or("--rounds needs a number")?;
            }
            // Cargo passes this to everything that it benches.
            "--bench" => {}
            other => {
                return Err(format!(
                    "{other}? There are --json, --rivals, --timestamps, --selling and --rounds N"
                ));
            }
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let result = match args.split_first() {
        // This program once more, as the clients of a calendar.
        Some((first, rest)) if first == "--crowd" => {
            timestamps::crowd::run(rest).map(|seen| println!("{seen}"))
        }
        // And as a service that is sold, and its buyers.
        Some((first, rest)) if first == "--load" => {
            selling::load::run(rest).map(|seen| println!("{seen}"))
        }
        Some((first, _)) if first == "--upstream" => selling::load::serve(),
        _ => options().and_then(|options| measure(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn measure(options: &Options) -> Result<(), String> {
    let start = Instant::now();
    let mut report = Report::new(options.json);
    report.section("machine", machine(), |m| {
        let text = |name: &str| m[name].as_str().unwrap_or_default().to_owned();
        format!(
            "{} cores, {}; load {} at the start\n",
            m["cores"],
            text("cpu"),
            text("load")
        )
    });
    if !options.timestamps && !options.selling {
        paying(options, &mut report).await?;
        report.section("bitcoin", bitcoin::measure()?, bitcoin::table);
    }
    if !options.timestamps {
        report.section("selling", selling::measure().await?, selling::table);
        let measured = selling::redeem::measure(options.rivals).await?;
        report.section("redeeming", measured, selling::redeem::table);
    }
    if !options.selling {
        let measured = timestamps::measure().await?;
        report.section("timestamps", measured, timestamps::table);
    }

    let seconds = start.elapsed().as_secs();
    report.section("seconds", json!(seconds), |s| format!("\n({s} s in all)\n"));
    report.end();
    Ok(())
}

/// What paying costs, and how fast the model is.
async fn paying(options: &Options, report: &mut Report) -> Result<(), String> {
    let house = House::start().await?;

    let measured = latency::measure(&house, options.rounds).await;
    report.section("latency", measured, latency::table);
    let measured = speed::tokens(&house).await;
    report.section("tokens", measured, speed::tokens_table);
    let measured = speed::purse_calls(&house).await;
    report.section("purse_calls", measured, speed::calls_table);
    let mut measured =
        json!({ "freehold": swaps::measure(&format!("{}/mint", house.url())).await });
    if options.rivals {
        let nutshell = rivals::Nutshell::start(house.scratch()).await?;
        measured["nutshell"] = swaps::measure(&nutshell.url).await;
    }
    report.section("mint_swaps", measured, swaps::table);
    Ok(())
}

/// Prints each part when it is there, or all of them as data at the end.
struct Report {
    json: Option<Value>,
}

impl Report {
    fn new(json: bool) -> Self {
        Self {
            json: json.then(|| json!({})),
        }
    }

    fn section(&mut self, name: &str, data: Value, table: impl FnOnce(&Value) -> String) {
        match &mut self.json {
            Some(all) => all[name] = data,
            None => print!("{}", table(&data)),
        }
    }

    fn end(self) {
        if let Some(all) = self.json {
            println!("{all:#}");
        }
    }
}

fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let cpu = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let cpu = cpu
        .unwrap_or("an unknown processor")
        .trim_start_matches(['\t', ':', ' ']);
    let load = read("/proc/loadavg");
    json!({
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "cpu": cpu,
        "load": load.split(' ').next().unwrap_or_default(),
    })
}
