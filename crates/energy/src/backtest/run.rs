//! Replays a world under a policy, and compares policies.

use std::time::Duration;

use super::{
    AlwaysOn, BestGear, Forecasters, Foresight, Knowledge, OnOff, Planned, Policy, Report, Tally,
    World, bound_usd,
};
use crate::Result;
use crate::plan::{self, Highs};
use crate::plant::{self, State};
use crate::site::Site;

/// What a comparison holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Also the planner with the real future as its forecast.
    pub foresight: bool,
    /// Keep each hour of the planner's run, for a chart.
    pub keep_hours: bool,
}

/// In a backtest the watchdog is far away, so that the result doesn't depend on how busy the machine is.
fn unhurried() -> plan::Options {
    plan::Options {
        deadline: Duration::from_secs(60),
        ..plan::Options::default()
    }
}

/// Replays a world under a policy.
pub fn run(site: &Site, world: &World, policy: &mut dyn Policy, keep_hours: bool) -> Tally {
    let zone = site.zone();
    let knowledge = policy.knowledge();
    let mut state = State::new(site, world.start);
    let mut tally = Tally {
        name: policy.name(),
        ..Tally::default()
    };
    for hour in 0..world.hours {
        // The day's work and the month's peak turn over before anything is decided.
        let step = world.step(site, &zone, hour);
        let known = world.known(site, &zone, hour, &knowledge);
        let orders = policy.decide(site, &state.as_of(site, step.start), &known);
        let outcome = plant::step(site, &mut state, &step, &orders);
        tally.add(site, &step, &outcome);
        if let Some(plan) = policy.plan() {
            tally.plans.add(plan);
        }
        if keep_hours {
            tally.keep_hour(&step, &outcome, state.battery_kwh);
        }
    }
    tally
}

/// Runs the baselines and the planner, and computes the bound. The same input gives the same report, but for the times
/// that planning took. Policies run on two threads; none of them knows of another.
///
/// # Errors
/// When the bound can't be computed.
pub fn compare(site: &Site, world: &World, options: Options) -> Result<Report> {
    let day_ahead = Knowledge::day_ahead(site);
    let planner = |name: &str, knowledge: Knowledge, forecasters: Forecasters| {
        Planned::new(
            name,
            knowledge,
            forecasters,
            unhurried(),
            Box::new(Highs::default()),
        )
    };
    let (bound, mut tallies) = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let persistence = &mut planner(
                "planner, persistence",
                Knowledge::CurrentHour,
                Forecasters::default(),
            );
            let mut tallies = vec![run(site, world, persistence, false)];
            if options.foresight {
                tallies.push(run(
                    site,
                    world,
                    &mut Foresight::new(world, unhurried(), Box::new(Highs::default())),
                    false,
                ));
            }
            tallies
        });
        let mut tallies = vec![
            run(site, world, &mut AlwaysOn, false),
            run(site, world, &mut OnOff, false),
            run(site, world, &mut BestGear, false),
        ];
        let planned = &mut planner("planner, day-ahead", day_ahead, Forecasters::default());
        let planned = run(site, world, planned, options.keep_hours);
        let bound = bound_usd(site, world);
        // A thread that panicked passes its panic on.
        tallies.extend(
            other
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        );
        tallies.insert(4, planned);
        (bound, tallies)
    });
    tallies.shrink_to_fit();
    Ok(Report {
        site: site.name.clone(),
        tallies,
        bound_usd: bound?,
        assumptions: world.assumptions.clone(),
    })
}
