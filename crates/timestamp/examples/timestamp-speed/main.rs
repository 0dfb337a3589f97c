//! Measures what this room computes, for `make bench`, which sets the Python reference beside it.
//!
//! - `timestamp-speed merkle` aggregates a million digests.
//! - `timestamp-speed proofs FILE` reads and replays proofs, and writes them into the file, a line
//!   of hex each, for others to read.
//! - `timestamp-speed chain DIR` fills a store of 900,000 regtest headers below the folder, with a
//!   file and its proof beside it, for others to check.
//!
//! All print JSON. One core is enough. What is compared takes turns, so that a busy machine slows it alike, and
//! medians are told.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails may stop loudly"
)]

mod chain;
mod merkle;
mod proofs;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["merkle"] => println!("{:#}", merkle::measure()),
        ["proofs", file] => println!("{:#}", proofs::measure(Path::new(file))),
        ["chain", dir] => println!("{:#}", chain::fill(Path::new(dir))),
        _ => {
            println!("usage: timestamp-speed merkle | proofs FILE | chain DIR");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
