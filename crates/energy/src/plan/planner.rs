//! From a forecast to a plan, always in time.

use std::time::{Duration, Instant};

use super::model::{Input, Model, StepPrices, WHOLE_UNITS_MAX};
use super::orders::{self, Trial};
use super::solver::{Answer, Highs, Solver, Task};
use super::{Plan, Source, grid, mend::mend, model};
use crate::plant::{Orders, State, Step};
use crate::site::Site;

/// How a planner plans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// A plan is published after so long at the latest.
    pub deadline: Duration,
    /// Of that, so much is kept for what comes after solving.
    pub reserve: Duration,
    /// Whether a bound is computed too, when the model's own optimum isn't one.
    pub bound: bool,
    /// The most nodes of the search for whole machines.
    pub nodes_max: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(2),
            reserve: Duration::from_millis(250),
            bound: true,
            nodes_max: 2_000,
        }
    }
}

/// Plans again and again, and remembers the last plan.
pub struct Planner {
    options: Options,
    solver: Box<dyn Solver>,
    last: Option<Plan>,
}

impl Default for Planner {
    fn default() -> Self {
        Self::new(Options::default(), Box::new(Highs::default()))
    }
}

/// A model, its solution, and how its steps belong to the plan's.
struct Solved {
    model: Model,
    places: Vec<usize>,
    answer: Answer,
}

/// What one call of the planner works on.
struct Job<'a> {
    site: &'a Site,
    state: &'a State,
    steps: Vec<Step>,
    stored_usd_per_kwh: f64,
    deadline: Instant,
    notes: Vec<String>,
}

impl Job<'_> {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    fn input<'a>(&'a self, steps: &'a [Step], whole: bool, relaxed: bool) -> Input<'a> {
        let stored_usd_per_kwh = self.stored_usd_per_kwh;
        Input {
            site: self.site,
            state: self.state,
            steps,
            whole,
            relaxed,
            stored_usd_per_kwh,
            ends: false,
        }
    }

    /// Runs a solution through the plant. What things are worth comes from the linear program in any case: a solution with
    /// whole machines has no prices.
    fn trial(&self, solved: &Solved, prices: &[Option<StepPrices>]) -> Trial {
        let orders_for = |t: usize, _: &State| {
            let place = solved.places[t];
            let (columns, values) = (&solved.model.steps[place], &solved.answer.columns);
            let worth = prices[place].as_ref().map(|prices| prices.worth.clone());
            orders::of_solution(self.site, &self.steps[t], columns, values, worth)
        };
        orders::trial(
            self.site,
            self.state,
            &self.steps,
            self.stored_usd_per_kwh,
            orders_for,
        )
    }
}

impl Planner {
    /// A planner with a solver.
    pub fn new(options: Options, solver: Box<dyn Solver>) -> Self {
        Self {
            options,
            solver,
            last: None,
        }
    }

    /// Plans the steps from a state on. There is always a plan, and never later than the deadline; when something went
    /// wrong on the way, [`Plan::notes`] says what, and it is logged.
    pub fn plan(&mut self, site: &Site, state: &State, steps: &[Step]) -> Plan {
        let began = Instant::now();
        let mut notes = Vec::new();
        let steps = mend(site, steps, &mut notes);
        let one_way = site
            .battery
            .as_ref()
            .map_or(1.0, crate::site::Battery::one_way);
        let mut job = Job {
            site,
            state,
            stored_usd_per_kwh: self.stored_usd_per_kwh(&steps, one_way),
            steps,
            deadline: began + self.options.deadline.saturating_sub(self.options.reserve),
            notes,
        };
        let mut plan = self.best(&mut job);
        plan.took = began.elapsed();
        plan.notes = job.notes;
        for note in &plan.notes {
            tracing::warn!(site = site.name, "{note}");
        }
        self.last = Some(plan.clone());
        plan
    }

    /// What a kWh in the battery is taken to be worth at the plan's end: what one was worth in the middle hour of the last
    /// plan, or costs in that of this one, less the loss.
    fn stored_usd_per_kwh(&self, steps: &[Step], one_way: f64) -> f64 {
        let price = |step: &Step| step.conditions.import_usd_per_kwh;
        let start = steps.first().map(|step| step.start);
        let last = self
            .last
            .as_ref()
            .filter(|last| start.is_some_and(|start| last.at(start).is_some()));
        let last = last.map(|last| {
            last.steps
                .iter()
                .map(|planned| planned.marginal_usd_per_kwh.unwrap_or(price(&planned.step)))
        });
        match last {
            Some(worth) => model::stored_usd_per_kwh(worth, one_way),
            None => model::stored_usd_per_kwh(steps.iter().map(price), one_way),
        }
    }

