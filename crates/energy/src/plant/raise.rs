//! What could draw more, by what it is worth: the counterpart of the shed order, for power that nobody forecast.

use super::dispatch::charge_kw_max;
use super::{Running, State, Step};
use crate::shed::{Load, Now, battery_usd_per_kwh, work_usd_per_kwh};
use crate::site::Site;

/// Load that can be raised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Raise {
    pub load: Load,
    /// By how much, in kW at the meter.
    pub power_kw: f64,
    /// What a kWh at the meter is worth there, in dollars.
    pub value_usd_per_kwh: f64,
}

/// All that can be raised, what is worth most first; nothing without a plan that says what things are worth.
pub(super) fn by_value(
    site: &Site,
    state: &State,
    step: &Step,
    run: &Running,
    now: &Now<'_>,
) -> Vec<Raise> {
    let Some(worth) = now.worth else {
        return Vec::new();
    };
    let mut raises = Vec::new();
    let mut push = |load: Load, power_kw: f64, value_usd_per_kwh: f64| {
        if power_kw > 0.0 {
            raises.push(Raise {
                load,
                power_kw,
                value_usd_per_kwh,
            });
        }
    };
    if let Some(battery) = &site.battery {
        let (charging, discharging) = battery_usd_per_kwh(battery, worth);
        push(
            Load::Charging,
            charge_kw_max(site, state, step) - run.charge_kw,
            charging,
        );
        push(Load::Discharging, run.discharge_kw, discharging);
    }
    let work = site
        .ai
        .batch
        .iter()
        .zip(&state.batch)
        .zip(&run.batch_kw)
        .enumerate();
    for (job, ((batch, at_hand), running_kw)) in work {
        let most_kw = batch.power_kw_max.min(at_hand.remaining_kwh / step.hours);
        let value = work_usd_per_kwh(batch, job, now);
        push(Load::Batch { job }, (most_kw - running_kw) * now.pue, value);
    }
    for (index, (group, order)) in site.miners.iter().zip(&run.groups).enumerate() {
        let usd_per_th_h = group.usd_per_th_h(now.hashprice_usd_per_th_day);
        let units = f64::from(order.units);
        let mut done_kw = order.power_kw - units * group.curve.power_w_min() / 1000.0;
        for (stretch, segment) in group.curve.segments().iter().enumerate() {
            let length_kw = units * segment.power_w / 1000.0;
            let left_kw = (length_kw - done_kw.max(0.0)).max(0.0);
            done_kw -= length_kw;
            let value = segment.ths_per_w * 1000.0 * usd_per_th_h / now.pue;
            push(
                Load::Miners {
                    group: index,
                    stretch,
                },
                left_kw * now.pue,
                value,
            );
        }
    }
    raises.sort_by(|a, b| b.value_usd_per_kwh.total_cmp(&a.value_usd_per_kwh));
    raises
}
