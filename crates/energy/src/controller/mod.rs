//! The controller: turns a plan into commands, believes what is measured, and keeps the import cap.
//!
//! It is a state machine without clock, network or disk: readings and moments go in, commands come out. What it was
//! doing when it was killed isn't needed: it reads first what runs, and adopts that.
//!
//! **The cap.** A machine that was told to draw more counts with that at once; one that was told to draw less counts with
//! less only until it should have done so. What the machines don't explain (firm AI, a house, less sun and wind) is what
//! the meter leaves over, and never less than what the site has promised to serve by now. A command to draw more is given
//! only if all that together stays below the limit. When it is too much, what is worth least goes at once.
//!
//! **The fast path.** [`Controller::shed`] takes from a list that was made ahead, one machine after the other. It needs
//! no solver and no plan, and allocates little. A call is a lower limit for the import until it ends, so machines that are
//! dead or lie are replaced by the next on the list as soon as the meter or their own readings show it.
//!
//! Firm AI can't be commanded from here.

mod allot;
mod event;
mod meter;
mod ready;
mod reconcile;
mod spec;
mod unit;

pub use event::{Event, Limit, Mode, What};
pub use meter::{Distrust, Sample};
pub use unit::{Command, Health, Role, UnitSpec};

use std::sync::Arc;

use jiff::Timestamp;

use crate::evidence::{Called, Evidence};
use crate::plan::Plan;
use crate::plant::{Conditions, Worth};
use crate::shed::Now;
use crate::site::Site;
use meter::MeterWatch;
use ready::Cut;
use unit::{Unit, seconds};

/// Events that are kept until somebody takes them.
const EVENTS_MAX: usize = 10_000;

/// How patient the controller is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Room that is left below each limit, as a share of it.
    pub margin_share: f64,
    /// How old a reading may be before it is missed: the time between two readings, and a little more, in seconds.
    pub slack_seconds: f64,
    /// A machine without a reading for so long is lost, in seconds.
    pub lost_seconds: f64,
    /// After load was dropped, none is raised for so long, in seconds.
    pub calm_seconds: f64,
    /// How long everything goes on as it is without a plan, in seconds.
    pub hold_seconds: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            margin_share: 0.01,
            slack_seconds: 3.0,
            lost_seconds: 30.0,
            calm_seconds: 30.0,
            hold_seconds: 900.0,
        }
    }
}

/// A call to shed: so much less than now, for some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Call {
    /// How much less, in kW at the meter; below zero how much more may be drawn at most.
    pub power_kw: f64,
    /// How soon, in seconds. What takes longer to go is taken only when all else isn't enough.
    pub within_seconds: f64,
    /// Until when.
    pub until: Timestamp,
}

/// A call that is under way.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Active {
    call: Call,
    began: Timestamp,
    before_kw: f64,
    limit_kw: f64,
    /// When the meter should show what was dropped last.
    due: Timestamp,
    is_delivered: bool,
}

/// See the [module](self).
pub struct Controller {
    site: Arc<Site>,
    settings: Settings,
    units: Vec<Unit>,
    meter: MeterWatch,
    distrust: Option<Distrust>,
    plan: Option<Plan>,
    without_plan_since: Option<Timestamp>,
    mode: Mode,
    started: Option<Timestamp>,
    conditions: Option<Conditions>,
    worth: Option<Worth>,
    ready: Vec<Cut>,
    active: Option<Active>,
    /// The call before, and when it ended.
    last: Option<(Active, Timestamp)>,
    calm_until: Option<Timestamp>,
    short_of: Option<Limit>,
    events: Vec<Event>,
}

impl Controller {
    /// A controller that knows nothing yet of what its machines do.
    pub fn new(site: Arc<Site>, units: Vec<UnitSpec>, settings: Settings) -> Self {
        Self {
            site,
            settings,
            units: units.into_iter().map(Unit::new).collect(),
            meter: MeterWatch::default(),
            distrust: None,
            plan: None,
            without_plan_since: None,
            mode: Mode::Adopting,
            started: None,
            conditions: None,
            worth: None,
            ready: Vec::new(),
            active: None,
            last: None,
            calm_until: None,
            short_of: None,
            events: Vec::new(),
        }
    }

    /// Goes by another plan from the next tick on.
    pub fn set_plan(&mut self, plan: Plan) {
        self.plan = Some(plan);
    }

    /// Takes the reading of a machine: what it draws, in W.
    pub fn see(&mut self, now: Timestamp, unit: usize, power_w: f64) {
        if let Some(unit) = self.units.get_mut(unit).filter(|_| power_w.is_finite()) {
            unit.see(now, power_w);
        }
    }

    /// Takes the meter's reading: what is drawn from the grid, in kW, below zero when power is fed in.
    pub fn see_meter(&mut self, now: Timestamp, import_kw: f64) {
        let is_lowering = self.is_lowering(now);
        let units_kw = self.sum_kw(|unit| if unit.was_seen() { unit.seen_w() } else { 0.0 });
        self.meter.see(now, import_kw, units_kw, is_lowering);
        self.note_delivery(now);
    }

    /// Takes note that a command didn't reach its machine, or was refused.
    pub fn failed(&mut self, unit: usize) {
        if let Some(unit) = self.units.get_mut(unit) {
            unit.fail();
        }
    }

