//! A site that is really steered: reads its devices, plans, commands, and meets the grid's calls.
//!
//! One round a second reads everything and gives commands. Whatever may take long is done beside it: the solver has a
//! thread of its own, and servers beyond the site (prices, the grid) are asked in the background. When they are silent, the
//! last word holds. When this is dropped, the devices go on as they were told last.
//!
//! What has no address in the site's file is left out of the plan: it counts as load that nobody commands.

mod beyond;
mod calls;
mod devices;
mod outlook;
mod prices;
mod view;

pub use calls::Calls;
pub use devices::LiveError;
pub use outlook::{Measured, Outlook};
pub use view::{LiveView, UnitView};

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::backtest::{Hashprice, Inputs, World};
use crate::controller::{Event, Role, Settings, UnitSpec};
use crate::drivers::{Bounds, Clock, GridEvent, Operator, Throttle, Ven};
use crate::evidence::Evidence;
use crate::market::{HOUR_S, Series};
use crate::plan::Plan;
use crate::site::Site;
use beyond::Asked;
use prices::Published;

/// How often everything is read and commanded.
const ROUND: Duration = Duration::from_secs(1);
/// How much of the past forecasts are made from, and how far the made-up world reaches, in days.
const PAST_DAYS: i64 = 14;
const DAYS: usize = 17;

/// What a kWh brings, as far as somebody knows better than the site's file.
pub trait Income: Send + Sync {
    /// What a TH/s brings in a day, in dollars.
    fn hashprice_usd_per_th_day(&self) -> Option<f64>;

    /// What a kWh of a batch AI brings, in dollars.
    fn ai_usd_per_kwh(&self, job: &str) -> Option<f64>;
}

/// What a site is steered with.
pub struct With {
    /// What does the work of batch AI, by its name, and how many pieces of work it can do at once.
    pub workers: BTreeMap<String, (Arc<dyn Throttle>, u32)>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What a kWh brings.
    pub income: Arc<dyn Income>,
    /// Where paths in the site's file begin.
    pub folder: PathBuf,
    /// How patient the controller is.
    pub settings: Settings,
    /// How patient the drivers are.
    pub bounds: Bounds,
    /// How often prices are asked for.
    pub prices_pause: Duration,
    /// How often the grid is asked what it wants.
    pub grid_pause: Duration,
}

impl With {
    /// With nothing but a clock, and everything as it usually is.
    pub fn clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            workers: BTreeMap::new(),
            clock,
            income: Arc::new(ByTheFile),
            folder: PathBuf::new(),
            settings: Settings::default(),
            bounds: Bounds::default(),
            prices_pause: Duration::from_secs(900),
            grid_pause: Duration::from_secs(10),
        }
    }
}

/// Nobody knows better than the site's file.
struct ByTheFile;

impl Income for ByTheFile {
    fn hashprice_usd_per_th_day(&self) -> Option<f64> {
        None
    }

    fn ai_usd_per_kwh(&self, _: &str) -> Option<f64> {
        None
    }
}

/// Something worth a line.
#[derive(Debug, Clone, PartialEq)]
pub enum LiveEvent {
    /// The controller did something.
    Controller(Event),
    /// A plan was made.
    Planned(Arc<Plan>),
    /// What was delivered for a call.
    Delivered(Box<Evidence>),
    /// Something else.
    Said {
        /// When.
        at: Timestamp,
        /// What.
        what: String,
    },
}

/// Whoever wants to hear of it.
pub type Tell<'a> = &'a mut (dyn FnMut(LiveEvent) + Send);

/// See the [module](self).
pub struct Live {
    site: Arc<Site>,
    specs: Vec<UnitSpec>,
    operator: Operator,
    clock: Arc<dyn Clock>,
    income: Arc<dyn Income>,
    outlook: Outlook,
    published: Published,
    feed: Option<Asked<Series>>,
    grid: Option<Grid>,
    calls: Calls,
    planning: Option<JoinHandle<Plan>>,
    plan: Option<Arc<Plan>>,
    /// The hour that was planned for last; none when there is news to plan with.
    planned_for: Option<Timestamp>,
    /// What batch AI has done since the last plan, in kWh, and when that was counted.
    done_kwh: Vec<f64>,
    counted: Timestamp,
    troubles: [Option<String>; 2],
    view: watch::Sender<Option<LiveView>>,
}

/// The grid's server.
struct Grid {
    ven: Arc<Ven>,
    asked: Asked<Vec<GridEvent>>,
    respond_seconds: f64,
}

