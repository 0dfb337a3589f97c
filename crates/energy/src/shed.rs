//! What to drop first, worked out ahead, so that no solver stands between an alarm and a switch.
//!
//! A controller makes a [`ShedOrder`] after each change of plan and keeps it. When power must go within seconds (a
//! reserve is called, a transformer overheats, the line's cap is near), [`ShedOrder::take`] says at once what goes.
//! Firm AI isn't in it. Relays that watch the frequency are hardware, and not replaced by this.

use crate::plant::{Running, Worth};
use crate::site::{BatchAi, Battery, Site};

/// How long stopping to charge a battery takes, in seconds.
const INVERTER_SECONDS: f64 = 1.0;
/// How long AI work takes to save its state and stop, in seconds.
const BATCH_SECONDS: f64 = 30.0;

/// Something that can be dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Charging the battery.
    Charging,
    /// Nothing is dropped: the battery gives more.
    Discharging,
    /// A stretch of a miner group's power: its machines go to the power where the stretch begins. 0 is off.
    Miners {
        /// Which group of the site.
        group: usize,
        /// Which stretch: 0 is up to the least power, 1 the first segment above it, and so on.
        stretch: usize,
    },
    /// Batch AI.
    Batch {
        /// Which of the site's.
        job: usize,
    },
}

/// One thing to drop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shed {
    /// What.
    pub load: Load,
    /// How much there is, in kW at the site's meter, cooling included.
    pub power_kw: f64,
    /// What is lost by each kWh at the meter that isn't drawn, in dollars, before what it saves.
    pub value_usd_per_kwh: f64,
    /// How long it takes to go, in seconds.
    pub seconds: f64,
}

/// What an order is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Now<'a> {
    /// What a TH/s brings for a day, in dollars.
    pub hashprice_usd_per_th_day: f64,
    /// Total over IT power.
    pub pue: f64,
    /// How much more the battery could give, in kW.
    pub discharge_kw_more: f64,
    /// What things are worth by the plan, if there is one.
    pub worth: Option<&'a Worth>,
}

/// What runs and may be dropped, by what is lost with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShedOrder {
    sheds: Vec<Shed>,
}

impl ShedOrder {
    /// The order for what runs now.
    pub fn new(site: &Site, running: &Running, now: &Now<'_>) -> Self {
        let mut sheds = Vec::new();
        battery(site, running, now, &mut sheds);
        for group in 0..site.miners.len() {
            miners(site, running, group, now, &mut sheds);
        }
        for (job, (batch, power_kw)) in site.ai.batch.iter().zip(&running.batch_kw).enumerate() {
            if *power_kw > 0.0 {
                sheds.push(Shed {
                    load: Load::Batch { job },
                    power_kw: power_kw * now.pue,
                    value_usd_per_kwh: work_usd_per_kwh(batch, job, now),
                    seconds: BATCH_SECONDS,
                });
            }
        }
        // Without a plan that knows whether there will be time for it, promised work goes last, whatever hashprice is.
        let is_promise =
            |shed: &Shed| now.worth.is_none() && matches!(shed.load, Load::Batch { .. });
        sheds.sort_by(|a, b| {
            is_promise(a)
                .cmp(&is_promise(b))
                .then(a.value_usd_per_kwh.total_cmp(&b.value_usd_per_kwh))
        });
        Self { sheds }
    }

    /// All that may be dropped, what is cheapest to lose first.
    pub fn all(&self) -> &[Shed] {
        &self.sheds
    }

    /// What to drop for so many kW within so many seconds. It may be less than was asked, when there is no more.
    pub fn take(&self, power_kw: f64, within_seconds: f64) -> Vec<Shed> {
        let mut missing_kw = power_kw;
        let mut taken = Vec::new();
        for shed in self
            .sheds
            .iter()
            .filter(|shed| shed.seconds <= within_seconds)
        {
            if missing_kw <= 0.0 {
                break;
            }
            taken.push(Shed {
                power_kw: shed.power_kw.min(missing_kw),
                ..*shed
            });
            missing_kw -= shed.power_kw;
        }
        taken
    }

    /// How much can go within so many seconds, in kW.
    pub fn power_kw_within(&self, within_seconds: f64) -> f64 {
        self.sheds
            .iter()
            .filter(|shed| shed.seconds <= within_seconds)
            .map(|shed| shed.power_kw)
            .sum()
    }
}

/// What doing a kWh of work now rather than later is worth at the meter, in dollars.
pub(crate) fn work_usd_per_kwh(batch: &BatchAi, job: usize, now: &Now<'_>) -> f64 {
    let later = now.worth.and_then(|worth| worth.later_usd_per_kwh.get(job));
    let done = batch.revenue_usd_per_kwh + batch.penalty_usd_per_kwh;
    (done - later.unwrap_or(&0.0)) / now.pue
}

/// What charging a kWh is worth, and what discharging one costs, in dollars at the battery's terminals.
pub(crate) fn battery_usd_per_kwh(battery: &Battery, worth: &Worth) -> (f64, f64) {
    let stored = worth.stored_usd_per_kwh;
    let discharging = stored / battery.one_way() + battery.wear_usd_per_kwh;
    (stored * battery.one_way(), discharging)
}

/// Charging stops; and where a plan says what it costs, the battery gives more.
fn battery(site: &Site, running: &Running, now: &Now<'_>, sheds: &mut Vec<Shed>) {
    let Some(battery) = &site.battery else { return };
    let worth = now.worth.map(|worth| battery_usd_per_kwh(battery, worth));
    let mut push = |load: Load, power_kw: f64, value_usd_per_kwh: f64| {
        if power_kw > 0.0 {
            sheds.push(Shed {
                load,
                power_kw,
                value_usd_per_kwh,
                seconds: INVERTER_SECONDS,
            });
        }
    };
    push(
        Load::Charging,
        running.charge_kw,
        worth.map_or(0.0, |(charging, _)| charging),
    );
    if let Some((_, discharging)) = worth {
        push(Load::Discharging, now.discharge_kw_more, discharging);
    }
}

/// The stretches of a group from its power down to nothing. A stretch is never dearer than one above it, or the order
/// would switch machines off before it slows them down.
fn miners(site: &Site, running: &Running, index: usize, now: &Now<'_>, sheds: &mut Vec<Shed>) {
    let (group, run) = (&site.miners[index], &running.groups[index]);
    if run.units == 0 {
        return;
    }
    let usd_per_th_h = group.usd_per_th_h(now.hashprice_usd_per_th_day);
    let units = f64::from(run.units);
    let mut push = |stretch: usize, power_w: f64, ths_per_w: f64| {
        sheds.push(Shed {
            load: Load::Miners {
                group: index,
                stretch,
            },
            power_kw: units * power_w / 1000.0 * now.pue,
            value_usd_per_kwh: ths_per_w * 1000.0 * usd_per_th_h / now.pue,
            seconds: group.stop_seconds,
        });
    };
    let least_w = group.curve.power_w_min();
    let mut above_w = (run.power_kw * 1000.0 / units - least_w).max(0.0);
    let mut steepest = group.curve.hashrate_ths(least_w) / least_w;
    push(0, least_w, steepest);
    for (i, segment) in group.curve.segments().iter().enumerate() {
        let length_w = segment.power_w.min(above_w);
        steepest = steepest.min(segment.ths_per_w);
        if length_w > 1e-6 {
            push(i + 1, length_w, steepest);
        }
        above_w -= length_w;
    }
}