    fn best(&mut self, job: &mut Job<'_>) -> Plan {
        let mut candidates = vec![];
        let mut bound_usd = None;
        let mut prices = Vec::new();
        let (coarse, places) = grid::coarse(&job.steps, job.site.miners.len());
        let is_coarse = coarse.len() < job.steps.len();
        if let Some(rounded) = self.linear(job, &coarse, &places) {
            prices = rounded.model.prices(&rounded.answer);
            bound_usd = rounded
                .model
                .bound_usd(&rounded.answer)
                .filter(|_| !is_coarse);
            candidates.push((Source::Rounded, job.trial(&rounded, &prices)));
            if is_coarse && self.options.bound {
                bound_usd = self.bound(job);
            }
            // The search for whole machines takes all the time it is given, so it comes last.
            if job
                .site
                .miners
                .iter()
                .any(|group| group.units <= WHOLE_UNITS_MAX)
            {
                candidates.extend(
                    self.whole(job, &coarse, &places, &rounded, &prices)
                        .map(|t| (Source::Mixed, t)),
                );
            }
        }
        if candidates.is_empty() {
            candidates.extend(self.last_plan(job).map(|trial| (Source::Last, trial)));
            let by_rules =
                |t: usize, state: &State| orders::by_rules(job.site, state, &job.steps[t]);
            let trial = orders::trial(
                job.site,
                job.state,
                &job.steps,
                job.stored_usd_per_kwh,
                by_rules,
            );
            candidates.push((Source::Rules, trial));
        }
        let mut best = published(job, candidates, bound_usd);
        for (planned, place) in best.steps.iter_mut().zip(&places) {
            let prices = prices.get(*place).and_then(Option::as_ref);
            planned.marginal_usd_per_kwh = prices.map(|prices| prices.marginal_usd_per_kwh);
        }
        best
    }

    /// The linear program, without whole numbers.
    fn linear(&mut self, job: &mut Job<'_>, coarse: &[Step], places: &[usize]) -> Option<Solved> {
        let mut model = Model::new(&job.input(coarse, false, false));
        let task = Task::linear(std::mem::take(&mut model.problem));
        let answer = self
            .solver
            .solve(task, job.left())
            .filter(|answer| model.fits(answer));
        if answer.is_none() {
            job.notes.push("the solver gave no answer in time; the best of the last plan and simple rules is used".into());
        }
        Some(Solved {
            model,
            places: places.to_vec(),
            answer: answer?,
        })
    }

    /// Whole machines in small groups, begun from the rounded linear program.
    fn whole(
        &mut self,
        job: &mut Job<'_>,
        coarse: &[Step],
        places: &[usize],
        rounded: &Solved,
        prices: &[Option<StepPrices>],
    ) -> Option<Trial> {
        let mut model = Model::new(&job.input(coarse, true, false));
        let mut start = rounded.answer.columns.clone();
        for group in rounded.model.steps.iter().flat_map(|step| &step.groups) {
            start[group.on] = start[group.on].round();
        }
        let problem = std::mem::take(&mut model.problem);
        let task = Task {
            problem,
            start: Some(start),
            interior: false,
            nodes_max: self.options.nodes_max,
        };
        let Some(answer) = self
            .solver
            .solve(task, job.left())
            .filter(|answer| model.fits(answer))
        else {
            job.notes.push(
                "whole machines weren't solved in time; the rounded linear program is used".into(),
            );
            return None;
        };
        let solved = Solved {
            model,
            places: places.to_vec(),
            answer,
        };
        Some(job.trial(&solved, prices))
    }

    /// What no plan can exceed: hours with their kindest conditions, and no starts, ramps or least times.
    fn bound(&mut self, job: &Job<'_>) -> Option<f64> {
        let kindest = grid::hourly(&grid::kindest(&job.steps));
        let mut model = Model::new(&job.input(&kindest, false, true));
        let task = Task::linear(std::mem::take(&mut model.problem));
        self.solver
            .solve(task, job.left())
            .and_then(|answer| model.bound_usd(&answer))
    }

    /// What is left of the last plan, and rules where it ends.
    fn last_plan(&self, job: &Job<'_>) -> Option<Trial> {
        let last = self.last.as_ref().filter(|last| {
            last.at(job.steps.first().map_or(last.start, |s| s.start))
                .is_some()
        })?;
        let orders_for = |t: usize, state: &State| -> Orders {
            let step = &job.steps[t];
            orders::of_last(last, step).unwrap_or_else(|| orders::by_rules(job.site, state, step))
        };
        Some(orders::trial(
            job.site,
            job.state,
            &job.steps,
            job.stored_usd_per_kwh,
            orders_for,
        ))
    }
}

fn published(job: &Job<'_>, candidates: Vec<(Source, Trial)>, bound_usd: Option<f64>) -> Plan {
    let start = job
        .steps
        .first()
        .map_or(jiff::Timestamp::UNIX_EPOCH, |step| step.start);
    let best = candidates
        .into_iter()
        .reduce(|a, b| if b.1.value_usd > a.1.value_usd { b } else { a });
    let (source, trial) = best.unwrap_or((
        Source::Rules,
        Trial {
            steps: Vec::new(),
            value_usd: 0.0,
        },
    ));
    Plan {
        start,
        steps: trial.steps,
        source,
        value_usd: trial.value_usd,
        bound_usd,
        took: Duration::ZERO,
        notes: Vec::new(),
    }
}
