//! A week of a site, compressed: real protocols, real planner and controller, a clock that is moved by hand, and faults.
//!
//! Everything is spoken to over the loopback network: miners through `asic-rs`, meter and battery over Modbus, a plug over
//! MQTT, prices over HTTP, the grid's calls over OpenADR. Events come as they happen, for whoever shows them.

mod place;
mod planning;
mod script;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{SimulatedClock, Vtn};
use crate::backtest::World;
use crate::controller::{Call, Controller, Event, Settings, UnitSpec};
use crate::drivers::{Bounds, Clock, Operator, Ven};
use crate::evidence::Evidence;
use crate::live::Calls;
use crate::site::Site;
use place::{Built, Place, Sky};
use planning::Planning;
use script::Action;

const WORKSHOP: &str = include_str!("../../../../../examples/workshop.toml");
/// How much less the grid calls for, as a share of the import cap.
const CALL_SHARE: f64 = 0.15;
/// How soon a call is to be met, in seconds.
const RESPOND_SECONDS: f64 = 15.0;
/// Seconds after a call that are lived one by one.
const CLOSE_SECONDS: usize = 20;

/// How the week is lived.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeekOptions {
    /// Prices, weather and load depend on it.
    pub seed: u64,
    /// When it begins.
    pub start: Timestamp,
    /// How long it is, in hours; 168 is a week.
    pub hours: usize,
    /// How often everything is read and commanded, in simulated seconds.
    pub step_seconds: f64,
    /// Whether things go wrong.
    pub faults: bool,
    /// The devices are at `127.<network>.x.y`. Two runs at once need two networks.
    pub network: u8,
}

impl Default for WeekOptions {
    fn default() -> Self {
        Self {
            seed: 1,
            start: Timestamp::from_second(1_719_810_000).unwrap_or(Timestamp::UNIX_EPOCH),
            hours: 168,
            step_seconds: 60.0,
            faults: true,
            network: 81,
        }
    }
}

/// What happens in the week.
#[derive(Debug, Clone, PartialEq)]
pub enum WeekEvent {
    /// An hour has passed.
    Hour(HourPassed),
    /// Something was broken or mended, or the grid called.
    Happened {
        /// When.
        at: Timestamp,
        /// What.
        what: String,
    },
    /// The controller did something.
    Controller(Event),
    /// What was delivered for a call. The VTN has its report already.
    Delivered(Box<Evidence>),
}

/// An hour, in means.
#[derive(Debug, Clone, PartialEq)]
pub struct HourPassed {
    /// When it began.
    pub at: Timestamp,
    /// What a kWh cost, in dollars.
    pub import_usd_per_kwh: f64,
    /// What was imported, in kW.
    pub import_kw: f64,
    /// What firm AI drew, in kW.
    pub firm_kw: f64,
    /// What batch AI drew, in kW.
    pub batch_kw: f64,
    /// What miners drew, in kW.
    pub miners_kw: f64,
    /// Of that, each group, in the order of the site's file.
    pub groups_kw: Vec<f64>,
    /// What the panels gave, in kW.
    pub pv_kw: f64,
    /// What was in the battery at its end, in kWh.
    pub battery_kwh: f64,
}

/// How the week went.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct WeekSummary {
    /// Hours that were lived.
    pub hours: usize,
    /// How long that took.
    pub took: Duration,
    /// The highest import, in kW, and how much the line carries.
    pub import_kw_highest: f64,
    /// The import cap, in kW.
    pub import_kw_max: f64,
    /// For how long it was exceeded, in simulated seconds.
    pub over_cap_seconds: f64,
    /// Firm AI, in kWh. All of it was served: nothing can command it.
    pub firm_kwh: f64,
    /// Batch AI, in kWh.
    pub batch_kwh: f64,
    /// Work of the miners, in TH/s times hours.
    pub mined_th_h: f64,
    /// Energy from the grid, in kWh.
    pub import_kwh: f64,
    /// The grid's calls.
    pub calls: usize,
    /// Those that the meter showed to be met before they were due.
    pub calls_met: usize,
    /// Reports that the VTN has.
    pub reports: usize,
    /// Things that went wrong.
    pub faults: usize,
    /// Commands that were given.
    pub commands: usize,
}

