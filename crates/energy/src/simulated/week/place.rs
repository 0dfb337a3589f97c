//! The simulated site: its devices behind their protocols, and what they really draw together.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::controller::UnitSpec;
use crate::drivers::{
    DriverError, Measures, Miners, Placed, PlugTopics, Plugs, SunSpec, Throttle, Worker,
};
use crate::simulated::{
    Battery, Broker, Image, Machine, Served, SimulatedClock, SimulatedPlug, axeos, braiins, sunspec,
};
use crate::site::{MinerGroup, Site};

/// How many pieces of a batch AI's work may run at once.
const SLOTS: u32 = 10;
/// The most machines that are simulated.
const MACHINES_MAX: usize = 2_000;
/// Machines with one number in the third place of their addresses.
const MACHINES_PER_NET: usize = 250;

/// Everything that stands there.
pub(super) struct Place {
    pub clock: Arc<SimulatedClock>,
    /// Group after group, without those behind plugs.
    pub machines: Vec<Arc<Machine>>,
    /// What each of the site's groups is.
    groups: Vec<Group>,
    pub broker: Arc<Broker>,
    /// One for each of the site's batch AI.
    pub workers: Vec<Arc<SimulatedWorker>>,
    pub battery: Option<Arc<Battery>>,
    sky: Mutex<Sky>,
    pub is_meter_stuck: AtomicBool,
    stuck_w: Mutex<f64>,
}

/// Where a group's machines are.
enum Group {
    /// Among the machines.
    Machines(Range<usize>),
    /// Behind a plug.
    Plug(usize),
}

/// What a group's machines speak.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    /// Braiins OS: any power of its curve.
    Braiins,
    /// AxeOS: on or off.
    AxeOs,
    /// Nothing: a plug switches it.
    Plug,
}

impl Speaks {
    /// Machines that can be tuned have Braiins OS, a single one that can't is behind a plug, and others have AxeOS.
    fn of(group: &MinerGroup) -> Self {
        let is_bitaxe = group
            .model
            .as_ref()
            .is_some_and(|model| model.starts_with("bitaxe"));
        if group.curve.power_w_min() < group.curve.power_w_max() {
            Self::Braiins
        } else if group.units == 1 && !is_bitaxe {
            Self::Plug
        } else {
            Self::AxeOs
        }
    }
}

/// What nobody commands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sky {
    pub pv_w: f64,
    pub wind_w: f64,
    pub firm_w: f64,
    /// What isn't cooled.
    pub base_w: f64,
    pub pue: f64,
}

impl Place {
    pub fn machines_w(&self) -> f64 {
        self.machines.iter().map(|m| m.power_w()).sum::<f64>() + self.broker.power_w()
    }

    pub fn workers_w(&self) -> f64 {
        self.workers.iter().map(|worker| worker.power_w()).sum()
    }

    /// What is in the battery, in kWh; nothing without one.
    pub fn battery_kwh(&self) -> f64 {
        self.battery
            .as_ref()
            .map_or(0.0, |battery| battery.energy_kwh())
    }

    /// What a group draws, in W.
    pub fn group_w(&self, group: usize) -> f64 {
        match self.groups.get(group) {
            Some(Group::Plug(plug)) => self.broker.plug_w(*plug),
            Some(Group::Machines(range)) => {
                let machines = self.machines.get(range.clone()).unwrap_or_default();
                machines.iter().map(|machine| machine.power_w()).sum()
            }
            None => 0.0,
        }
    }

    /// How many machines of a group run.
    pub fn units_on(&self, group: usize) -> u32 {
        match self.groups.get(group) {
            Some(Group::Plug(plug)) => u32::from(self.broker.plug_w(*plug) > 0.0),
            Some(Group::Machines(range)) => {
                let machines = self.machines.get(range.clone()).unwrap_or_default();
                machines
                    .iter()
                    .filter(|machine| !machine.is_paused())
                    .count() as u32
            }
            None => 0,
        }
    }

    pub fn sky(&self) -> Sky {
        *lock(&self.sky)
    }

    pub fn set_sky(&self, sky: Sky) {
        *lock(&self.sky) = sky;
    }

    /// What really is imported, in W.
    pub fn import_w(&self) -> f64 {
        let sky = self.sky();
        let it_w = sky.firm_w + self.machines_w() + self.workers_w();
        let battery_w = self
            .battery
            .as_ref()
            .map_or(0.0, |battery| battery.power_w());
        it_w * sky.pue + sky.base_w + battery_w - sky.pv_w - sky.wind_w
    }

