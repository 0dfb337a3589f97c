//! What perfect foresight could earn at most: one linear program over all hours, without whole machines.

use std::time::Duration;

use super::World;
use crate::plan::model::{Input, Model};
use crate::plan::{Highs, Solver, Task};
use crate::plant::{State, Step};
use crate::site::Site;
use crate::{Error, Result};

/// How long the program may take.
const WITHIN: Duration = Duration::from_secs(600);

/// What nobody could have exceeded in a world, in dollars: the optimum over all hours at once, with the real prices, sun
/// and hashprice, in a model that leaves out only what could make it less.
///
/// # Errors
/// When the solver gives no optimum.
pub fn bound_usd(site: &Site, world: &World) -> Result<f64> {
    let zone = site.zone();
    let steps: Vec<Step> = (0..world.hours)
        .map(|hour| world.step(site, &zone, hour))
        .collect();
    let state = State::new(site, world.start);
    let input = Input {
        site,
        state: &state,
        steps: &steps,
        whole: false,
        relaxed: false,
        stored_usd_per_kwh: 0.0,
        ends: true,
    };
    let mut model = Model::new(&input);
    let task = Task {
        interior: steps.len() > 1000,
        ..Task::linear(std::mem::take(&mut model.problem))
    };
    let answer = Highs::default().solve(task, WITHIN);
    let answer = answer.filter(|answer| model.fits(answer));
    answer
        .and_then(|answer| model.bound_usd(&answer))
        .ok_or_else(|| Error::Solver {
            why: "no optimum for the bound within ten minutes".into(),
        })
}
