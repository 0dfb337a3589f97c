//! `freehold energy plan`

use clap::Args;
use node::energy::{self, PlanView, PlannedHour, Timestamp};
use serde_json::json;

use super::SourceArgs;
use crate::cli::table::table;
use crate::failure::Result;
use crate::output::Output;

/// What to plan.
#[derive(Debug, Args)]
pub struct PlanArgs {
    #[command(flatten)]
    sources: SourceArgs,
    /// When to begin, such as 2024-02-01T12:00:00Z [default: now]
    #[arg(long, env = "FREEHOLD_ENERGY_AT", hide_env = true, value_name = "TIME")]
    at: Option<Timestamp>,
}

pub fn run(output: Output, args: &PlanArgs) -> Result<()> {
    let at = args.at.unwrap_or_else(Timestamp::now);
    let plan = energy::plan(&args.sources.sources(), at)?;
    if output.json {
        return output.json(&json!(plan));
    }
    output.line(&words(&plan))
}

fn words(plan: &PlanView) -> String {
    let mut text = format!(
        "{}: {} hours from {} on, worth ${:.2}",
        plan.site,
        plan.hours.len(),
        plan.hours.first().map_or("now", |hour| &hour.local),
        plan.value_usd
    );
    if let Some(gap) = plan.gap_percent {
        text.push_str(&format!(", at most {gap:.1} % below the best"));
    }
    if let Some(now) = plan.hours.first() {
        text.push_str("\n\nnow");
        for why in &now.why {
            text.push_str(&format!("\n  {why}"));
        }
    }
    text.push_str(&format!("\n\n{}\n\n{}", hours(&plan.hours), plan.chart));
    for assumption in &plan.assumptions {
        text.push_str(&format!("\nassumed: {assumption}"));
    }
    for note in &plan.notes {
        text.push_str(&format!("\nnote: {note}"));
    }
    text
}

/// Powers in kW.
fn hours(hours: &[PlannedHour]) -> String {
    let row = |hour: &PlannedHour| {
        [
            hour.local.clone(),
            format!("{:.3}", hour.import_usd_per_kwh),
            format!("{:.2}", hour.firm_kw),
            format!("{:.2}", hour.batch_kw),
            format!("{:.2}", hour.miners_kw),
            format!("{:.2}", hour.own_kw),
            format!("{:+.2}", hour.battery_kw),
            format!("{:.1}", hour.battery_kwh),
            format!("{:+.2}", hour.grid_kw),
        ]
    };
    let heads = [
        "hour",
        "$/kWh",
        "firm kW",
        "batch kW",
        "miners kW",
        "own kW",
        "battery kW",
        "kWh",
        "grid kW",
    ];
    table(heads, hours.iter().map(row).collect())
}
