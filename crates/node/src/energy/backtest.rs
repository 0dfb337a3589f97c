//! A site's history replayed without foresight.

use energy::backtest::{Options, Report, Tally, World, compare};
use energy::chart;
use serde::Serialize;

use super::{EnergyError, Sources};

/// The policy whose hours are drawn.
const DRAWN: &str = "planner, day-ahead";

/// What came of each policy, and charts of the planner's run.
#[derive(Debug, Clone, Serialize)]
pub struct Backtest {
    /// The site's name.
    pub site: String,
    /// When it begins, in UTC.
    pub start: String,
    /// How many hours were replayed.
    pub hours: usize,
    /// What perfect foresight could have earned at most, in dollars.
    pub bound_usd: f64,
    /// What isn't data.
    pub assumptions: Vec<String>,
    /// The baselines, then the planner.
    pub policies: Vec<PolicyView>,
    /// All of it as a table for people, with what planning took.
    #[serde(skip)]
    pub table: String,
    /// The planner's run for a terminal.
    #[serde(skip)]
    pub chart: String,
    /// The same as SVG.
    #[serde(skip)]
    pub svg: String,
}

/// What came of a policy. The same input gives the same numbers.
#[derive(Debug, Clone, Serialize)]
pub struct PolicyView {
    /// Its name.
    pub name: String,
    /// What was left, in dollars.
    pub net_usd: f64,
    /// Of what lies between on/off at break-even and perfect foresight, in percent.
    pub capture_percent: f64,
    /// Firm AI that was served, in percent.
    pub sla_percent: f64,
    /// Firm AI that couldn't be served for want of power, in kWh.
    pub shortfall_kwh: f64,
    /// Batch AI done in time, in kWh.
    pub batch_kwh: f64,
    /// Batch AI not done in time, in kWh.
    pub missed_kwh: f64,
    /// By miners, in kWh.
    pub miners_kwh: f64,
    /// From the grid, in kWh.
    pub import_kwh: f64,
    /// From sun and wind, in kWh.
    pub own_kwh: f64,
    /// Out of the battery, in kWh.
    pub battery_kwh: f64,
    /// Fed in, in kWh.
    pub export_kwh: f64,
    /// Thrown away, in kWh.
    pub curtailed_kwh: f64,
    /// Own power beyond what firm load took, in kWh.
    pub surplus_kwh: f64,
    /// Of that, used here, in kWh.
    pub surplus_used_kwh: f64,
    /// CO₂ of the energy from the grid, in kg.
    pub carbon_kg: f64,
    /// The highest import of an hour, in kW.
    pub import_kw_max: f64,
    /// How many plans were made.
    pub plans: u64,
    /// Of them, without the solver.
    pub plans_without_solver: u64,
}

/// Replays the first `days` of a site's prices, or all of them; where there are none, made-up ones, of four weeks unless
/// said otherwise. It takes about a minute for a year, on two threads.
///
/// # Errors
/// When a file can't be read or used, or the bound can't be computed.
pub fn backtest(sources: &Sources, days: Option<usize>) -> Result<Backtest, EnergyError> {
    let site = sources.site()?;
    let mut inputs = sources.inputs(&site)?;
    inputs.days = days;
    let world = World::new(&site, &inputs)?;
    let world = world.part(0, days.map_or(usize::MAX, |days| days.saturating_mul(24)));
    let world = world.whole_days(&site.zone());
    let options = Options {
        foresight: false,
        keep_hours: true,
    };
    let report = compare(&site, &world, options)?;
    let (chart, svg) = match report.tally(DRAWN) {
        Some(tally) => (chart::terminal(tally), chart::svg(tally)?),
        None => Default::default(),
    };
    Ok(Backtest {
        site: site.name.clone(),
        start: world.start.to_string(),
        hours: world.hours,
        bound_usd: report.bound_usd,
        assumptions: report.assumptions.clone(),
        policies: report.tallies.iter().map(|t| policy(&report, t)).collect(),
        table: report.to_string(),
        chart,
        svg,
    })
}

fn policy(report: &Report, tally: &Tally) -> PolicyView {
    PolicyView {
        name: tally.name.clone(),
        net_usd: tally.money.net_usd(),
        capture_percent: report.capture_percent(tally),
        sla_percent: tally.sla_percent(),
        shortfall_kwh: tally.shortfall_kwh,
        batch_kwh: tally.batch_kwh,
        missed_kwh: tally.missed_kwh,
        miners_kwh: tally.miners_kwh,
        import_kwh: tally.import_kwh,
        own_kwh: tally.own_kwh,
        battery_kwh: tally.battery_kwh,
        export_kwh: tally.export_kwh,
        curtailed_kwh: tally.curtailed_kwh,
        surplus_kwh: tally.surplus_kwh,
        surplus_used_kwh: tally.surplus_used_kwh(),
        carbon_kg: tally.carbon_kg,
        import_kw_max: tally.import_kw_max,
        plans: tally.plans.count,
        plans_without_solver: tally.plans.fallbacks,
    }
}
