//! Sites and steps for tests.

use std::path::PathBuf;

use energy::Timestamp;
use energy::plant::{Conditions, Step};
use energy::site::Site;

fn example(name: &str) -> Site {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples")
        .join(name);
    let text = std::fs::read_to_string(path).unwrap();
    Site::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

pub fn mining_site() -> Site {
    example("mining-site.toml")
}

pub fn home() -> Site {
    example("home-solar.toml")
}

/// Hours of a mild day at the mining site, with prices in dollars a kWh.
pub fn hours(start: &str, prices: &[f64]) -> Vec<Step> {
    let start: Timestamp = start.parse().unwrap();
    let at = |i: usize| Timestamp::from_second(start.as_second() + i as i64 * 3600).unwrap();
    let step = |(i, price): (usize, &f64)| Step {
        start: at(i),
        hours: 1.0,
        conditions: mild(*price),
    };
    prices.iter().enumerate().map(step).collect()
}

pub fn mild(price: f64) -> Conditions {
    Conditions {
        import_usd_per_kwh: price,
        export_usd_per_kwh: price.min(0.0),
        import_kw_max: 1100.0,
        pv_kw: 0.0,
        wind_kw: 0.0,
        pue: 1.1,
        firm_kw: 300.0,
        base_kw: 0.0,
        heat_kw: 0.0,
        hashprice_usd_per_th_day: 0.055,
    }
}

/// Splits each step into as many as are asked for.
pub fn finer(steps: &[Step], parts: i64) -> Vec<Step> {
    let part = |step: &Step, i: i64| {
        let seconds = (step.hours * 3600.0) as i64 / parts * i;
        let start = Timestamp::from_second(step.start.as_second() + seconds).unwrap();
        Step {
            start,
            hours: step.hours / parts as f64,
            ..*step
        }
    };
    steps
        .iter()
        .flat_map(|step| (0..parts).map(move |i| part(step, i)))
        .collect()
}
