//! The linear program: variables for each step, what they earn, and what binds them.
//!
//! For each step: per group of miners, machines on, starts and power on each concave segment; power of each batch AI; firm
//! AI not served; the battery's charge, discharge and content; import, export and curtailment; heat; reserves; and for
//! each month what its peak rises by. It maximises dollars. See `rows.rs` and `fleet.rs` for the constraints.

mod fleet;
mod rows;
mod terms;

pub(super) use rows::{shares_of_month, stored_usd_per_kwh};

use highs::{Col, RowProblem};

use super::Answer;
use crate::plant::{State, Step, Worth};
use crate::site::Site;

/// A group of at most so many machines is planned in whole ones.
pub(crate) const WHOLE_UNITS_MAX: u32 = 12;

/// What a model is built from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Input<'a> {
    pub site: &'a Site,
    pub state: &'a State,
    pub steps: &'a [Step],
    /// Whole machines in small groups.
    pub whole: bool,
    /// Leaves starts, ramps and least times out: then no plan can be worth more than this program's optimum, even one
    /// with shorter steps.
    pub relaxed: bool,
    /// What a kWh left in the battery is worth, in dollars.
    pub stored_usd_per_kwh: f64,
    /// Nothing comes after the last step: work that is left is lost.
    pub ends: bool,
}

/// The program, and where its variables are.
pub(crate) struct Model {
    pub problem: RowProblem,
    pub steps: Vec<StepColumns>,
    rows: Places,
    hours: Vec<f64>,
    columns: usize,
    /// What is earned or lost whatever is done, in dollars: to be added to the program's value.
    constant_usd: f64,
    /// What the program holds back at most to choose among what is worth the same, in dollars: to be added to its value
    /// where that serves as a bound.
    slack_usd: f64,
}

/// Where the rows are whose prices are of use, by step.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// Power balances.
    balance: Vec<usize>,
    /// The battery carries over.
    battery: Vec<usize>,
    /// There is only so much of each batch AI's work; none where it can't be done later.
    work: Vec<Vec<Option<usize>>>,
}

/// What the program says things are worth in a step.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StepPrices {
    /// One more kWh, in dollars.
    pub marginal_usd_per_kwh: f64,
    /// What is in the battery, and what can be done later.
    pub worth: Worth,
}

/// The variables of a step, as places in the solution.
#[derive(Debug, Default)]
pub(crate) struct StepColumns {
    pub groups: Vec<GroupColumns>,
    pub batch: Vec<usize>,
    pub charge: Option<usize>,
    pub discharge: Option<usize>,
    pub reserve: Vec<usize>,
    pub curtailed: Option<usize>,
}

/// The variables of a group in a step.
#[derive(Debug)]
pub(crate) struct GroupColumns {
    /// Machines on.
    pub on: usize,
    /// The power of a machine at its least, in kW.
    pub least_kw: f64,
    /// Power above the least on each segment, in kW.
    pub segments: Vec<usize>,
}

impl GroupColumns {
    /// What the group draws, in kW.
    pub fn power_kw(&self, columns: &[f64]) -> f64 {
        columns[self.on] * self.least_kw
            + self
                .segments
                .iter()
                .map(|column| columns[*column])
                .sum::<f64>()
    }
}

/// Adds variables to a problem, and counts them, so that their values can be found in a solution.
pub(super) struct Builder {
    problem: RowProblem,
    columns: usize,
    rows: usize,
    constant_usd: f64,
    slack_usd: f64,
}

/// A variable: its handle for rows, and its place in the solution.
#[derive(Debug, Clone, Copy)]
pub(super) struct Variable {
    col: Col,
    place: usize,
}

impl Builder {
    /// A variable from zero to `max` that earns `usd` for each unit.
    fn column(&mut self, usd: f64, max: f64) -> Variable {
        self.bounded(usd, 0.0, max)
    }

    fn bounded(&mut self, usd: f64, min: f64, max: f64) -> Variable {
        let col = self.problem.add_column(usd, min..=max.max(min));
        self.count(col)
    }

