//! Connects a fleet with the controller: reads, decides, commands.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;

use super::{Bounds, Driver, DriverError, Fleet, Reading};
use crate::controller::{Call, Command, Controller, Settings, UnitSpec};
use crate::site::Site;

/// What time it is. The simulated week has a clock of its own.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// A device in its place: what it is to the controller, and how it is spoken to.
pub struct Placed {
    /// What it is.
    pub spec: UnitSpec,
    /// How it is spoken to.
    pub driver: Arc<dyn Driver>,
}

/// See the [module](self).
pub struct Operator {
    /// What decides.
    pub controller: Controller,
    /// What the battery said last that it holds, as a share of all that it can.
    pub stored_share: Option<f64>,
    fleet: Fleet,
    meter: Arc<dyn Driver>,
    clock: Arc<dyn Clock>,
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Delivery {
    /// What the meter showed before, in kW.
    pub before_kw: f64,
    /// What it showed last, in kW.
    pub import_kw: f64,
    /// From the call until the meter showed that it was met.
    pub metered: Option<Duration>,
    /// From the call until the last machine that was commanded at first, and answered, was seen at less power.
    pub confirmed: Option<Duration>,
    /// Machines that were commanded, those that took another's part included.
    pub commanded: usize,
    /// Machines that were seen at less power.
    pub lowered: usize,
    /// Commands that were refused, or not answered in time.
    pub failed: usize,
}

/// After so long a machine that was seen at its old power is read again.
const READ_AGAIN: Duration = Duration::from_millis(200);

/// Machines that still weren't seen at less power so long after the meter has shown it are left to the rounds.
const AFTERWARDS: Duration = Duration::from_secs(2);

enum Done {
    Lowered(Command, Reading),
    NotYet(Command, Reading),
    Failed(Command, DriverError),
}

/// What a machine drew at first, and what it was told and hasn't been seen to do yet, in W.
struct Told {
    old_w: f64,
    to_w: Option<f64>,
}

type Flight<'a> = FuturesUnordered<Pin<Box<dyn Future<Output = Done> + Send + 'a>>>;

impl Operator {
    /// An operator for a site's devices.
    pub fn new(
        site: Arc<Site>,
        placed: Vec<Placed>,
        meter: Arc<dyn Driver>,
        clock: Arc<dyn Clock>,
        settings: Settings,
        bounds: Bounds,
    ) -> Self {
        let (specs, drivers) = placed.into_iter().map(|p| (p.spec, p.driver)).unzip();
        Self {
            controller: Controller::new(site, specs, settings),
            stored_share: None,
            fleet: Fleet::new(drivers, bounds),
            meter,
            clock,
        }
    }

    /// Connects to all devices. Gives those that couldn't be; they are tried again with each reading.
    pub async fn warm(&self) -> Vec<(usize, DriverError)> {
        let (failed, _) = tokio::join!(self.fleet.warm(), self.meter.warm());
        failed
    }

    /// Reads everything, decides, and gives the commands. Gives how many there were. To be called once a second or so.
    pub async fn round(&mut self) -> usize {
        let (readings, meter) = tokio::join!(self.fleet.read(), self.meter.read());
        let now = self.clock.now();
        for (unit, reading) in readings {
            if let Ok(reading) = reading {
                self.controller.see(now, unit, reading.power_w);
                self.stored_share = reading.stored_share.or(self.stored_share);
            }
        }
        if let Ok(reading) = meter {
            self.controller.see_meter(now, reading.power_w / 1000.0);
        }
        let commands = self.controller.tick(now);
        self.send(&commands).await;
        commands.len()
    }

    /// The fast path: gives the commands that meet a call. Gives how many there were; the rounds that follow take others
    /// for those that don't do it.
    pub async fn shed(&mut self, call: Call) -> usize {
        let commands = self.controller.shed(self.clock.now(), call);
        self.send(&commands).await;
        commands.len()
    }

    /// Gives commands, and tells the controller of those that failed.
    pub async fn send(&mut self, commands: &[Command]) {
        for (unit, done) in self.fleet.command(commands).await {
            if let Err(error) = done {
                tracing::debug!(unit, %error, "a command failed");
                self.controller.failed(unit);
            }
        }
    }

