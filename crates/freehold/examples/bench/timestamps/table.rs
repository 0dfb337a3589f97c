//! The table: ours, the reference's, and the goals.

use serde_json::Value;

use crate::numbers::show;

/// What the reference calendar was measured at before: it isn't on the Python package index.
const REFERENCE_CALENDAR: &str = "≤740/s of CPU*";

pub fn table(data: &Value) -> String {
    let head = format!(
        "\n{:<46} {:>14} {:>14} {:>9}   goal\n",
        "timestamps", "Freehold", "Python", "ratio"
    );
    head + &computed(data) + &commands(data) + &calendar(&data["calendar"]) + &notes(data)
}

fn computed(data: &Value) -> String {
    let (merkle, proofs, python) = (&data["merkle"], &data["proofs"], &data["python"]);
    let share = number(&merkle["share_of_cached"]) * 100.0;
    rate(
        "merkle aggregation of 1M digests, leaves/s",
        &merkle["leaves_per_s"],
        &python["leaves_per_s"],
        200.0,
    ) + &ours(
        "  of what SHA-NI allows here, %",
        format!("{share:.0}"),
        at_least(share, 60.0, "60"),
    ) + &rate(
        "parse and replay, proofs/s",
        &proofs["per_s"],
        &python["proofs_per_s"],
        80.0,
    )
}

fn commands(data: &Value) -> String {
    let of = &data["commands"];
    let whole = |name: &str, theirs: &Value| {
        let took = &of[name]["p50"];
        let text = format!("`{name}` of one file, the whole process, ms");
        let goal = at_most(number(took), 15.0, "15");
        row(&text, show(took), &show(theirs), &ratio(theirs, took), goal)
    };
    let peak = &data["stamping"]["peak_mib"];
    whole("info", &of["reference_info"]["p50"])
        + &whole("verify", &Value::Null)
        + &ours(
            "memory for stamping 100,000 files, MiB",
            show(peak),
            at_most(number(peak), 64.0, "64"),
        )
}

fn calendar(seen: &Value) -> String {
    let (per_s, short) = (&seen["per_s"], &seen["short_rounds"]);
    let goal = at_least(number(per_s), 10_000.0, "10,000");
    let text = format!(
        "calendar, {} clients for {} s, digests/s",
        seen["clients"], seen["seconds"]
    );
    let p99_s = number(&seen["p99_ms"]) / 1_000.0;
    row(&text, thousands(per_s), REFERENCE_CALENDAR, "", goal)
        + &ours(
            "  99 of 100 answers within, s",
            format!("{p99_s:.2}"),
            at_most(p99_s, 1.3, "1.3"),
        )
        + &ours(
            "  errors",
            seen["errors"].to_string(),
            at_most(number(&seen["errors"]), 0.0, "0"),
        )
        + &ours(
            &format!(
                "  rounds of {} s instead, digests/s",
                show_text(&short["round_s"])
            ),
            thousands(&short["per_s"]),
            format!("{} errors", short["errors"]),
        )
        + &ours(
            "  the same for a second of its CPU",
            thousands(&short["per_cpu_s"]),
            String::new(),
        )
}

fn notes(data: &Value) -> String {
    let (merkle, python) = (&data["merkle"], &data["python"]);
    let (calendar, commands) = (&data["calendar"], &data["commands"]);
    let mut text = format!(
        "  SHA-NI: hashtree in the cache {}/s, the sha2 crate {}/s pairs; {} proofs of {} bytes\n  \
         `verify`: a store of {} regtest headers, made for this\n  \
         calendar: {} requests under way for each client; half of the answers within {:.2} s, the \
         last within {:.2} s; {} MiB\n  \
         calendar: that load can't come to more than {} a second; short rounds show what it bears\n  stamping: {:.1} s\n  * from the project's notes, not of this run\n",
        thousands(&merkle["cached_pairs_per_s"]),
        thousands(&merkle["sha2_pairs_per_s"]),
        thousands(&data["proofs"]["count"]),
        thousands(&data["proofs"]["bytes_each"]),
        thousands(&commands["headers"]),
        calendar["requests_each"],
        number(&calendar["p50_ms"]) / 1_000.0,
        number(&calendar["max_ms"]) / 1_000.0,
        show(&calendar["peak_mib"]),
        number(&calendar["clients"]) * number(&calendar["requests_each"]),
        number(&data["stamping"]["seconds"]),
    );
    if python.is_object() {
        text += &format!(
            "  Python: {} leaves, which take {} MiB\n",
            thousands(&python["leaves"]),
            show(&python["max_rss_mib"])
        );
    } else {
        text += "  SKIPPED: the Python reference; scripts/compat-setup installs it\n";
    }
    text
}

fn row(name: &str, ours: String, theirs: &str, ratio: &str, goal: String) -> String {
    format!("  {name:<44} {ours:>14} {theirs:>14} {ratio:>9}   {goal}\n")
}

/// A row of which the reference has nothing.
fn ours(name: &str, value: String, goal: String) -> String {
    row(name, value, "", "", goal)
}

/// A rate that should be so many times the reference's.
fn rate(name: &str, ours: &Value, theirs: &Value, goal: f64) -> String {
    let times = number(ours) / number(theirs);
    let goal = match theirs.is_number() {
        true => at_least(times, goal, &format!("×{goal}")),
        false => format!("≥ ×{goal}"),
    };
    row(
        name,
        thousands(ours),
        &thousands(theirs),
        &ratio(ours, theirs),
        goal,
    )
}

fn ratio(of: &Value, to: &Value) -> String {
    match of.is_number() && to.is_number() {
        true => format!("×{:.0}", number(of) / number(to)),
        false => String::new(),
    }
}

fn at_least(value: f64, goal: f64, shown: &str) -> String {
    format!("≥ {shown}  {}", verdict(value >= goal))
}

fn at_most(value: f64, goal: f64, shown: &str) -> String {
    format!("≤ {shown}  {}", verdict(value <= goal))
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn show_text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `12,345,678`
fn thousands(value: &Value) -> String {
    let Some(number) = value.as_f64() else {
        return "–".to_owned();
    };
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