    fn whole(&mut self, usd: f64, min: f64, max: f64) -> Variable {
        let col = self.problem.add_integer_column(usd, min..=max.max(min));
        self.count(col)
    }

    fn count(&mut self, col: Col) -> Variable {
        self.columns += 1;
        Variable {
            col,
            place: self.columns - 1,
        }
    }

    /// A row that says: the sum is at most `max`. Gives its place.
    fn at_most(&mut self, max: f64, terms: &[(Variable, f64)]) -> usize {
        self.problem.add_row(
            ..=max,
            terms
                .iter()
                .map(|(variable, factor)| (variable.col, *factor)),
        );
        self.rows += 1;
        self.rows - 1
    }

    /// A row that says: the sum is `value`. Gives its place.
    fn equal(&mut self, value: f64, terms: &[(Variable, f64)]) -> usize {
        self.problem.add_row(
            value..=value,
            terms
                .iter()
                .map(|(variable, factor)| (variable.col, *factor)),
        );
        self.rows += 1;
        self.rows - 1
    }
}

impl Model {
    /// Builds the program.
    pub fn new(input: &Input<'_>) -> Self {
        let mut builder = Builder {
            problem: RowProblem::default(),
            columns: 0,
            rows: 0,
            constant_usd: 0.0,
            slack_usd: 0.0,
        };
        let mut variables = Vec::with_capacity(input.steps.len());
        for t in 0..input.steps.len() {
            variables.push(terms::add(&mut builder, input, t));
        }
        let rows = rows::add(&mut builder, input, &variables);
        Self {
            columns: builder.columns,
            slack_usd: builder.slack_usd,
            constant_usd: builder.constant_usd + firm_usd(input),
            problem: builder.problem,
            steps: variables.iter().map(terms::Variables::places).collect(),
            rows,
            hours: input.steps.iter().map(|step| step.hours).collect(),
        }
    }

    /// What no plan can exceed, in dollars, by an answer that is the best.
    pub fn bound_usd(&self, answer: &Answer) -> Option<f64> {
        answer
            .is_best
            .then_some(answer.value_usd + self.constant_usd + self.slack_usd)
    }

    /// Whether an answer is one to this program: a finite value for each variable.
    pub fn fits(&self, answer: &Answer) -> bool {
        answer.columns.len() == self.columns && answer.columns.iter().all(|value| value.is_finite())
    }

    /// What things are worth in each step, by the prices of the program's rows; nothing, when the answer has none.
    pub fn prices(&self, answer: &Answer) -> Vec<Option<StepPrices>> {
        let dual = |row: usize| {
            answer
                .row_duals
                .get(row)
                .copied()
                .filter(|dual| dual.is_finite())
        };
        let at = |t: usize| {
            let later = self.rows.work.get(t)?.iter();
            let later = later.map(|row| row.map_or(Some(0.0), dual));
            Some(StepPrices {
                marginal_usd_per_kwh: dual(*self.rows.balance.get(t)?)? / self.hours[t],
                worth: Worth {
                    stored_usd_per_kwh: self
                        .rows
                        .battery
                        .get(t)
                        .map_or(Some(0.0), |row| dual(*row))?,
                    later_usd_per_kwh: later.collect::<Option<_>>()?,
                },
            })
        };
        (0..self.hours.len()).map(at).collect()
    }
}

/// What firm AI brings when all of it is served.
fn firm_usd(input: &Input<'_>) -> f64 {
    if input
        .site
        .ai
        .firm
        .iter()
        .all(|firm| firm.revenue_usd_per_kwh == 0.0)
    {
        return 0.0;
    }
    let zone = input.site.zone();
    let each = |step: &Step| {
        let hour = usize::from(zone.to_datetime(step.start).hour().unsigned_abs());
        let usd = input
            .site
            .ai
            .firm
            .iter()
            .map(|firm| firm.power_kw.at(hour) * firm.revenue_usd_per_kwh);
        usd.sum::<f64>() * step.hours
    };
    input.steps.iter().map(each).sum()
}