impl Live {
    /// Finds the site's devices, and begins to ask the servers beyond it. No device is spoken to yet. What has no address is
    /// left alone; its names come with it.
    ///
    /// # Errors
    /// When the site has no meter, its prices aren't known to anybody, or a secret can't be read.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn new(site: Site, with: With) -> Result<(Self, Vec<String>), LiveError> {
        let (site, left_out) = steered(site, &with);
        let found = devices::devices(&site, &with.folder, &with.workers)?;
        let grid = site
            .grid_calls
            .as_ref()
            .map(|calls| -> Result<_, LiveError> {
                let ven = Arc::new(devices::ven(calls, &with.folder)?);
                let (program, clock) = (calls.program_id.clone(), with.clock.clone());
                Ok(Grid {
                    asked: beyond::events(ven.clone(), program, clock, with.grid_pause),
                    ven,
                    respond_seconds: calls.respond_seconds,
                })
            });
        let feed = site.price_feed.as_ref().map(|feed| {
            let shape = devices::shape(feed);
            beyond::prices(
                feed.url.clone(),
                shape,
                feed.usd_per_unit,
                with.prices_pause,
            )
        });
        let (site, now) = (Arc::new(site), with.clock.now());
        let live = Self {
            specs: found
                .placed
                .iter()
                .map(|placed| placed.spec.clone())
                .collect(),
            operator: Operator::new(
                site.clone(),
                found.placed,
                found.meter,
                with.clock.clone(),
                with.settings,
                with.bounds,
            ),
            outlook: Outlook::new(&site, now),
            done_kwh: vec![0.0; site.ai.batch.len()],
            clock: with.clock,
            income: with.income,
            published: Published::default(),
            grid: grid.transpose()?,
            feed,
            calls: Calls::default(),
            planning: None,
            plan: None,
            planned_for: None,
            counted: now,
            troubles: [None, None],
            view: watch::Sender::new(None),
            site,
        };
        Ok((live, left_out))
    }

    /// What can be seen of it, as it changes; nothing before the first round.
    pub fn view(&self) -> watch::Receiver<Option<LiveView>> {
        self.view.subscribe()
    }

    /// Steers until it is dropped.
    pub async fn run(&mut self, tell: Tell<'_>) -> Infallible {
        self.warm(tell).await;
        let mut tick = tokio::time::interval(ROUND);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            self.round(tell).await;
        }
    }

    /// Connects to all devices, so that the first command is quick. Those that can't be reached are tried in each round.
    pub async fn warm(&mut self, tell: Tell<'_>) {
        let at = self.clock.now();
        for (unit, error) in self.operator.warm().await {
            let what = format!("{}: {error}", self.specs[unit].name);
            tell(LiveEvent::Said { at, what });
        }
    }

    /// Reads, decides, commands: once.
    pub async fn round(&mut self, tell: Tell<'_>) {
        self.listen(tell);
        self.operator.round().await;
        let now = self.clock.now();
        self.count(now);
        self.meet_calls(now, tell).await;
        self.follow_plan(now, tell).await;
        for event in self.operator.controller.take_events() {
            tell(LiveEvent::Controller(event));
        }
        self.view.send_replace(Some(self.seen(now)));
    }

    /// Hears what came from beyond the site.
    fn listen(&mut self, tell: Tell<'_>) {
        let mut troubles = [None, None];
        if let Some(feed) = &mut self.feed {
            if feed.word.has_changed().unwrap_or(false)
                && let Some(series) = &feed.word.borrow_and_update().said
            {
                self.published.take(series);
                self.planned_for = None;
            }
            troubles[0] = trouble("prices", &feed.word.borrow().trouble);
        }
        if let Some(grid) = &mut self.grid {
            if grid.asked.word.has_changed().unwrap_or(false)
                && let Some(events) = &grid.asked.word.borrow_and_update().said
            {
                self.calls.hear(events.clone());
            }
            troubles[1] = trouble("the grid's server", &grid.asked.word.borrow().trouble);
        }
        let at = self.clock.now();
        for (new, old) in troubles.iter().zip(&self.troubles) {
            match (new, old) {
                (Some(what), old) if Some(what) != old.as_ref() => tell(LiveEvent::Said {
                    at,
                    what: format!("{what}; what was known goes on"),
                }),
                (None, Some(what)) => tell(LiveEvent::Said {
                    at,
                    what: format!("over: {what}"),
                }),
                _ => {}
            }
        }
        self.troubles = troubles;
    }

    /// Counts what batch AI has done.
    fn count(&mut self, now: Timestamp) {
        let hours =
            (now.as_millisecond() - self.counted.as_millisecond()).max(0) as f64 / 3_600_000.0;
        self.counted = now;
        for (spec, (_, _, draws_w)) in self.specs.iter().zip(self.operator.controller.units()) {
            if let Role::Batch { job } = spec.role {
                self.done_kwh[job] += draws_w.max(0.0) / 1000.0 * hours;
            }
        }
    }

    /// Begins and ends calls of the grid.
    async fn meet_calls(&mut self, now: Timestamp, tell: Tell<'_>) {
        let Some(grid) = &self.grid else { return };
        if let Some(event) = self.calls.end(now) {
            self.operator.controller.release(now);
            if let Some(evidence) = self.operator.controller.evidence(now) {
                let (ven, told) = (grid.ven.clone(), evidence.clone());
                tokio::spawn(async move {
                    if let Err(error) = ven.report(&event, &told).await {
                        tracing::warn!(event = event.id, %error, "the grid wasn't told what was delivered");
                    }
                });
                tell(LiveEvent::Delivered(Box::new(evidence)));
            }
        }
        let Some(import_kw) = self.import_kw() else {
            return;
        };
        if let Some(call) = self.calls.begin(now, import_kw, grid.respond_seconds) {
            self.operator.shed(call).await;
        }
    }

    fn import_kw(&self) -> Option<f64> {
        self.operator
            .controller
            .samples()
            .last()
            .map(|sample| sample.import_kw)
    }

    /// Takes the plan that is ready, and begins the next when it is time.
    async fn follow_plan(&mut self, now: Timestamp, tell: Tell<'_>) {
        if let Some(planning) = self.planning.take_if(|planning| planning.is_finished()) {
            match planning.await {
                Ok(plan) => {
                    self.operator.controller.set_plan(plan.clone());
                    let plan = Arc::new(plan);
                    self.plan = Some(plan.clone());
                    tell(LiveEvent::Planned(plan));
                }
                Err(error) => tell(LiveEvent::Said {
                    at: now,
                    what: format!("no plan could be made ({error}): the last one holds"),
                }),
            }
        }
        let hour = hour_of(now);
        let is_known = !self.site.tariff.is_hourly() || self.published.covers(now);
        if self.planning.is_none() && self.planned_for != Some(hour) && is_known {
            self.planned_for = Some(hour);
            if let Err(error) = self.begin_plan(hour) {
                tell(LiveEvent::Said {
                    at: now,
                    what: format!("no plan could be made ({error}): the last one holds"),
                });
            }
        }
    }

    fn begin_plan(&mut self, hour: Timestamp) -> crate::Result<()> {
        let measured = self.measured();
        self.outlook.follow(&self.site, hour, &measured);
        let start =
            Timestamp::from_second(hour.as_second() - PAST_DAYS * 24 * HOUR_S).unwrap_or(hour);
        let hashprice = self.income.hashprice_usd_per_th_day();
        let inputs = Inputs {
            start: Some(start),
            days: Some(DAYS),
            hashprice: hashprice.map_or_else(Hashprice::default, Hashprice::Constant),
            ..Inputs::default()
        };
        let world = World::new(&self.site, &inputs)?;
        let prices = self.published.since(start);
        let hours = (hour.as_second() - start.as_second()) / HOUR_S;
        let site = Arc::new(self.valued());
        self.planning = Some(self.outlook.plan(&site, &world, hours as usize, &prices));
        Ok(())
    }

    /// The site with what its AI is known to bring.
    fn valued(&self) -> Site {
        let mut site = (*self.site).clone();
        for batch in &mut site.ai.batch {
            let known = self.income.ai_usd_per_kwh(&batch.name);
            batch.revenue_usd_per_kwh = known.unwrap_or(batch.revenue_usd_per_kwh);
        }
        site
    }

    fn measured(&mut self) -> Measured {
        let mut units_on = vec![0; self.site.miners.len()];
        for (spec, (_, _, draws_w)) in self.specs.iter().zip(self.operator.controller.units()) {
            if let Role::Miner { group } = spec.role {
                units_on[group] += u32::from(draws_w > 0.5 * spec.power_w_min);
            }
        }
        let holds_kwh = self.site.battery.as_ref().map(|battery| battery.energy_kwh);
        let none = vec![0.0; self.done_kwh.len()];
        Measured {
            units_on,
            done_kwh: std::mem::replace(&mut self.done_kwh, none),
            battery_kwh: holds_kwh
                .zip(self.operator.stored_share)
                .map(|(kwh, share)| kwh * share),
        }
    }

    fn seen(&self, now: Timestamp) -> LiveView {
        let units = self.specs.iter().zip(self.operator.controller.units());
        LiveView {
            site: self.site.clone(),
            at: now,
            mode: self.operator.controller.mode(),
            import_kw: self.import_kw(),
            units: units
                .map(|(spec, (health, told_w, draws_w))| UnitView {
                    name: spec.name.clone(),
                    health,
                    told_w,
                    draws_w,
                })
                .collect(),
            plan: self.plan.clone(),
            call: self.calls.under_way().cloned(),
            troubles: self.troubles.iter().flatten().cloned().collect(),
        }
    }
}

/// The site without what can't be steered, and the names of that.
fn steered(mut site: Site, with: &With) -> (Site, Vec<String>) {
    let mut left_out = Vec::new();
    let mut keep = |is_steered: bool, name: &str| {
        if !is_steered {
            left_out.push(name.to_owned());
        }
        is_steered
    };
    site.miners.retain(|group| {
        keep(
            !group.addresses.is_empty() || group.plug.is_some(),
            &group.name,
        )
    });
    site.ai
        .batch
        .retain(|batch| keep(with.workers.contains_key(&batch.name), &batch.name));
    site.battery = site
        .battery
        .filter(|battery| keep(battery.modbus.is_some(), "battery"));
    (site, left_out)
}

fn trouble(of: &str, why: &Option<String>) -> Option<String> {
    why.as_ref().map(|why| format!("{of}: {why}"))
}

fn hour_of(moment: Timestamp) -> Timestamp {
    let hour = moment.as_second().div_euclid(HOUR_S);
    Timestamp::from_second(hour * HOUR_S).unwrap_or(moment)
}