/// The site that is simulated when there is no other: a few miners, AI, sun and a battery behind 40 kW.
///
/// # Errors
/// Never: its file is a part of the program, and a test reads it.
pub fn workshop() -> crate::Result<Site> {
    Site::parse(WORKSHOP)
}

/// Lives through a week of a site. It needs ports 80 and 4028 on the loopback network. Groups that can be tuned get Braiins OS,
/// a single machine that can't is behind a plug, and others get AxeOS.
///
/// # Errors
/// When an address can't be taken (see the [module above](super) for the right that is needed), a server of its own isn't
/// found, or the site has more than 2,000 machines.
pub async fn week(
    site: Site,
    options: WeekOptions,
    tell: &mut (dyn FnMut(WeekEvent) + Send),
) -> io::Result<WeekSummary> {
    let began = Instant::now();
    let mut week = Week::build(site, options).await?;
    for hour in 0..options.hours {
        week.begin_hour(hour, tell).await;
        let steps = (3600.0 / options.step_seconds).ceil() as usize;
        for _ in 0..steps {
            week.step(options.step_seconds, tell).await;
        }
        week.end_hour(hour, tell);
    }
    week.summary.hours = options.hours;
    week.summary.reports = week.vtn.reports().len();
    week.summary.took = began.elapsed();
    Ok(week.summary)
}

struct Week {
    options: WeekOptions,
    site: Arc<Site>,
    world: World,
    place: Arc<Place>,
    clock: Arc<SimulatedClock>,
    operator: Operator,
    specs: Vec<UnitSpec>,
    settings: Settings,
    planning: Planning,
    vtn: Vtn,
    ven: Ven,
    calls: Calls,
    cloud: f64,
    random: ChaCha8Rng,
    sums: Sums,
    summary: WeekSummary,
    _served: super::Served,
}

/// Sums over an hour, in kW times seconds.
#[derive(Debug, Clone, Default)]
struct Sums {
    seconds: f64,
    import: f64,
    firm: f64,
    batch: f64,
    miners: f64,
    groups: Vec<f64>,
    pv: f64,
}

impl Week {
    async fn build(site: Site, options: WeekOptions) -> io::Result<Self> {
        let site = Arc::new(site);
        let days = options.hours / 24 + 3;
        let world =
            World::synthetic(&site, options.seed, options.start, days).map_err(io::Error::other)?;
        let clock = Arc::new(SimulatedClock::new(options.start));
        let Built {
            place,
            placed,
            meter,
            served,
        } = place::build(&site, clock.clone(), options.network).await?;
        let specs = placed.iter().map(|placed| placed.spec.clone()).collect();
        // Everything moves in steps here, so a step's changes must fit into the margin.
        let settings = Settings {
            margin_share: 0.05,
            slack_seconds: options.step_seconds + 5.0,
            lost_seconds: 3.0 * options.step_seconds + 5.0,
            calm_seconds: 2.0 * options.step_seconds,
            ..Settings::default()
        };
        let bounds = Bounds {
            deadline: Duration::from_millis(300),
            ..Bounds::default()
        };
        let operator = Operator::new(
            site.clone(),
            placed,
            Arc::new(meter),
            clock.clone(),
            settings,
            bounds,
        );
        let at = std::net::SocketAddr::from(([127, options.network, 7, 1], 0));
        let vtn = Vtn::serve(at).await?;
        let ven = Ven::new(&vtn.url(), "site", "secret").map_err(io::Error::other)?;
        let planning = Planning::new(&site, &world, options.network).await?;
        let mut week = Self {
            summary: WeekSummary {
                import_kw_max: site.grid.import_kw_max,
                ..WeekSummary::default()
            },
            random: ChaCha8Rng::seed_from_u64(options.seed),
            cloud: 1.0,
            calls: Calls::default(),
            sums: Sums::default(),
            _served: served,
            options,
            site,
            world,
            place,
            clock,
            operator,
            specs,
            settings,
            planning,
            vtn,
            ven,
        };
        week.sky(0, 0.0);
        if let Some((unit, error)) = week.operator.warm().await.into_iter().next() {
            return Err(io::Error::other(format!(
                "{}: {error}",
                week.specs[unit].name
            )));
        }
        Ok(week)
    }

