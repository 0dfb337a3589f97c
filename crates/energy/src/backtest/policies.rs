//! Who decides: the baselines, the planner, and the one who knows the future.

use super::{Forecasters, Knowledge, Known, World};
use crate::plan::{
    Options, Plan, Planner, Solver,
    orders::{by_rules, own_kw_max},
};
use crate::plant::{GroupOrder, Orders, State, Step, hours_between};
use crate::site::Site;

/// Decides each hour.
pub trait Policy {
    /// As a table names it.
    fn name(&self) -> String;
    /// What it may know of prices.
    fn knowledge(&self) -> Knowledge;
    /// What to do in the hour that begins now.
    fn decide(&mut self, site: &Site, state: &State, known: &Known<'_>) -> Orders;
    /// The plan that the last decision came from, if there is one.
    fn plan(&self) -> Option<&Plan> {
        None
    }
}

/// The hour that begins now, as it is expected.
fn this_hour(known: &Known<'_>) -> Option<Step> {
    known.outlook(&Forecasters::default(), 1).first().copied()
}

/// AI work spread evenly over the time that is left; and, where it is `picky`, not while it doesn't pay.
fn even_work(site: &Site, state: &State, step: &Step, picky: bool) -> Vec<f64> {
    let cost = step.conditions.import_usd_per_kwh * step.conditions.pue;
    let work = site.ai.batch.iter().zip(&state.batch);
    work.map(|(batch, at_hand)| {
        let left_h = hours_between(step.start, at_hand.due).max(step.hours);
        let pays = batch.revenue_usd_per_kwh + batch.penalty_usd_per_kwh > cost;
        if picky && !pays {
            0.0
        } else {
            at_hand.remaining_kwh / left_h
        }
    })
    .collect()
}

/// What a battery does that nobody plans for: it takes surplus (the plant does that) and gives it when the site has a
/// use for it.
fn self_consumption_kw(site: &Site, step: &Step, orders: &Orders) -> f64 {
    let Some(battery) = &site.battery else {
        return 0.0;
    };
    let c = &step.conditions;
    let it_kw = c.firm_kw
        + orders.batch_kw.iter().sum::<f64>()
        + orders.groups.iter().map(|g| g.power_kw).sum::<f64>();
    let net_kw = it_kw * c.pue + c.base_kw - c.pv_kw - c.wind_kw;
    -net_kw.clamp(0.0, battery.discharge_kw_max)
}

fn with_battery(site: &Site, step: &Step, mut orders: Orders) -> Orders {
    orders.battery_kw = self_consumption_kw(site, step, &orders);
    orders
}

/// All miners flat out, always.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysOn;

impl Policy for AlwaysOn {
    fn name(&self) -> String {
        "always on".into()
    }

    fn knowledge(&self) -> Knowledge {
        Knowledge::CurrentHour
    }

    fn decide(&mut self, site: &Site, state: &State, known: &Known<'_>) -> Orders {
        let Some(step) = this_hour(known) else {
            return Orders::off(site);
        };
        let groups = site
            .miners
            .iter()
            .map(|g| GroupOrder {
                units: g.units,
                power_kw: g.power_kw_max(),
            })
            .collect();
        let orders = Orders {
            groups,
            batch_kw: even_work(site, state, &step, false),
            ..Orders::off(site)
        };
        with_battery(site, &step, orders)
    }
}

/// Each load flat out while it pays, and off while it doesn't.
#[derive(Debug, Clone, Copy, Default)]
pub struct OnOff;

impl Policy for OnOff {
    fn name(&self) -> String {
        "on/off at break-even".into()
    }

    fn knowledge(&self) -> Knowledge {
        Knowledge::CurrentHour
    }

    fn decide(&mut self, site: &Site, state: &State, known: &Known<'_>) -> Orders {
        let Some(step) = this_hour(known) else {
            return Orders::off(site);
        };
        let now = &step.conditions;
        let groups = site.miners.iter().map(|group| {
            let power_w = group.curve.power_w_max();
            let usd_per_th_h = group.usd_per_th_h(now.hashprice_usd_per_th_day);
            let earned = group.curve.hashrate_ths(power_w) * usd_per_th_h;
            let pays = earned > power_w / 1000.0 * now.pue * now.import_usd_per_kwh;
            let units = if pays { group.units } else { 0 };
            GroupOrder {
                units,
                power_kw: f64::from(units) * power_w / 1000.0,
            }
        });
        let groups = groups.collect();
        let orders = Orders {
            groups,
            batch_kw: even_work(site, state, &step, true),
            own_kw_max: own_kw_max(&step),
            ..Orders::off(site)
        };
        with_battery(site, &step, orders)
    }
}

/// Each load at the gear that pays best now.
#[derive(Debug, Clone, Copy, Default)]
pub struct BestGear;

impl Policy for BestGear {
    fn name(&self) -> String {
        "best gear".into()
    }

    fn knowledge(&self) -> Knowledge {
        Knowledge::CurrentHour
    }

    fn decide(&mut self, site: &Site, state: &State, known: &Known<'_>) -> Orders {
        let Some(step) = this_hour(known) else {
            return Orders::off(site);
        };
        with_battery(site, &step, by_rules(site, state, &step))
    }
}

/// The planner, with what was known at the time.
pub struct Planned {
    name: String,
    knowledge: Knowledge,
    forecasters: Forecasters,
    planner: Planner,
    plan: Option<Plan>,
}

impl Planned {
    /// A planner with forecasters and a solver of its own.
    pub fn new(
        name: &str,
        knowledge: Knowledge,
        forecasters: Forecasters,
        options: Options,
        solver: Box<dyn Solver>,
    ) -> Self {
        let planner = Planner::new(options, solver);
        Self {
            name: name.into(),
            knowledge,
            forecasters,
            planner,
            plan: None,
        }
    }
}

impl Policy for Planned {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn knowledge(&self) -> Knowledge {
        self.knowledge.clone()
    }

    fn decide(&mut self, site: &Site, state: &State, known: &Known<'_>) -> Orders {
        let outlook = known.outlook(&self.forecasters, known.horizon_hours());
        let plan = self.planner.plan(site, state, &outlook);
        self.plan.insert(plan).first_orders(site)
    }

    fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }
}

/// The planner with the real future as its forecast: what better forecasts could still win.
pub struct Foresight<'a> {
    world: &'a World,
    planner: Planner,
    plan: Option<Plan>,
}

impl<'a> Foresight<'a> {
    /// Knows a world.
    pub fn new(world: &'a World, options: Options, solver: Box<dyn Solver>) -> Self {
        Self {
            world,
            planner: Planner::new(options, solver),
            plan: None,
        }
    }
}

impl Policy for Foresight<'_> {
    fn name(&self) -> String {
        "planner, true future".into()
    }

    fn knowledge(&self) -> Knowledge {
        Knowledge::CurrentHour
    }

    fn decide(&mut self, site: &Site, state: &State, known: &Known<'_>) -> Orders {
        let zone = site.zone();
        let end = (known.hour + known.horizon_hours() + 24).min(self.world.hours);
        let outlook: Vec<Step> = (known.hour..end)
            .map(|hour| self.world.step(site, &zone, hour))
            .collect();
        let plan = self.planner.plan(site, state, &outlook);
        self.plan.insert(plan).first_orders(site)
    }

    fn plan(&self) -> Option<&Plan> {
        self.plan.as_ref()
    }
}