    /// Meets a call as fast as the machines can: commands all at once, reads each back, watches the meter, and takes others
    /// for those that don't follow. Ends when the meter shows it, or after `patience`.
    pub async fn deliver(&mut self, call: Call, poll: Duration, patience: Duration) -> Delivery {
        let Self {
            controller,
            fleet,
            meter,
            clock,
            ..
        } = self;
        let mut delivery = Delivery::default();
        if let Ok(reading) = meter.read().await {
            controller.see_meter(clock.now(), reading.power_w / 1000.0);
            delivery.before_kw = reading.power_w / 1000.0;
        }
        let began = Instant::now();
        let limit_kw = delivery.before_kw - call.power_kw;
        let mut flight: Flight<'_> = FuturesUnordered::new();
        let told = controller
            .units()
            .map(|(_, _, old_w)| Told { old_w, to_w: None });
        let mut told: Vec<Told> = told.collect();
        send(
            fleet,
            &mut flight,
            &controller.shed(clock.now(), call),
            &mut told,
            &mut delivery,
        );
        let mut meter_at = tokio::time::interval(poll);
        while began.elapsed() < patience {
            tokio::select! {
                Some(done) = flight.next() => {
                    note(fleet, &mut flight, controller, clock.now(), done, &mut told, &mut delivery);
                    if flight.is_empty() {
                        delivery.confirmed.get_or_insert(began.elapsed());
                    }
                }
                _ = meter_at.tick() => {
                    if let Ok(reading) = meter.read().await {
                        delivery.import_kw = reading.power_w / 1000.0;
                        controller.see_meter(clock.now(), delivery.import_kw);
                        if delivery.import_kw <= limit_kw {
                            delivery.metered.get_or_insert(began.elapsed());
                        }
                    }
                    let more = controller.tick(clock.now());
                    send(fleet, &mut flight, &more, &mut told, &mut delivery);
                    let is_over = |at: Duration| flight.is_empty() || began.elapsed() > at + AFTERWARDS;
                    if delivery.metered.is_some_and(is_over) {
                        break;
                    }
                }
            }
        }
        delivery
    }
}

fn send<'a>(
    fleet: &'a Fleet,
    flight: &mut Flight<'a>,
    commands: &[Command],
    told: &mut [Told],
    delivery: &mut Delivery,
) {
    for command in commands {
        let told = &mut told[command.unit];
        // One that was told the same already, and isn't through yet, needn't be told again.
        if told.to_w.replace(command.power_w) == Some(command.power_w) {
            continue;
        }
        delivery.commanded += 1;
        flight.push(Box::pin(tell(fleet, *command, told.old_w)));
    }
}

fn note<'a>(
    fleet: &'a Fleet,
    flight: &mut Flight<'a>,
    controller: &mut Controller,
    now: Timestamp,
    done: Done,
    told: &mut [Told],
    delivery: &mut Delivery,
) {
    match done {
        Done::Lowered(command, reading) => {
            controller.see(now, command.unit, reading.power_w);
            delivery.lowered += 1;
            told[command.unit].to_w = None;
        }
        Done::NotYet(command, reading) => {
            controller.see(now, command.unit, reading.power_w);
            flight.push(Box::pin(look_again(
                fleet,
                command,
                told[command.unit].old_w,
            )));
        }
        Done::Failed(command, error) => {
            tracing::debug!(unit = command.unit, %error, "a command failed");
            controller.failed(command.unit);
            delivery.failed += 1;
            told[command.unit].to_w = None;
        }
    }
}

async fn tell(fleet: &Fleet, command: Command, old_w: f64) -> Done {
    match fleet.command_one(command).await {
        Ok(()) => look(fleet, command, old_w).await,
        Err(error) => Done::Failed(command, error),
    }
}

async fn look_again(fleet: &Fleet, command: Command, old_w: f64) -> Done {
    tokio::time::sleep(READ_AGAIN).await;
    look(fleet, command, old_w).await
}

/// A machine counts as lower when it has come half of the way.
async fn look(fleet: &Fleet, command: Command, old_w: f64) -> Done {
    match fleet.read_one(command.unit).await {
        Ok(reading) if reading.power_w <= f64::midpoint(old_w, command.power_w) => {
            Done::Lowered(command, reading)
        }
        Ok(reading) => Done::NotYet(command, reading),
        Err(error) => Done::Failed(command, error),
    }
}
