//! The world: its time, its computers, and what happens on them.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::deeds::Deeds;
use super::dice::Dice;
use super::faults::{Faults, Mutation};
use super::history::History;
use super::mint::Mint;
use super::network::Host;
use super::rail::Rail;
use super::tasks::{Ready, Task};

pub(crate) const SECOND_MS: i64 = 1_000;
pub(crate) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;
/// When worlds begin: in November 2026.
pub(crate) const BEGIN_MS: i64 = 1_795_000_000_000;

/// A computer: it has a clock of its own, and dies alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Machine(pub usize);

/// Where agents, humans and networks live: it has the right time, and doesn't die.
pub(crate) const OUTSIDE: Machine = Machine(0);

pub(super) struct Computer {
    pub name: String,
    pub clock_ahead_ms: i64,
    pub is_up: bool,
    pub is_doomed: bool,
    pub program: Option<Rc<dyn Program>>,
}

/// What runs on a computer, with a disk that survives its death.
pub(crate) trait Program {
    /// Begins anew with what is on the disk.
    fn start(self: Rc<Self>);
    /// What must hold after each commit.
    fn check(&self) -> Result<(), String>;
    /// What must hold when nothing is under way any more.
    fn check_at_rest(&self) -> Result<(), String>;
}

pub(crate) struct World {
    pub(super) now_ms: Cell<i64>,
    dice: RefCell<Dice>,
    pub(super) computers: RefCell<Vec<Computer>>,
    pub(super) tasks: RefCell<BTreeMap<u64, Task>>,
    pub(super) next: Cell<u64>,
    pub(super) ready: Ready,
    pub(super) timers: RefCell<BinaryHeap<Reverse<(i64, u64)>>>,
    pub(super) sleepers: RefCell<BTreeMap<u64, Waker>>,
    /// Computers that have written something since they were checked.
    pub(super) touched: RefCell<Vec<Machine>>,
    pub history: RefCell<History>,
    pub faults: Faults,
    pub hosts: RefCell<BTreeMap<String, Rc<dyn Host>>>,
    pub mint: RefCell<Mint>,
    pub rail: RefCell<Rail>,
    pub deeds: RefCell<Deeds>,
}

pub(crate) type W = Rc<World>;

impl World {
    pub fn new(seed: u64, mutation: Option<Mutation>) -> W {
        let world = Self {
            now_ms: Cell::new(BEGIN_MS),
            dice: RefCell::new(Dice::new(seed)),
            computers: RefCell::default(),
            tasks: RefCell::default(),
            next: Cell::new(1),
            ready: Ready::default(),
            timers: RefCell::default(),
            sleepers: RefCell::default(),
            touched: RefCell::default(),
            history: RefCell::default(),
            faults: Faults::new(mutation),
            hosts: RefCell::default(),
            mint: RefCell::default(),
            rail: RefCell::new(Rail::new()),
            deeds: RefCell::default(),
        };
        world.add_computer("outside");
        Rc::new(world)
    }

    pub fn add_computer(&self, name: &str) -> Machine {
        let mut computers = self.computers.borrow_mut();
        computers.push(Computer {
            name: name.to_owned(),
            clock_ahead_ms: 0,
            is_up: true,
            is_doomed: false,
            program: None,
        });
        Machine(computers.len() - 1)
    }

    pub fn install(&self, machine: Machine, program: Rc<dyn Program>) {
        self.computers.borrow_mut()[machine.0].program = Some(Rc::clone(&program));
        program.start();
    }

    pub fn programs(&self) -> Vec<Rc<dyn Program>> {
        let computers = self.computers.borrow();
        computers
            .iter()
            .filter_map(|one| one.program.clone())
            .collect()
    }

    // Time and chance.

    pub fn now_ms(&self) -> i64 {
        self.now_ms.get()
    }

    /// A clock that nobody sets.
    pub fn uptime(&self) -> Duration {
        Duration::from_millis(self.now_ms().unsigned_abs())
    }

    pub fn day(&self) -> i64 {
        (self.now_ms() - BEGIN_MS) / DAY_MS
    }

    pub fn below(&self, n: u64) -> u64 {
        self.dice.borrow_mut().below(n)
    }

    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        self.dice.borrow_mut().bytes()
    }

    /// From `least` to `most`, milliseconds.
    pub fn between(&self, least: i64, most: i64) -> i64 {
        least + self.below((most - least).max(0).unsigned_abs() + 1) as i64
    }

    pub fn chance(&self, permille: u64) -> bool {
        self.below(1_000) < permille
    }

    /// What a computer's clock says.
    pub fn clock_ms(&self, machine: Machine) -> i64 {
        self.now_ms() + self.computers.borrow()[machine.0].clock_ahead_ms
    }

    pub fn set_clock(&self, machine: Machine, ahead_ms: i64) {
        self.computers.borrow_mut()[machine.0].clock_ahead_ms = ahead_ms;
        self.note(
            machine,
            &format!("its clock is {} s ahead", ahead_ms / SECOND_MS),
        );
    }

    // What happened.

    pub fn note(&self, machine: Machine, what: &str) {
        let ms = self.now_ms() - BEGIN_MS;
        let computers = self.computers.borrow();
        let name = &computers[machine.0].name;
        let (day, second) = (ms / DAY_MS, ms % DAY_MS);
        let event = format!("{day}d {:.3}s {name}: {what}", second as f64 / 1_000.0);
        self.history.borrow_mut().note(event);
    }

    pub fn count(&self, what: &str) {
        self.history.borrow_mut().count(what, 1);
    }

    pub fn violation(&self, what: String) {
        self.history.borrow_mut().violation.get_or_insert(what);
    }

    pub fn is_violated(&self) -> bool {
        self.history.borrow().violation.is_some()
    }

    // What must hold.

    pub(super) fn check_touched(&self) {
        let touched: Vec<_> = self.touched.borrow_mut().drain(..).collect();
        for machine in touched {
            let program = self.computers.borrow()[machine.0].program.clone();
            let checked = program.map_or(Ok(()), |program| program.check());
            if let Err(what) = checked {
                self.violation(what);
            }
        }
    }

    /// Something was written there.
    pub fn touch(&self, machine: Machine) {
        let mut touched = self.touched.borrow_mut();
        if !touched.contains(&machine) {
            touched.push(machine);
        }
    }

    /// Everything in a world points at it: without this it would live for ever.
    pub fn end(&self) {
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        self.hosts.borrow_mut().clear();
        self.computers.borrow_mut().clear();
    }
}