    /// What faults and calls the script has, and a new plan.
    async fn begin_hour(&mut self, hour: usize, tell: &mut (dyn FnMut(WeekEvent) + Send)) {
        let now = self.clock.now();
        if self.options.faults {
            let actions: Vec<Action> = script::at(hour)
                .filter_map(|action| action.befalls(&self.place))
                .collect();
            for action in actions {
                self.happen(action, now).await;
                tell(WeekEvent::Happened {
                    at: now,
                    what: action.text(&self.specs, self.call_kw()),
                });
            }
        }
        self.sky(hour, 0.0);
        if let Some(plan) = self
            .planning
            .plan(&self.site, &self.world, hour, &self.place)
            .await
        {
            self.operator.controller.set_plan(plan);
        }
    }

    fn call_kw(&self) -> f64 {
        CALL_SHARE * self.site.grid.import_kw_max
    }

    async fn happen(&mut self, action: Action, now: Timestamp) {
        action.happen(&self.place);
        match action {
            Action::PlanLost(is_lost) => self.planning.is_lost = is_lost,
            Action::PricesLost(is_lost) => self.planning.set_feed(!is_lost),
            Action::Killed => {
                let commands = self.operator.controller.tick(now);
                self.operator.send(&commands[..commands.len() / 2]).await;
                self.operator.controller =
                    Controller::new(self.site.clone(), self.specs.clone(), self.settings);
            }
            Action::Call => {
                let id = format!("event-{}", self.summary.calls + 1);
                let limit_kw = (self.place.import_w() / 1000.0 - self.call_kw()).max(0.0);
                self.vtn.add_event(event(&id, now, limit_kw));
            }
            Action::Machine(..) | Action::MeterStuck(_) | Action::PlugDeaf(_) => {}
        }
        let is_fault = match action {
            Action::Machine(_, fault) => fault != super::Fault::None,
            Action::MeterStuck(is)
            | Action::PlugDeaf(is)
            | Action::PlanLost(is)
            | Action::PricesLost(is) => is,
            Action::Killed => true,
            Action::Call => false,
        };
        self.summary.faults += usize::from(is_fault);
    }

    /// Sun and load of the moment: the hour's mean, with clouds and people.
    fn sky(&mut self, hour: usize, seconds: f64) {
        let now = self
            .world
            .step(&self.site, &self.site.zone(), hour)
            .conditions;
        let most = 0.03 * seconds / 60.0;
        self.cloud = (self.cloud + self.random.random_range(-1.0..=1.0) * most).clamp(0.7, 1.2);
        let used = 0.8 + 0.2 * (self.clock.now().as_second() as f64 / 1800.0).sin();
        self.place.set_sky(Sky {
            pv_w: now.pv_kw * 1000.0 * self.cloud,
            wind_w: now.wind_kw * 1000.0,
            firm_w: now.firm_kw * 1000.0 * used,
            base_w: now.base_kw * 1000.0,
            pue: now.pue,
        });
    }

    /// Time passes, and everything is read and commanded.
    async fn step(&mut self, seconds: f64, tell: &mut (dyn FnMut(WeekEvent) + Send)) {
        let since = self.clock.now().as_second() - self.options.start.as_second();
        self.pass(seconds, (since / 3600).max(0) as usize);
        self.summary.commands += self.operator.round().await;
        self.listen(tell).await;
        for event in self.operator.controller.take_events() {
            tell(WeekEvent::Controller(event));
        }
    }