    /// What the meter shows, in W.
    fn metered_w(&self) -> f64 {
        let mut stuck_w = lock(&self.stuck_w);
        if !self.is_meter_stuck.load(Ordering::Relaxed) {
            *stuck_w = self.import_w();
        }
        *stuck_w
    }

    /// Time passes for what keeps count.
    pub fn advance(&self, seconds: f64) {
        for worker in &self.workers {
            worker.advance(seconds);
        }
        if let Some(battery) = &self.battery {
            battery.advance(seconds / 3600.0);
        }
        self.clock.advance(seconds);
        self.broker.publish_all();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A worker that has always something to do, and finishes what it has begun: a piece in ten seconds.
#[derive(Debug)]
pub(super) struct SimulatedWorker {
    /// What a piece draws, in W.
    slot_w: f64,
    slots: AtomicU32,
    busy: AtomicU32,
    done_kwh: Mutex<f64>,
}

impl SimulatedWorker {
    fn new(power_w_max: f64) -> Self {
        Self {
            slot_w: power_w_max / f64::from(SLOTS),
            slots: AtomicU32::new(0),
            busy: AtomicU32::new(0),
            done_kwh: Mutex::default(),
        }
    }

    pub fn power_w(&self) -> f64 {
        f64::from(self.busy.load(Ordering::Relaxed)) * self.slot_w
    }

    /// What was done since this was asked last, in kWh.
    pub fn take_done_kwh(&self) -> f64 {
        std::mem::take(&mut lock(&self.done_kwh))
    }

    fn advance(&self, seconds: f64) {
        *lock(&self.done_kwh) += self.power_w() * seconds / 3_600_000.0;
        let (slots, busy) = (self.slots(), self.busy());
        let finished = (seconds / 10.0).ceil() as u32;
        let left = busy.saturating_sub(finished).max(busy.min(slots));
        self.busy.store(left.max(slots), Ordering::Relaxed);
    }
}

impl Throttle for SimulatedWorker {
    fn slots(&self) -> u32 {
        self.slots.load(Ordering::Relaxed)
    }
    fn set_slots(&self, slots: u32) {
        self.slots.store(slots, Ordering::Relaxed);
    }
    fn busy(&self) -> u32 {
        self.busy.load(Ordering::Relaxed)
    }
    fn measured_power_w(&self) -> Option<f64> {
        None
    }
}

/// The site, its devices for an operator, its meter, and what keeps the servers alive.
pub(super) struct Built {
    pub place: Arc<Place>,
    pub placed: Vec<Placed>,
    pub meter: SunSpec,
    pub served: Served,
}

/// Builds the devices in the network `127.<network>.0.0`: machines from `x.x.10.1` on, the rest below.
pub(super) async fn build(
    site: &Site,
    clock: Arc<SimulatedClock>,
    network: u8,
) -> io::Result<Built> {
    let count: usize = site.miners.iter().map(|group| group.units as usize).sum();
    if count > MACHINES_MAX {
        let why = format!("{count} machines are more than the {MACHINES_MAX} that are simulated");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let at = |kind: u8, number: u8| SocketAddr::from(([127, network, kind, number], 0));
    let mut making = Making {
        site,
        clock: clock.clone(),
        network,
        miners: Miners::new(&[]).map_err(io::Error::other)?,
        served: Served::default(),
        machines: Vec::new(),
        groups: Vec::new(),
        plugs: Vec::new(),
        placed: Vec::new(),
    };
    for group in 0..site.miners.len() {
        making.group(group).await?;
    }
    let broker = making.broker(at(9, 1)).await?;
    let workers = making.workers();
    let battery = making.battery(at(8, 1)).await?;
    let place = Arc::new(Place {
        clock,
        machines: making.machines,
        groups: making.groups,
        broker: Arc::new(broker),
        workers,
        battery,
        sky: Mutex::default(),
        is_meter_stuck: AtomicBool::new(false),
        stuck_w: Mutex::default(),
    });
    let for_meter = place.clone();
    let image = Image::Meter(Arc::new(move || for_meter.metered_w()));
    let (address, kept) = sunspec(at(8, 2), image).await?;
    making.served.join(kept);
    Ok(Built {
        place,
        placed: making.placed,
        meter: SunSpec::new(address, 1, Measures::Import),
        served: making.served,
    })
}

/// A place that is being built.
struct Making<'a> {
    site: &'a Site,
    clock: Arc<SimulatedClock>,
    network: u8,
    miners: Miners,
    served: Served,
    machines: Vec<Arc<Machine>>,
    groups: Vec<Group>,
    /// Groups behind plugs.
    plugs: Vec<usize>,
    placed: Vec<Placed>,
}

impl Making<'_> {
    async fn group(&mut self, group: usize) -> io::Result<()> {
        let kind = &self.site.miners[group];
        let speaks = Speaks::of(kind);
        if speaks == Speaks::Plug {
            self.groups.push(Group::Plug(self.plugs.len()));
            self.plugs.push(group);
            return Ok(());
        }
        let first = self.machines.len();
        for number in 0..kind.units as usize {
            let index = self.machines.len();
            let (net, host) = (10 + index / MACHINES_PER_NET, 1 + index % MACHINES_PER_NET);
            let at = IpAddr::V4(Ipv4Addr::new(127, self.network, net as u8, host as u8));
            let up_seconds = kind.ramp_up_minutes * 60.0;
            let machine = Machine::new(
                self.clock.clone(),
                kind.curve.clone(),
                kind.stop_seconds,
                up_seconds,
            );
            self.served.join(if speaks == Speaks::Braiins {
                braiins(at, machine.clone()).await?
            } else {
                axeos(at, machine.clone()).await?
            });
            self.placed.push(Placed {
                spec: UnitSpec::miner(self.site, group, number),
                driver: Arc::new(self.miners.at(at, kind.curve.power_w_min())),
            });
            self.machines.push(machine);
        }
        self.groups
            .push(Group::Machines(first..self.machines.len()));
        Ok(())
    }

    async fn broker(&mut self, address: SocketAddr) -> io::Result<Broker> {
        let name = |number: usize| format!("plugs/{}", number + 1);
        let behind = self
            .plugs
            .iter()
            .enumerate()
            .map(|(number, group)| SimulatedPlug {
                name: name(number),
                load_w: self.site.miners[*group].curve.power_w_max(),
                is_deaf: false,
            });
        let broker = Broker::serve(address, behind.collect()).await?;
        if self.plugs.is_empty() {
            return Ok(broker);
        }
        let address = broker.address();
        let plugs = Plugs::connect(&address.ip().to_string(), address.port(), "freehold", None);
        for (number, group) in self.plugs.iter().enumerate() {
            let topics = topics(&name(number)).map_err(io::Error::other)?;
            self.placed.push(Placed {
                spec: UnitSpec::miner(self.site, *group, 0),
                driver: Arc::new(plugs.plug(topics)),
            });
        }
        Ok(broker)
    }

    fn workers(&mut self) -> Vec<Arc<SimulatedWorker>> {
        let mut workers = Vec::new();
        for job in 0..self.site.ai.batch.len() {
            let most_w = self.site.ai.batch[job].power_kw_max * 1000.0;
            let worker = Arc::new(SimulatedWorker::new(most_w));
            self.placed.push(Placed {
                spec: UnitSpec::worker(self.site, job, worker.slot_w),
                driver: Arc::new(Worker::new(worker.clone(), 0.0, worker.slot_w, SLOTS)),
            });
            workers.push(worker);
        }
        workers
    }

    async fn battery(&mut self, address: SocketAddr) -> io::Result<Option<Arc<Battery>>> {
        let Some(kind) = &self.site.battery else {
            return Ok(None);
        };
        let battery = Battery::new(
            kind.charge_kw_max * 1000.0,
            kind.energy_kwh_min,
            kind.energy_kwh,
        );
        let (address, kept) = sunspec(address, Image::Battery(battery.clone())).await?;
        self.served.join(kept);
        self.placed.push(Placed {
            spec: UnitSpec::battery(kind),
            driver: Arc::new(SunSpec::new(address, 1, Measures::Battery)),
        });
        Ok(Some(battery))
    }
}

/// A plug's topics, as it announces them to Home Assistant.
fn topics(name: &str) -> Result<PlugTopics, DriverError> {
    let switch = format!(r#"{{"command_topic":"{name}/set","state_topic":"{name}/state"}}"#);
    let sensor = format!(
        r#"{{"state_topic":"{name}/power","device_class":"power","unit_of_measurement":"W"}}"#
    );
    PlugTopics::from_discovery(&switch, &sensor)
}
