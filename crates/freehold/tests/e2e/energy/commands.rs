//! What `plan` and `backtest` say, and how they refuse.

use std::fs;

use serde_json::Value;

use super::example;
use crate::common::Home;

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn a_home_with_nothing_connected_gets_a_plan_and_its_reasons() {
    let home = Home::without_model();
    let site = example("home-solar.toml");
    let at = "2024-06-05T04:00:00Z";
    let args = ["energy", "plan", "--site", &site, "--at", at];
    let plan = home.json(&args);
    let hours = plan["hours"].as_array().unwrap();
    assert!(hours.len() >= 24, "{plan:#}");
    assert_eq!(plan["start"], at);
    for hour in hours {
        assert!(number(&hour["grid_kw"]) <= 11.0 + 1e-6, "the cap: {hour}");
        assert!(number(&hour["firm_kw"]) >= 0.12, "firm AI runs: {hour}");
        let supply = number(&hour["grid_kw"]) + number(&hour["own_kw"]);
        let load =
            ["firm_kw", "batch_kw", "miners_kw", "battery_kw"].map(|name| number(&hour[name]));
        let load: f64 = load.iter().sum();
        assert!((supply - load).abs() < 1e-3, "power balances: {hour}");
        assert!(!hour["why"].as_array().unwrap().is_empty());
    }
    let work: f64 = hours.iter().map(|hour| number(&hour["batch_kw"])).sum();
    assert!(work > 1.4, "a day's AI work is planned: {work} kWh");
    let text = home.ok(&args);
    for part in [
        "MINERS KW",
        "assumed: weather is made up",
        "living room:",
        "battery:",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(
        text.contains('⠉') || text.contains('⡇') || text.contains('⠤'),
        "a chart: {text}"
    );
}

#[test]
fn a_backtest_is_the_same_again_and_beats_on_off() {
    let home = Home::without_model();
    let site = example("home-solar.toml");
    let chart = home.scratch().join("chart.svg");
    let chart = chart.to_str().unwrap();
    let args = [
        "energy", "backtest", "--site", &site, "--days", "4", "--seed", "7",
    ];
    let report = home.json(&args);
    assert_eq!(report, home.json(&args));
    let other = [
        "energy", "backtest", "--site", &site, "--days", "4", "--seed", "8",
    ];
    assert_ne!(report, home.json(&other));
    let policies = report["policies"].as_array().unwrap();
    let net = |name: &str| {
        let found = policies.iter().find(|policy| policy["name"] == name);
        number(&found.unwrap_or_else(|| panic!("{name}: {report:#}"))["net_usd"])
    };
    assert!(net("planner, day-ahead") > net("on/off at break-even"));
    for policy in policies {
        assert_eq!(number(&policy["sla_percent"]), 100.0, "{policy:#}");
        assert!(
            number(&policy["net_usd"]) <= number(&report["bound_usd"]) + 0.01,
            "{policy:#}"
        );
    }
    let text = home.ok(&[&args[..], &["--svg", chart]].concat());
    assert!(
        text.contains("perfect foresight") && text.contains("made up (seed 7)"),
        "{text}"
    );
    let svg = fs::read_to_string(chart).unwrap();
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
}

#[test]
fn prices_from_a_file_are_replayed() {
    let home = Home::without_model();
    let table = home.scratch().join("prices.csv");
    let mut text = "time (UTC),price (USD/MWh)\n".to_owned();
    for hour in 0..72 {
        let price = if hour % 24 < 12 { 20 } else { 90 };
        let (day, hour) = (1 + hour / 24, hour % 24);
        text.push_str(&format!("2024-03-{day:02} {hour:02}:00:00+00:00,{price}\n"));
    }
    fs::write(&table, text).unwrap();
    let table = table.to_str().unwrap();
    let site = example("workshop.toml");
    let report = home.json(&["energy", "backtest", "--site", &site, "--prices", table]);
    assert_eq!(report["hours"], 48, "whole local days: {report:#}");
    let (code, error) = home.error(&["energy", "plan", "--site", &site, "--prices", table]);
    assert_eq!(
        (code, &error["error"]["code"]),
        (1, &Value::from("moment_not_covered"))
    );
    let at = "2024-03-02T12:00:00Z";
    let plan = home.json(&[
        "energy", "plan", "--site", &site, "--prices", table, "--at", at,
    ]);
    let price = number(&plan["hours"][0]["import_usd_per_kwh"]);
    assert!((price - 0.09).abs() < 1e-9, "{price}");
}

#[test]
fn what_is_wrong_is_pointed_at() {
    let home = Home::without_model();
    let good = fs::read_to_string(example("home-solar.toml")).unwrap();
    let path = home.scratch().join("site.toml");
    let shown = path.to_str().unwrap();
    let line_of = |part: &str| good.lines().position(|line| line.contains(part)).unwrap() + 1;
    for (from, to, code) in [
        ("import_kw_max = 11", "import_kw_max = -11", "site_value"),
        ("units = 2", "units = 'two'", "site_syntax"),
        ("model = \"s9\"", "model = \"s99\"", "site_value"),
    ] {
        fs::write(&path, good.replace(from, to)).unwrap();
        let (exit, error) = home.error(&["energy", "plan", "--site", shown]);
        assert_eq!((exit, &error["error"]["code"]), (1, &Value::from(code)));
        let message = error["error"]["message"].as_str().unwrap();
        let line = format!("line {}", line_of(from));
        assert!(
            message.contains(&line) && message.contains("site.toml"),
            "{line}: {message}"
        );
        assert!(!error["error"]["hint"].as_str().unwrap().is_empty());
    }
    let (exit, error) = home.error(&["energy", "plan", "--site", "/nowhere/site.toml"]);
    assert_eq!(
        (exit, &error["error"]["code"]),
        (1, &Value::from("file_error"))
    );
    fs::write(&path, "price\n").unwrap();
    let site = example("workshop.toml");
    let (exit, error) = home.error(&["energy", "backtest", "--site", &site, "--prices", shown]);
    assert_eq!((exit, &error["error"]["code"]), (1, &Value::from("table")));
}
