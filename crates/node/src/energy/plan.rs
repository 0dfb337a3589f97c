//! A plan for a site from now on.

use energy::Timestamp;
use energy::backtest::{Forecasters, Hour, Knowledge, Tally, World};
use energy::chart;
use energy::market::HOUR_S;
use energy::plan::{Plan, Planner, Source};
use energy::plant::State;
use energy::site::Site;
use serde::Serialize;

use super::{EnergyError, Sources};

/// How much of the past forecasts are made from, in days.
const PAST_DAYS: i64 = 14;
/// How far the made-up future reaches, in days: beyond the longest horizon.
const FUTURE_DAYS: i64 = 3;

/// A plan, and why it is as it is.
#[derive(Debug, Clone, Serialize)]
pub struct PlanView {
    /// The site's name.
    pub site: String,
    /// When it begins, in UTC.
    pub start: String,
    /// `solver`, `rounded`, `last` or `rules`: what it comes from.
    pub source: &'static str,
    /// What it would earn under the forecast, in dollars.
    pub value_usd: f64,
    /// How far it may be from the best, in percent of that; unknown when the solver had no time for it.
    pub gap_percent: Option<f64>,
    /// What isn't data.
    pub assumptions: Vec<String>,
    /// What went wrong on the way, and what was done instead.
    pub notes: Vec<String>,
    /// Its hours.
    pub hours: Vec<PlannedHour>,
    /// The same, as a chart for a terminal.
    #[serde(skip)]
    pub chart: String,
}

/// An hour of a plan.
#[derive(Debug, Clone, Serialize)]
pub struct PlannedHour {
    /// When it begins, in UTC.
    pub start: String,
    /// The same by the site's clock, such as `Tue 17:00`.
    pub local: String,
    /// What a kWh from the grid costs, in dollars.
    pub import_usd_per_kwh: f64,
    /// What one more kWh would be worth, in dollars.
    pub marginal_usd_per_kwh: Option<f64>,
    /// AI that must run, and the rest of the house, with cooling, in kW.
    pub firm_kw: f64,
    /// AI that can wait, with cooling, in kW.
    pub batch_kw: f64,
    /// Miners with cooling, in kW.
    pub miners_kw: f64,
    /// Sun and wind, in kW.
    pub own_kw: f64,
    /// Into the battery; out of it below zero, in kW.
    pub battery_kw: f64,
    /// What is in the battery at its end, in kWh.
    pub battery_kwh: f64,
    /// From the grid; to it below zero, in kW.
    pub grid_kw: f64,
    /// Why: a line for each decision.
    pub why: Vec<String>,
}

/// Plans a site from the hour of a moment on, as if all machines were off and the battery half full.
///
/// # Errors
/// When a file can't be read or used, or the prices don't cover the moment.
pub fn plan(sources: &Sources, at: Timestamp) -> Result<PlanView, EnergyError> {
    let site = sources.site()?;
    let now = second(at.as_second().div_euclid(HOUR_S) * HOUR_S);
    let (world, hour) = world(sources, &site, now)?;
    let zone = site.zone();
    let known = world.known(&site, &zone, hour, &Knowledge::day_ahead(&site));
    let outlook = known.outlook(&Forecasters::default(), known.horizon_hours());
    let plan = Planner::default().plan(&site, &State::new(&site, now), &outlook);
    let mut assumptions = world.assumptions.clone();
    assumptions.push("all machines are off now, and the battery is half full".into());
    Ok(PlanView::new(&site, &plan, assumptions))
}

/// The past that is known, and room for the future; and the number of the hour that is now.
fn world(sources: &Sources, site: &Site, now: Timestamp) -> Result<(World, usize), EnergyError> {
    let mut inputs = sources.inputs(site)?;
    if inputs.prices.is_none() {
        inputs.start = Some(second(now.as_second() - PAST_DAYS * 24 * HOUR_S));
        inputs.days = Some((PAST_DAYS + FUTURE_DAYS) as usize);
    }
    let world = World::new(site, &inputs)?;
    let hour = (now.as_second() - world.start.as_second()) / HOUR_S;
    match usize::try_from(hour) {
        Ok(hour) if hour < world.hours => Ok((world, hour)),
        _ => Err(EnergyError::NotCovered {
            first: world.start,
            end: world.moment(world.hours),
            at: now,
        }),
    }
}

impl PlanView {
    /// A plan of a site, and what isn't data in it.
    pub(super) fn new(site: &Site, plan: &Plan, assumptions: Vec<String>) -> Self {
        let hours: Vec<Hour> = plan
            .steps
            .iter()
            .map(|planned| Hour::new(&planned.step, &planned.running, planned.battery_kwh))
            .collect();
        let hour = |(index, hour): (usize, &Hour)| planned_hour(site, plan, index, hour);
        let planned = hours.iter().enumerate().map(hour).collect();
        let tally = Tally {
            name: "plan".into(),
            hours,
            ..Tally::default()
        };
        Self {
            site: site.name.clone(),
            start: plan.start.to_string(),
            source: match plan.source {
                Source::Mixed => "solver",
                Source::Rounded => "rounded",
                Source::Last => "last",
                Source::Rules => "rules",
            },
            value_usd: plan.value_usd,
            gap_percent: plan.gap().map(|gap| gap * 100.0),
            assumptions,
            notes: plan.notes.clone(),
            hours: planned,
            chart: chart::terminal(&tally),
        }
    }
}

fn planned_hour(site: &Site, plan: &Plan, index: usize, hour: &Hour) -> PlannedHour {
    let planned = &plan.steps[index];
    let running = &planned.running;
    PlannedHour {
        start: hour.start.to_string(),
        local: site.clock(hour.start),
        import_usd_per_kwh: hour.import_usd_per_kwh,
        marginal_usd_per_kwh: planned.marginal_usd_per_kwh,
        firm_kw: hour.firm_kw,
        batch_kw: hour.batch_kw,
        miners_kw: hour.miners_kw,
        own_kw: hour.own_kw,
        battery_kw: running.charge_kw - running.discharge_kw,
        battery_kwh: hour.battery_kwh,
        grid_kw: running.import_kw - running.export_kw,
        why: plan.why(site, index),
    }
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or_default()
}
