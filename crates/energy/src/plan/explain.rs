//! Why a plan is as it is: one line for each decision, with the price or the limit that made it.

use jiff::Timestamp;

use super::{Plan, PlannedStep, Source};
use crate::plant::{GroupOrder, Running};
use crate::site::{MinerGroup, Site};

/// Less than this is nothing, in kW.
const EPS_KW: f64 = 0.05;
/// Prices nearer than this are the same, in dollars a kWh.
const EPS_USD: f64 = 5e-4;

impl Plan {
    /// Why the step is as it is: a line for each group, each batch AI, the battery, and what binds the site. Nothing for a
    /// step that the plan doesn't have.
    pub fn why(&self, site: &Site, index: usize) -> Vec<String> {
        let Some(now) = self.steps.get(index) else {
            return Vec::new();
        };
        let mut lines = Vec::new();
        match self.source {
            Source::Mixed | Source::Rounded => {}
            Source::Last => lines
                .push("this is the rest of the last plan, for the solver gave no answer".into()),
            Source::Rules => {
                lines.push("this is a plan by simple rules, for the solver gave no answer".into())
            }
        }
        lines.extend(firm(now));
        lines.extend(
            site.miners
                .iter()
                .zip(&now.running.groups)
                .map(|(group, run)| miners(site, now, group, *run)),
        );
        for (job, batch) in site.ai.batch.iter().enumerate() {
            lines.push(format!("{}: {}", batch.name, self.work(site, index, job)));
        }
        if site.battery.is_some() {
            lines.push(format!("battery: {}", self.battery(site, index)));
        }
        lines
    }

    fn work(&self, site: &Site, index: usize, job: usize) -> String {
        let now = &self.steps[index];
        let running_kw = now.running.batch_kw[job];
        let cost = worth(now) * now.step.conditions.pue;
        let revenue = site.ai.batch[job].revenue_usd_per_kwh;
        if running_kw > EPS_KW {
            let reason = binding(site, now);
            return format!(
                "{}, since a kWh brings ${revenue:.2} and costs ${cost:.3} ({reason})",
                kw(running_kw)
            );
        }
        if cost > revenue {
            return format!("waits, since a kWh would cost ${cost:.3} and bring ${revenue:.2}");
        }
        let next = self.steps[index + 1..]
            .iter()
            .find(|later| later.running.batch_kw[job] > EPS_KW);
        next.map_or("has nothing left to do".into(), |later| {
            let (at, then) = (
                clock(site, later.step.start),
                worth(later) * later.step.conditions.pue,
            );
            format!("waits until {at}, when a kWh costs ${then:.3} instead of ${cost:.3}")
        })
    }

    fn battery(&self, site: &Site, index: usize) -> String {
        let now = &self.steps[index];
        let price = worth(now);
        let (charge_kw, discharge_kw) = (now.running.charge_kw, now.running.discharge_kw);
        if charge_kw > EPS_KW {
            let next = self.steps[index + 1..]
                .iter()
                .find(|later| later.running.discharge_kw > EPS_KW);
            let then = next.map_or("a time after this plan".into(), |later| {
                format!(
                    "{}, when a kWh is worth ${:.3}",
                    clock(site, later.step.start),
                    worth(later)
                )
            });
            return format!(
                "takes {} at ${price:.3} for {then} ({})",
                kw(charge_kw),
                binding(site, now)
            );
        }
        if discharge_kw > EPS_KW {
            return format!(
                "gives {}, since a kWh is worth ${price:.3} ({})",
                kw(discharge_kw),
                binding(site, now)
            );
        }
        "rests: no difference of prices pays for the loss".into()
    }
}

fn firm(now: &PlannedStep) -> Option<String> {
    let missing_kw = now.step.conditions.firm_kw - now.running.firm_kw;
    (missing_kw > EPS_KW).then(|| {
        let missing = kw(missing_kw);
        format!(
            "firm AI lacks {missing}: import cap, sun, wind and battery together are too little"
        )
    })
}

fn miners(site: &Site, now: &PlannedStep, group: &MinerGroup, run: GroupOrder) -> String {
    let pue = now.step.conditions.pue;
    let earns = |ths_per_w: f64| {
        ths_per_w * 1000.0 * group.usd_per_th_h(now.step.conditions.hashprice_usd_per_th_day) / pue
    };
    let (price, reason) = (worth(now), binding(site, now));
    if run.units == 0 {
        let least_w = group.curve.power_w_min();
        let earned = earns(group.curve.hashrate_ths(least_w) / least_w);
        return format!(
            "{}: off, since a kWh earns ${earned:.3} at most and is worth ${price:.3} ({reason})",
            group.name
        );
    }
    let each_w = run.power_kw * 1000.0 / f64::from(run.units);
    let what = format!(
        "{}: {} of {} at {each_w:.0} W",
        group.name, run.units, group.units
    );
    let mut above_w = each_w - group.curve.power_w_min();
    let next = group.curve.segments().into_iter().find(|segment| {
        above_w -= segment.power_w;
        above_w < -1.0
    });
    match next {
        Some(segment) => {
            let earned = earns(segment.ths_per_w);
            format!(
                "{what}, since one kWh more earns ${earned:.3} and is worth ${price:.3} ({reason})"
            )
        }
        None if run.units < group.units => {
            format!("{what}, and no more of them: a kWh is worth ${price:.3} ({reason})")
        }
        None => format!("{what}: all there is, since a kWh is worth only ${price:.3} ({reason})"),
    }
}

/// What one more kWh is worth, in dollars: by the linear program, else what it costs.
fn worth(now: &PlannedStep) -> f64 {
    now.marginal_usd_per_kwh
        .unwrap_or(now.step.conditions.import_usd_per_kwh)
}

/// What makes a kWh worth that.
fn binding(site: &Site, now: &PlannedStep) -> String {
    let (run, conditions): (&Running, _) = (&now.running, &now.step.conditions);
    let price = conditions.import_usd_per_kwh;
    if run.import_kw >= conditions.import_kw_max - EPS_KW {
        return format!("the import cap of {:.0} kW binds", conditions.import_kw_max);
    }
    if run.curtailed_kw > EPS_KW || (run.import_kw < EPS_KW && site.grid.export_kw_max <= 0.0) {
        return "own power is left over".into();
    }
    if run.export_kw > EPS_KW {
        return format!("feeding in brings ${:.3}", conditions.export_usd_per_kwh);
    }
    if worth(now) > price + EPS_USD && site.tariff.demand_usd_per_kw_month > 0.0 {
        return "more would raise the month's peak".into();
    }
    format!("the grid's price is ${price:.3}")
}

/// A power with as many digits as matter.
fn kw(power_kw: f64) -> String {
    match power_kw.abs() {
        x if x < 10.0 => format!("{power_kw:.2} kW"),
        x if x < 100.0 => format!("{power_kw:.1} kW"),
        _ => format!("{power_kw:.0} kW"),
    }
}

fn clock(site: &Site, moment: Timestamp) -> String {
    let local = site.zone().to_datetime(moment);
    format!("{:02}:{:02}", local.hour(), local.minute())
}
