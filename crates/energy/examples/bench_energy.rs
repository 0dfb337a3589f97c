//! Measures the planner against its goals on real history, for `make bench-energy`.
//!
//! `bench_energy [FOLDER] [days=N] [market=NAME]` reads the tables in the folder (by default `FREEHOLD_ENERGY_DATA`, or
//! `../shared/data/energy`). A market without tables is skipped, and that is said: made-up data proves nothing. With
//! `days`, only the first so many days of each year are replayed; with `market`, only those with this in their name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that fails may stop loudly"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use energy::Timestamp;
use energy::backtest::{Hashprice, Inputs, Options, Report, World, bitcoin_days, compare};
use energy::market::{Network2024, btc_closes, daily_table, read_prices};
use energy::plan::{self, Highs, Planner};
use energy::plant::{Conditions, State, Step};
use energy::site::{Prices, Site};
use energy::weather::TypicalYear;

const SITE: &str = include_str!("../../../examples/mining-site.toml");
/// What is replayed: the table's name, the zone, and when prices are published there.
const MARKETS: [(&str, &str, &str, &str); 4] = [
    (
        "Texas 2021",
        "price_US-TEX-ERCO_2021.csv",
        "America/Chicago",
        "13:30",
    ),
    (
        "Texas 2024",
        "price_US-TEX-ERCO_2024.csv",
        "America/Chicago",
        "13:30",
    ),
    (
        "Germany 2021",
        "price_DE-LU_2021.csv",
        "Europe/Berlin",
        "12:45",
    ),
    (
        "Germany 2024",
        "price_DE-LU_2024.csv",
        "Europe/Berlin",
        "12:45",
    ),
];

struct Goal {
    what: String,
    goal: &'static str,
    measured: String,
    is_met: bool,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| args.iter().find_map(|arg| arg.strip_prefix(name));
    let days = option("days=").and_then(|days| days.parse::<usize>().ok());
    let wanted = option("market=").unwrap_or_default();
    let folder = args
        .iter()
        .find(|arg| !arg.contains('='))
        .map(PathBuf::from);
    let folder = folder.or_else(|| std::env::var_os("FREEHOLD_ENERGY_DATA").map(PathBuf::from));
    let folder = folder.unwrap_or_else(|| "../shared/data/energy".into());
    let mut goals = Vec::new();
    for (name, table, zone, published_at) in MARKETS {
        if !name.contains(wanted) {
            continue;
        }
        let site = site_in(zone, published_at);
        let Some(world) = history(&folder, table, &site) else {
            println!(
                "{name}: SKIPPED, for there is no table {}",
                folder.join(table).display()
            );
            continue;
        };
        let world = world.part(0, days.map_or(usize::MAX, |days| days * 24));
        let world = world.whole_days(&site.zone());
        let began = Instant::now();
        let report = compare(
            &site,
            &world,
            Options {
                foresight: args.iter().any(|arg| arg == "foresight=yes"),
                keep_hours: false,
            },
        )
        .unwrap();
        let took = began.elapsed();
        println!(
            "\n{name}: {} hours, replayed in {:.0} s\n{report}",
            world.hours,
            took.as_secs_f64()
        );
        judge(name, &report, took, &mut goals);
    }
    goals.push(five_minutes());
    println!("\n| goal | wanted | measured | |\n|---|---|---|---|");
    for Goal {
        what,
        goal,
        measured,
        is_met,
    } in &goals
    {
        println!(
            "| {what} | {goal} | {measured} | {} |",
            if *is_met { "met" } else { "**missed**" }
        );
    }
}

fn site_in(zone: &str, published_at: &str) -> Site {
    let mut site = Site::parse(SITE).unwrap();
    site.time_zone = zone.into();
    site.tariff.import = Prices::Hourly {
        adder_usd_per_kwh: 0.0,
        published_at: published_at.into(),
    };
    site
}

