//! `freehold energy status`

use serde_json::Value;

use crate::cli::table::{pairs, table};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// The newest lines that people are shown; `--json` has all.
const LINES: usize = 10;

pub async fn run(output: Output, client: &Client) -> Result<()> {
    if client.url().is_none() {
        let hint = "a site is steered while the node runs: `freehold up`";
        return Err(Failure::user("not_running", "no node is running", hint));
    }
    output.show(client.get("/api/energy").await?, |view: Value| words(&view))
}

fn words(view: &Value) -> String {
    let text = |name: &str| match &view[name] {
        Value::String(text) => text.clone(),
        Value::Null => "not known yet".to_owned(),
        other => other.to_string(),
    };
    let import = match view["import_kw"].as_f64() {
        Some(kw) => format!("{kw:.2} of {} kW", text("import_kw_max")),
        None => "the meter says nothing yet".into(),
    };
    let mut facts = vec![
        ("site", text("site")),
        ("goes by", goes_by(view["mode"].as_str()).to_owned()),
        ("import", import),
    ];
    if let Some(places) = view["places"].as_u64() {
        facts.push(("answers for others", format!("{places} at once")));
    }
    if let Some(until) = view["call_until"].as_str() {
        facts.push(("the grid's call", format!("until {until}")));
    }
    let mut text = pairs(&facts);
    let machines = list(view, "machines")
        .iter()
        .map(machine)
        .collect::<Vec<_>>();
    if !machines.is_empty() {
        text.push_str(&format!(
            "\n\n{}",
            table(["machine", "health", "told W", "draws W"], machines)
        ));
    }
    if let Some(now) = list(&view["plan"], "hours").first() {
        text.push_str("\n\nnow");
        for why in list(now, "why") {
            text.push_str(&format!("\n  {}", why.as_str().unwrap_or_default()));
        }
    }
    for name in list(view, "left_out") {
        text.push_str(&format!(
            "\nnot steered: {}",
            name.as_str().unwrap_or_default()
        ));
    }
    for trouble in list(view, "troubles") {
        text.push_str(&format!(
            "\ntrouble: {}",
            trouble.as_str().unwrap_or_default()
        ));
    }
    let lines = list(view, "lines");
    for line in &lines[lines.len().saturating_sub(LINES)..] {
        let of = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        text.push_str(&format!("\n{}  {}", of("at"), of("what")));
    }
    text
}

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

fn machine(machine: &Value) -> [String; 4] {
    let of = |name: &str| machine[name].as_str().unwrap_or_default().to_owned();
    let w = |name: &str| format!("{:.0}", machine[name].as_f64().unwrap_or_default());
    [of("name"), of("health"), w("told_w"), w("draws_w")]
}

fn goes_by(mode: Option<&str>) -> &'static str {
    match mode {
        Some("planned") => "the plan",
        Some("holding") => "what ran before: there is no plan now",
        Some("safe") => "caution: there has been no plan for long, so miners and battery rest",
        _ => "what runs, which it reads first",
    }
}
