//! What a site's machines are to the controller.

use super::{Role, UnitSpec};
use crate::site::{Battery, Site};

/// How long a worker takes to do more or less, in seconds: what has begun is finished first.
const WORK_SECONDS: f64 = 30.0;
/// How long a battery takes, in seconds.
const BATTERY_SECONDS: f64 = 2.0;

impl UnitSpec {
    /// A machine of a group.
    pub fn miner(site: &Site, group: usize, number: usize) -> Self {
        let kind = &site.miners[group];
        let (least_w, most_w) = (kind.curve.power_w_min(), kind.curve.power_w_max());
        Self {
            name: format!("{} {}", kind.name, number + 1),
            role: Role::Miner { group },
            power_w_min: least_w,
            power_w_max: most_w,
            is_tunable: least_w < most_w,
            lower_seconds: kind.stop_seconds,
            raise_seconds: kind.ramp_up_minutes * 60.0,
        }
    }

    /// The worker of a batch AI, of whose work each piece draws `slot_w`.
    pub fn worker(site: &Site, job: usize, slot_w: f64) -> Self {
        let batch = &site.ai.batch[job];
        Self {
            name: batch.name.clone(),
            role: Role::Batch { job },
            power_w_min: slot_w,
            power_w_max: batch.power_kw_max * 1000.0,
            is_tunable: true,
            lower_seconds: WORK_SECONDS,
            raise_seconds: WORK_SECONDS,
        }
    }

    /// The battery.
    pub fn battery(battery: &Battery) -> Self {
        Self {
            name: "battery".into(),
            role: Role::Battery,
            power_w_min: -battery.discharge_kw_max * 1000.0,
            power_w_max: battery.charge_kw_max * 1000.0,
            is_tunable: true,
            lower_seconds: BATTERY_SECONDS,
            raise_seconds: BATTERY_SECONDS,
        }
    }
}