fn history(folder: &Path, table: &str, site: &Site) -> Option<World> {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let prices = read_prices(&read(table)?, &site.zone()).unwrap();
    let year = TypicalYear::read_tmy3(&read("tmy3_723170_greensboro_nc.csv")?).unwrap();
    let is_2024 = table.contains("2024");
    let bitcoin = if is_2024 {
        let closes = btc_closes(&read("btc_price_2023-12_2025-01.csv")?).unwrap();
        closes
            .into_iter()
            .map(|(day, price)| (day, Network2024::day(day, price)))
            .collect()
    } else {
        let daily = |name: &str| daily_table(&read(name).unwrap(), 1).unwrap();
        bitcoin_days(
            &daily("btc_price.csv"),
            &daily("btc_difficulty.csv"),
            &daily("btc_fee_to_rewardUSD.csv"),
        )
    };
    let inputs = Inputs {
        prices: Some(prices),
        weather: Some(year),
        hashprice: Hashprice::Days(bitcoin),
        ..Inputs::default()
    };
    let mut world = World::new(site, &inputs).unwrap();
    world.assumptions.push(
        "weather is a typical year of Greensboro, North Carolina, at the site's local hours".into(),
    );
    if is_2024 {
        world.assumptions.push(format!(
            "difficulty is linear between known public values, and fees are {:.0} % of what a block pays",
            Network2024::FEE_SHARE * 100.0
        ));
    }
    Some(world)
}

fn judge(name: &str, report: &Report, took: Duration, goals: &mut Vec<Goal>) {
    for (policy, goal, least) in [
        ("planner, day-ahead", "≥ 92 %", 92.0),
        ("planner, persistence", "≥ 75 %", 75.0),
    ] {
        let capture = report.capture_percent(report.tally(policy).unwrap());
        goals.push(Goal {
            what: format!("{name}: capture, {policy}"),
            goal,
            measured: format!("{capture:.1} %"),
            is_met: capture >= least,
        });
    }
    let worst = report
        .tallies
        .iter()
        .map(|tally| tally.sla_percent())
        .fold(100.0, f64::min);
    goals.push(Goal {
        what: format!("{name}: SLA of firm AI, all policies"),
        goal: "100 %",
        measured: format!("{worst:.4} %"),
        is_met: worst >= 100.0,
    });
    goals.push(Goal {
        what: format!("{name}: wall time, two planners, three baselines and the bound"),
        goal: "≤ 300 s",
        measured: format!("{:.0} s", took.as_secs_f64()),
        is_met: took <= Duration::from_secs(300),
    });
}

/// Plans of 48 hours in steps of five minutes, with 20 groups that must run an hour once started.
fn five_minutes() -> Goal {
    let mut site = site_in("America/Chicago", "13:30");
    let one = site.miners.remove(0);
    for i in 0..20_u32 {
        let mut group = one.clone();
        group.name = format!("row {i}");
        group.units = 3 + i;
        group.on_time_minutes_min = 60.0;
        group.pool_fee_percent = 1.0 + f64::from(i) / 4.0;
        site.miners.push(group);
    }
    let mut planner = Planner::new(plan::Options::default(), Box::new(Highs::default()));
    let (mut slowest, mut gaps, mut fallbacks) = (Duration::ZERO, Vec::new(), 0);
    for seed in 0..20 {
        let start: Timestamp = "2024-05-01T05:00:00Z".parse().unwrap();
        let world = World::synthetic(&site, seed, start, 2).unwrap();
        let zone = site.zone();
        let steps: Vec<Step> = (0..48)
            .flat_map(|hour| fine(world.step(&site, &zone, hour)))
            .collect();
        let state = State::new(&site, start);
        let began = Instant::now();
        let plan = planner.plan(&site, &state, &steps);
        slowest = slowest.max(began.elapsed());
        fallbacks += usize::from(matches!(
            plan.source,
            plan::Source::Last | plan::Source::Rules
        ));
        gaps.push(plan.gap());
        println!(
            "48 h at 5 min, seed {seed}: {:?} in {:.0} ms, gap {:?}",
            plan.source,
            plan.took.as_secs_f64() * 1e3,
            plan.gap()
        );
    }
    let known: Vec<f64> = gaps.iter().flatten().copied().collect();
    Goal {
        what: "48 h at 5 min, 20 groups with least times on, 20 plans: the slowest".into(),
        goal: "≤ 2 s, gap reported",
        measured: format!(
            "{:.2} s; gap at most {:.2} % ({} of 20 known), {fallbacks} without the solver",
            slowest.as_secs_f64(),
            known.iter().copied().fold(0.0, f64::max) * 100.0,
            known.len()
        ),
        is_met: slowest <= Duration::from_secs(2),
    }
}

fn fine(step: Step) -> Vec<Step> {
    let part = |i: i64| Step {
        start: Timestamp::from_second(step.start.as_second() + i * 300).unwrap(),
        hours: 1.0 / 12.0,
        conditions: Conditions { ..step.conditions },
    };
    (0..12).map(part).collect()
}