    fn pass(&mut self, seconds: f64, hour: usize) {
        self.sky(hour, seconds);
        self.place.advance(seconds);
        let (import_kw, sky) = (self.place.import_w() / 1000.0, self.place.sky());
        self.summary.import_kw_highest = self.summary.import_kw_highest.max(import_kw);
        if import_kw > self.site.grid.import_kw_max {
            self.summary.over_cap_seconds += seconds;
        }
        let hashrate_ths: f64 = self
            .place
            .machines
            .iter()
            .map(|machine| machine.hashrate_ths())
            .sum();
        self.summary.mined_th_h += hashrate_ths * seconds / 3600.0;
        let sums = &mut self.sums;
        sums.seconds += seconds;
        sums.import += import_kw * seconds;
        sums.firm += sky.firm_w / 1000.0 * seconds;
        sums.batch += self.place.workers_w() / 1000.0 * seconds;
        sums.miners += self.place.machines_w() / 1000.0 * seconds;
        sums.groups.resize(self.site.miners.len(), 0.0);
        for (group, sum) in sums.groups.iter_mut().enumerate() {
            *sum += self.place.group_w(group) / 1000.0 * seconds;
        }
        sums.pv += sky.pv_w / 1000.0 * seconds;
    }

    /// Hears what the grid asks for, begins and ends calls.
    async fn listen(&mut self, tell: &mut (dyn FnMut(WeekEvent) + Send)) {
        let now = self.clock.now();
        if let Ok(events) = self.ven.events("simulated", now).await {
            self.calls.hear(events);
        }
        if let Some(event) = self.calls.end(now)
            && let Some(evidence) = self.operator.controller.evidence(now)
        {
            self.summary.calls += 1;
            let is_met = evidence
                .delivered_ms
                .is_some_and(|at| at <= evidence.due_ms);
            self.summary.calls_met += usize::from(is_met);
            _ = self.ven.report(&event, &evidence).await;
            tell(WeekEvent::Delivered(Box::new(evidence)));
        }
        let import_kw = self.place.import_w() / 1000.0;
        if let Some(call) = self.calls.begin(now, import_kw, RESPOND_SECONDS) {
            self.meet(call).await;
        }
    }

    /// Meets a call, and lives the first seconds one by one.
    async fn meet(&mut self, call: Call) {
        self.summary.commands += self.operator.shed(call).await;
        for _ in 0..CLOSE_SECONDS {
            let since = self.clock.now().as_second() - self.options.start.as_second();
            self.pass(1.0, (since / 3600).max(0) as usize);
            self.summary.commands += self.operator.round().await;
        }
    }

    fn end_hour(&mut self, hour: usize, tell: &mut (dyn FnMut(WeekEvent) + Send)) {
        let sums = std::mem::take(&mut self.sums);
        let mean = |sum: f64| sum / sums.seconds.max(1.0);
        let kwh = |sum: f64| sum / 3600.0;
        self.summary.import_kwh += kwh(sums.import).max(0.0);
        self.summary.firm_kwh += kwh(sums.firm);
        self.summary.batch_kwh += kwh(sums.batch);
        let step = self.world.step(&self.site, &self.site.zone(), hour);
        tell(WeekEvent::Hour(HourPassed {
            at: step.start,
            import_usd_per_kwh: step.conditions.import_usd_per_kwh,
            import_kw: mean(sums.import),
            firm_kw: mean(sums.firm),
            batch_kw: mean(sums.batch),
            miners_kw: mean(sums.miners),
            groups_kw: sums.groups.iter().copied().map(mean).collect(),
            pv_kw: mean(sums.pv),
            battery_kwh: self.place.battery_kwh(),
        }));
    }
}

/// An event as the standard writes it: no more than a limit for half an hour, in five minutes.
fn event(id: &str, now: Timestamp, limit_kw: f64) -> serde_json::Value {
    let start = now.checked_add(SignedDuration::from_mins(5)).unwrap_or(now);
    json!({
        "id": id,
        "objectType": "EVENT",
        "programID": "simulated",
        "eventName": "limit",
        "priority": 1,
        "intervalPeriod": { "start": start.to_string(), "duration": "PT30M" },
        "payloadDescriptors": [{ "objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "IMPORT_CAPACITY_LIMIT", "units": "KW" }],
        "intervals": [{ "id": 0, "payloads": [{ "type": "IMPORT_CAPACITY_LIMIT", "values": [limit_kw] }] }],
    })
}
