//! The variables of a step, what each may be, and what it earns.

use super::{Builder, GroupColumns, Input, StepColumns, Variable, WHOLE_UNITS_MAX};
use crate::plant::Step;
use crate::site::{Segment, Site};

/// What a kWh of firm load not served costs at least, in dollars. The plant serves it whatever the plan says; the
/// planner must never find it cheaper not to.
const SHORTFALL_USD_PER_KWH_MIN: f64 = 100.0;
/// Turning energy round without use earns a little less than nothing, so that it isn't done when all is equal.
const IDLE_USD_PER_KWH: f64 = 1e-5;

/// The variables of a step.
pub(in super::super) struct Variables {
    pub groups: Vec<Group>,
    pub batch: Vec<Variable>,
    pub shortfall: Variable,
    pub battery: Option<Store>,
    pub import: Variable,
    pub export: Option<Variable>,
    pub curtailed: Option<Variable>,
    pub heat: Option<Variable>,
    pub reserve: Vec<Variable>,
}

/// A group's variables.
pub(in super::super) struct Group {
    pub on: Variable,
    pub start: Option<Variable>,
    pub segments: Vec<Variable>,
    /// What of each segment only just-started machines draw: while they come up, it hashes nothing.
    pub coming_up: Vec<Variable>,
    pub least_kw: f64,
    /// How long each segment is for one machine, in kW.
    pub lengths_kw: Vec<f64>,
    /// Whether the first kW hash best anyway, so that segments needn't be tied to machines that are on.
    pub untied: bool,
}

/// The battery's variables.
pub(in super::super) struct Store {
    pub charge: Variable,
    pub discharge: Variable,
    pub content: Variable,
}

impl Group {
    /// The terms of its power, each times a factor.
    pub fn power(&self, factor: f64) -> impl Iterator<Item = (Variable, f64)> + '_ {
        let segments = self.segments.iter().map(move |segment| (*segment, factor));
        std::iter::once((self.on, self.least_kw * factor)).chain(segments)
    }
}

impl Variables {
    pub fn places(&self) -> StepColumns {
        let place = |variable: &Variable| variable.place;
        StepColumns {
            groups: self.groups.iter().map(group_places).collect(),
            batch: self.batch.iter().map(place).collect(),
            charge: self.battery.as_ref().map(|store| store.charge.place),
            discharge: self.battery.as_ref().map(|store| store.discharge.place),
            reserve: self.reserve.iter().map(place).collect(),
            curtailed: self.curtailed.as_ref().map(place),
        }
    }
}

fn group_places(group: &Group) -> GroupColumns {
    GroupColumns {
        on: group.on.place,
        least_kw: group.least_kw,
        segments: group.segments.iter().map(|segment| segment.place).collect(),
    }
}

pub(super) fn add(to: &mut Builder, input: &Input<'_>, t: usize) -> Variables {
    let (site, step) = (input.site, &input.steps[t]);
    let (now, hours) = (&step.conditions, step.hours);
    let could_kw = now.pv_kw + now.wind_kw;
    let groups = (0..site.miners.len())
        .map(|index| add_group(to, input, step, index))
        .collect();
    let batch = site.ai.batch.iter().map(|batch| {
        let usd = batch.revenue_usd_per_kwh + batch.penalty_usd_per_kwh;
        to.column(usd * hours, batch.power_kw_max)
    });
    let batch = batch.collect();
    let shortfall_usd = shortfall_usd_per_kwh(site, input.steps);
    let fed_in_kw_max = site.grid.export_kw_max;
    Variables {
        groups,
        batch,
        // Machines that must run on when the grid is cut count as well, or there would be no solution.
        shortfall: to.column(
            -shortfall_usd * hours,
            (now.firm_kw + site.miners_kw_max()) * now.pue + now.base_kw,
        ),
        battery: add_battery(to, input, hours),
        import: to.column(-now.import_usd_per_kwh * hours, now.import_kw_max),
        export: (fed_in_kw_max > 0.0)
            .then(|| to.column(now.export_usd_per_kwh * hours, fed_in_kw_max)),
        curtailed: (could_kw > 0.0).then(|| to.column(0.0, could_kw)),
        heat: site
            .heat
            .as_ref()
            .map(|heat| to.column(heat.value_usd_per_kwh * hours, now.heat_kw)),
        reserve: site
            .reserves
            .iter()
            .map(|reserve| {
                to.column(
                    reserve.price_usd_per_mw_h / 1000.0 * hours,
                    reserve.power_kw_max,
                )
            })
            .collect(),
    }
}

fn add_group(to: &mut Builder, input: &Input<'_>, step: &Step, index: usize) -> Group {
    let group = &input.site.miners[index];
    let usd_per_th_h = group.usd_per_th_h(step.conditions.hashprice_usd_per_th_day);
    let (units, least_w) = (f64::from(group.units), group.curve.power_w_min());
    let least_ths = group.curve.hashrate_ths(least_w);
    let usd = least_ths * usd_per_th_h * step.hours;
    let locked = if input.relaxed {
        0
    } else {
        input.state.groups[index].locked(step.start)
    };
    let segments = group.curve.segments();
    let first_ths_per_w = segments.first().map_or(0.0, |segment| segment.ths_per_w);
    let on = if input.whole && group.units <= WHOLE_UNITS_MAX {
        to.whole(usd, locked.into(), units)
    } else {
        to.bounded(usd, locked.into(), units)
    };
    let lost_h = (group.ramp_up_minutes / 120.0).min(step.hours);
    let start_usd = group.start_wear_usd + least_ths * usd_per_th_h * lost_h;
    let has_starts = !input.relaxed && (start_usd > 0.0 || group.on_time_minutes_min > 0.0);
    let mut powers = |usd_h: f64| -> Vec<Variable> {
        let usd = |s: &Segment| s.ths_per_w * 1000.0 * usd_per_th_h * usd_h;
        let max_kw = |s: &Segment| units * s.power_w / 1000.0;
        segments
            .iter()
            .map(|s| to.column(usd(s), max_kw(s)))
            .collect()
    };
    let coming_up = if has_starts && lost_h > 0.0 {
        powers(-lost_h)
    } else {
        Vec::new()
    };
    Group {
        on,
        segments: powers(step.hours),
        coming_up,
        start: has_starts.then(|| to.column(-start_usd, units)),
        least_kw: least_w / 1000.0,
        lengths_kw: segments
            .iter()
            .map(|segment| segment.power_w / 1000.0)
            .collect(),
        untied: !has_starts && !input.whole && least_ths / least_w >= first_ths_per_w,
    }
}

fn add_battery(to: &mut Builder, input: &Input<'_>, hours: f64) -> Option<Store> {
    let battery = input.site.battery.as_ref()?;
    Some(Store {
        charge: to.column(-IDLE_USD_PER_KWH * hours, battery.charge_kw_max),
        discharge: to.column(
            -(battery.wear_usd_per_kwh + IDLE_USD_PER_KWH) * hours,
            battery.discharge_kw_max,
        ),
        content: to.bounded(
            0.0,
            battery.energy_kwh_min.min(input.state.battery_kwh),
            battery.energy_kwh,
        ),
    })
}

fn shortfall_usd_per_kwh(site: &Site, steps: &[Step]) -> f64 {
    let penalties = site.ai.firm.iter().map(|firm| firm.penalty_usd_per_kwh);
    let dearest = steps
        .iter()
        .map(|step| 3.0 * step.conditions.import_usd_per_kwh.abs());
    penalties
        .chain(dearest)
        .fold(SHORTFALL_USD_PER_KWH_MIN, f64::max)
}
