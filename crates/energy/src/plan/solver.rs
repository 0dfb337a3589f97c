//! The solver, behind a watchdog of our own: HiGHS can miss its time limit.

use std::num::NonZeroU32;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use highs::{HighsModelStatus, HighsSolutionStatus, RowProblem, Sense};

/// The solver is told to stop by itself after this share of the time, for it often takes longer than it is told.
const SHARE: f64 = 0.75;
/// Close enough to the best.
const GAP: f64 = 2e-3;

/// A program to be maximised.
#[derive(Debug)]
pub struct Task {
    /// The program.
    pub problem: RowProblem,
    /// A solution to begin with: a value for each variable.
    pub start: Option<Vec<f64>>,
    /// Whether the interior point method is used: for programs that are very large.
    pub interior: bool,
    /// The most nodes of the search tree, so that the same task has the same answer however busy the machine is.
    pub nodes_max: i32,
}

impl Task {
    /// A program without whole numbers, begun from nothing.
    pub fn linear(problem: RowProblem) -> Self {
        Self {
            problem,
            start: None,
            interior: false,
            nodes_max: 1,
        }
    }
}

/// A solution.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The value of each variable.
    pub columns: Vec<f64>,
    /// The price of each row; meaningless with whole numbers.
    pub row_duals: Vec<f64>,
    /// What it is worth, in dollars.
    pub value_usd: f64,
    /// Whether there is none better, within tolerance.
    pub is_best: bool,
}

/// Solves tasks. Only tests have another than [`Highs`].
pub trait Solver: Send {
    /// An answer within a time, or none. Never returns noticeably later than that.
    fn solve(&mut self, task: Task, within: Duration) -> Option<Answer>;
}

/// HiGHS on a thread of its own. When it doesn't answer in time, it is left to itself, and until it has ended, further
/// tasks get no answer: so at most one thread is ever computing.
#[derive(Debug)]
pub struct Highs {
    tasks: Sender<(Task, Duration)>,
    answers: Receiver<Option<Answer>>,
    is_busy: bool,
}

impl Default for Highs {
    fn default() -> Self {
        let (tasks, inbox) = channel::<(Task, Duration)>();
        let (outbox, answers) = channel();
        // When it can't be started, its ends are dropped, and every task goes without an answer.
        let _ = thread::Builder::new().name("highs".into()).spawn(move || {
            while let Ok((task, limit)) = inbox.recv() {
                if outbox.send(run(task, limit)).is_err() {
                    break;
                }
            }
        });
        Self {
            tasks,
            answers,
            is_busy: false,
        }
    }
}

impl Solver for Highs {
    fn solve(&mut self, task: Task, within: Duration) -> Option<Answer> {
        let deadline = Instant::now() + within;
        if self.is_busy {
            // The answer to a task that was given up.
            self.answers.try_recv().ok()?;
            self.is_busy = false;
        }
        let limit = within.mul_f64(SHARE);
        self.tasks.send((task, limit)).ok()?;
        match self
            .answers
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            Ok(answer) => answer,
            Err(RecvTimeoutError::Timeout) => {
                self.is_busy = true;
                None
            }
            Err(RecvTimeoutError::Disconnected) => None,
        }
    }
}

fn run(task: Task, limit: Duration) -> Option<Answer> {
    let mut model = task.problem.try_optimise(Sense::Maximise).ok()?;
    model.make_quiet();
    // One thread: the answer doesn't depend on how many cores there are.
    model.set_threads(NonZeroU32::MIN);
    model.try_set_option("parallel", "off").ok()?;
    model.try_set_option("random_seed", 1).ok()?;
    model
        .try_set_option("time_limit", limit.as_secs_f64())
        .ok()?;
    model.try_set_option("mip_rel_gap", GAP).ok()?;
    model.try_set_option("mip_max_nodes", task.nodes_max).ok()?;
    if task.interior {
        model.try_set_option("solver", "ipm").ok()?;
        model.try_set_option("run_crossover", "off").ok()?;
    }
    if let Some(start) = &task.start {
        // A start that doesn't fit is no reason not to solve.
        let _ = model.try_set_solution(Some(start), None, None, None);
    }
    let solved = model.try_solve().ok()?;
    let is_best = solved.status() == HighsModelStatus::Optimal;
    let is_feasible = solved.primal_solution_status() == HighsSolutionStatus::Feasible;
    let solution = solved.get_solution();
    let columns = solution.columns().to_vec();
    let is_sound = (is_best || is_feasible) && columns.iter().all(|value| value.is_finite());
    is_sound.then(|| Answer {
        columns,
        row_duals: solution.dual_rows().to_vec(),
        value_usd: solved.objective_value(),
        is_best,
    })
}