    /// What is to be commanded now. To be called about once a second; more often does no harm.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Command> {
        self.started.get_or_insert(now);
        self.judge(now);
        self.end_call(now);
        self.follow_plan(now);
        let mut commands = self.cut(now);
        commands.extend(self.reconcile(now));
        self.prepare();
        commands
    }

    /// The fast path: what to command so that `call` is met. A call while another is under way replaces it, and counts from
    /// what was drawn before the first.
    pub fn shed(&mut self, now: Timestamp, call: Call) -> Vec<Command> {
        let before_kw = self.active.map_or_else(
            || {
                self.meter
                    .import_kw(now)
                    .unwrap_or_else(|| self.import_kw_by_units(now))
            },
            |active| active.before_kw,
        );
        self.active = Some(Active {
            call,
            began: now,
            before_kw,
            limit_kw: before_kw - call.power_kw,
            due: now,
            is_delivered: false,
        });
        self.cut(now)
    }

    /// Ends a call before its time.
    pub fn release(&mut self, now: Timestamp) {
        if let Some(active) = self.active.take() {
            self.last = Some((active, now));
            self.note(now, What::Released);
        }
    }

    /// The record of the call that is under way, or else of the one that ended last.
    pub fn evidence(&self, now: Timestamp) -> Option<Evidence> {
        let (active, ended) = self.active.map(|active| (active, now)).or(self.last)?;
        let called = Called {
            power_kw: active.call.power_kw,
            at: active.began,
            within_seconds: active.call.within_seconds,
            ended,
        };
        Some(Evidence::new(&self.site.name, called, self.samples()))
    }

    /// What happened since this was asked last.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What it goes by.
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// How much each machine is believed, what it was told, and what it was seen to draw, in W.
    pub fn units(&self) -> impl Iterator<Item = (Health, f64, f64)> + '_ {
        self.units
            .iter()
            .map(|unit| (unit.health, unit.ordered_w(), unit.seen_w()))
    }

    /// The meter's samples, oldest first, for records of what was delivered.
    pub fn samples(&self) -> impl Iterator<Item = Sample> + '_ {
        self.meter.samples()
    }

    /// How much could go within so many seconds, in kW at the meter.
    pub fn shed_kw_within(&self, within_seconds: f64) -> f64 {
        let quick = self
            .ready
            .iter()
            .filter(|cut| cut.seconds <= within_seconds);
        quick.map(|cut| cut.saves_kw).sum()
    }

    fn note(&mut self, at: Timestamp, what: What) {
        tracing::info!(site = self.site.name, "{what}");
        if self.events.len() < EVENTS_MAX {
            self.events.push(Event { at, what });
        }
    }

    /// Decides whom to believe.
    fn judge(&mut self, now: Timestamp) {
        let (slack, lost) = (self.settings.slack_seconds, self.settings.lost_seconds);
        let mut changed = Vec::new();
        for unit in &mut self.units {
            if let Some(health) = unit.judge(now, slack, lost) {
                changed.push(What::Unit {
                    name: unit.spec.name.clone(),
                    health,
                    ordered_w: unit.ordered_w(),
                    seen_w: unit.seen_w(),
                });
            }
        }
        for what in changed {
            self.note(now, what);
        }
        let distrust = self.meter.distrust(now);
        if distrust != self.distrust {
            self.distrust = distrust;
            self.note(now, What::Meter(distrust));
        }
    }

    fn end_call(&mut self, now: Timestamp) {
        if self.active.is_some_and(|active| now >= active.call.until) {
            self.release(now);
        }
    }

    /// Chooses what to go by, and writes it into the machines.
    fn follow_plan(&mut self, now: Timestamp) {
        let planned = self.plan.as_ref().and_then(|plan| plan.at(now)).cloned();
        let since = self.started.unwrap_or(now);
        let waits = seconds(since, now) < self.settings.lost_seconds;
        let mode = if waits && !self.units.iter().all(Unit::was_seen) {
            Mode::Adopting
        } else if let Some(planned) = planned {
            self.conditions = Some(planned.step.conditions);
            self.worth = planned.orders.worth.clone();
            self.without_plan_since = None;
            allot::by_plan(&self.site, &mut self.units, &planned.orders);
            Mode::Planned
        } else {
            let since = *self.without_plan_since.get_or_insert(now);
            if seconds(since, now) < self.settings.hold_seconds {
                Mode::Holding
            } else {
                Mode::Safe
            }
        };
        match mode {
            Mode::Adopting | Mode::Holding => allot::hold(&mut self.units),
            Mode::Safe => allot::safe(&mut self.units),
            Mode::Planned => {}
        }
        if mode != self.mode {
            self.mode = mode;
            self.note(now, What::Mode(mode));
        }
    }

    /// Makes the list for the fast path.
    fn prepare(&mut self) {
        let hashprice = self
            .conditions
            .map_or(0.0, |now| now.hashprice_usd_per_th_day);
        let discharge_kw_more = self
            .units
            .iter()
            .filter(|unit| unit.spec.role == Role::Battery)
            .map(|unit| (unit.seen_w().min(0.0) - unit.spec.power_w_min).max(0.0) / 1000.0)
            .sum();
        let now = Now {
            hashprice_usd_per_th_day: hashprice,
            pue: self.pue(),
            discharge_kw_more,
            worth: self.worth.as_ref(),
        };
        self.ready = ready::cuts(&self.site, &self.units, &now);
    }

    fn note_delivery(&mut self, now: Timestamp) {
        let Some(active) = &mut self.active else {
            return;
        };
        let Some(import_kw) = self.meter.import_kw(now) else {
            return;
        };
        if active.is_delivered || import_kw > active.limit_kw + 1e-9 {
            return;
        }
        active.is_delivered = true;
        let after_seconds = seconds(active.began, now);
        self.note(
            now,
            What::Delivered {
                after_seconds,
                import_kw,
            },
        );
    }
}
