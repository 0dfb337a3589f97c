//! Real history, where it is at hand: a folder of tables named by `FREEHOLD_ENERGY_DATA`, or beside the checkout.

use std::path::PathBuf;

use energy::backtest::{Hashprice, Inputs, Options, World, compare};
use energy::market::{btc_closes, read_prices};
use energy::weather::TypicalYear;

use crate::common::mining_site;

fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/energy");
    let folder = std::env::var_os("FREEHOLD_ENERGY_DATA").map_or(beside, PathBuf::from);
    if folder.is_dir() {
        return Some(folder);
    }
    println!(
        "SKIPPED: no tables in {}; set FREEHOLD_ENERGY_DATA",
        folder.display()
    );
    None
}

#[test]
fn the_cold_of_february_2021_breaks_no_promise() {
    let Some(folder) = folder() else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let site = mining_site();
    let table = read_prices(&read("price_US-TEX-ERCO_2021.csv"), &site.zone()).unwrap();
    assert_eq!(table.repairs, energy::market::Repairs::default());
    assert_eq!(table.prices.values().len(), 8760);
    let year = TypicalYear::read_tmy3(&read("tmy3_723170_greensboro_nc.csv")).unwrap();
    let bitcoin = energy::backtest::bitcoin_days(
        &energy::market::daily_table(&read("btc_price.csv"), 1).unwrap(),
        &energy::market::daily_table(&read("btc_difficulty.csv"), 1).unwrap(),
        &energy::market::daily_table(&read("btc_fee_to_rewardUSD.csv"), 1).unwrap(),
    );
    let inputs = Inputs {
        prices: Some(table),
        weather: Some(year),
        hashprice: Hashprice::Days(bitcoin),
        ..Inputs::default()
    };
    // 7 to 27 February.
    let world = World::new(&site, &inputs)
        .unwrap()
        .part(37 * 24 + 6, 20 * 24);
    let report = compare(
        &site,
        &world,
        Options {
            foresight: false,
            keep_hours: true,
        },
    )
    .unwrap();
    println!("{report}");
    let planner = report.tally("planner, day-ahead").unwrap();
    assert!(
        planner
            .hours
            .iter()
            .any(|hour| hour.import_usd_per_kwh > 8.9)
    );
    for tally in &report.tallies {
        assert_eq!(tally.sla_percent(), 100.0, "{report}");
        assert!(tally.money.net_usd() <= report.bound_usd + 0.01, "{report}");
    }
    assert!(report.capture_percent(planner) > 85.0, "{report}");
}

#[test]
fn the_tables_of_2024_have_negative_hours_and_leap_days() {
    let Some(folder) = folder() else { return };
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let table = read_prices(&read("price_DE-LU_2024.csv"), &energy::TimeZone::UTC).unwrap();
    assert_eq!(table.prices.values().len(), 8784);
    let negative = table
        .prices
        .values()
        .iter()
        .filter(|price| **price < 0.0)
        .count();
    assert!((400..500).contains(&negative), "{negative}");
    let closes = btc_closes(&read("btc_price_2023-12_2025-01.csv")).unwrap();
    assert!(closes.len() > 400);
}
