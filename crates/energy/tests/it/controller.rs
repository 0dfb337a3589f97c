//! The controller against machines that are slow, dead, deaf or lie, second by second.

use std::sync::Arc;
use std::time::Duration;

use energy::Timestamp;
use energy::controller::{
    Call, Command, Controller, Distrust, Health, Mode, Role, Settings, UnitSpec, What,
};
use energy::plan::{Plan, PlannedStep, Source};
use energy::plant::{Conditions, GroupOrder, Orders, Running, Step};
use energy::site::Site;
use proptest::prelude::*;

const MINERS: usize = 40;
const PUE: f64 = 1.1;

/// What is wrong with a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// No command reaches it and no reading comes; it draws on.
    Dead,
    /// Accepts commands, and does nothing.
    Deaf,
    /// Does nothing either, and claims that it did.
    Liar,
    /// Takes four times as long as it should.
    Slow,
}

#[derive(Debug, Clone)]
struct Machine {
    power_w: f64,
    ordered_w: f64,
    fault: Fault,
}

impl Machine {
    fn command(&mut self, power_w: f64) -> bool {
        self.ordered_w = power_w;
        self.fault != Fault::Dead
    }

    /// A second passes: down in two seconds, up in ten.
    fn pass(&mut self) {
        if matches!(self.fault, Fault::Dead | Fault::Deaf | Fault::Liar) {
            return;
        }
        let slower = if self.fault == Fault::Slow { 4.0 } else { 1.0 };
        let (down_w, up_w) = (2100.0 / slower, 420.0 / slower);
        self.power_w += (self.ordered_w - self.power_w).clamp(-down_w, up_w);
    }

    fn reading_w(&self) -> Option<f64> {
        match self.fault {
            Fault::Dead => None,
            Fault::Liar => Some(self.ordered_w),
            _ => Some(self.power_w),
        }
    }
}

struct World {
    site: Arc<Site>,
    controller: Controller,
    machines: Vec<Machine>,
    firm_kw: f64,
    pv_kw: f64,
    now: Timestamp,
    stuck_kw: Option<f64>,
    events: Vec<What>,
    commands: Vec<Command>,
}

fn site(import_kw_max: f64) -> Arc<Site> {
    let text = format!(
        r#"
        name = "test"
        time_zone = "UTC"
        [grid]
        import_kw_max = {import_kw_max}
        [tariff]
        import = {{ kind = "flat", usd_per_kwh = 0.05 }}
        [[miners]]
        name = "hall"
        units = {MINERS}
        stop_seconds = 3
        ramp_up_minutes = 0.25
        curve = [
            {{ power_w = 784, hashrate_ths = 39.2 }},
            {{ power_w = 2794, hashrate_ths = 121.8 }},
            {{ power_w = 4195, hashrate_ths = 163.1 }},
        ]
        [[ai.firm]]
        name = "inference"
        power_kw = 60
        [[ai.batch]]
        name = "training"
        energy_kwh_per_day = 400
        power_kw_max = 20
        revenue_usd_per_kwh = 0.6
        [cooling]
        pue = [{{ temperature_c = 10, ratio = {PUE} }}]
        "#
    );
    Arc::new(Site::parse(&text).unwrap())
}

fn specs() -> Vec<UnitSpec> {
    let miner = |i: usize| UnitSpec {
        name: format!("miner {i}"),
        role: Role::Miner { group: 0 },
        power_w_min: 784.0,
        power_w_max: 4195.0,
        is_tunable: true,
        lower_seconds: 3.0,
        raise_seconds: 15.0,
    };
    let worker = UnitSpec {
        name: "worker".into(),
        role: Role::Batch { job: 0 },
        power_w_min: 0.0,
        power_w_max: 20_000.0,
        is_tunable: true,
        lower_seconds: 12.0,
        raise_seconds: 60.0,
    };
    (0..MINERS).map(miner).chain([worker]).collect()
}

impl World {
    fn new(import_kw_max: f64, running_w: f64) -> Self {
        let site = site(import_kw_max);
        let machine = Machine {
            power_w: running_w,
            ordered_w: running_w,
            fault: Fault::None,
        };
        Self {
            controller: Controller::new(site.clone(), specs(), Settings::default()),
            site,
            machines: vec![machine; MINERS + 1],
            firm_kw: 60.0,
            pv_kw: 0.0,
            now: "2024-05-01T12:00:00Z".parse().unwrap(),
            stuck_kw: None,
            events: Vec::new(),
            commands: Vec::new(),
        }
    }

    fn import_kw(&self) -> f64 {
        let it_kw: f64 = self.machines.iter().map(|m| m.power_w / 1000.0).sum();
        (it_kw + self.firm_kw) * PUE - self.pv_kw
    }

    fn plan(&mut self, units: u32, power_kw: f64, batch_kw: f64, hours: f64) {
        let plan = plan(&self.site, self.now, units, power_kw, batch_kw, hours);
        self.controller.set_plan(plan);
    }

    fn obey(&mut self, commands: Vec<Command>) {
        for command in &commands {
            if !self.machines[command.unit].command(command.power_w) {
                self.controller.failed(command.unit);
            }
        }
        self.commands.extend(commands);
    }

    /// A second: the controller ticks, machines move, and everything is read.
    fn second(&mut self) {
        let commands = self.controller.tick(self.now);
        self.obey(commands);
        for machine in &mut self.machines {
            machine.pass();
        }
        self.now += Duration::from_secs(1);
        for (unit, machine) in self.machines.iter().enumerate() {
            if let Some(power_w) = machine.reading_w() {
                self.controller.see(self.now, unit, power_w);
            }
        }
        let import_kw = self.stuck_kw.unwrap_or_else(|| self.import_kw());
        self.controller.see_meter(self.now, import_kw);
        let events = self.controller.take_events();
        self.events
            .extend(events.into_iter().map(|event| event.what));
    }

    fn run(&mut self, seconds: usize) -> f64 {
        let mut highest_kw = f64::NEG_INFINITY;
        for _ in 0..seconds {
            self.second();
            highest_kw = highest_kw.max(self.import_kw());
        }
        highest_kw
    }

    fn miners_on(&self) -> usize {
        let miners = &self.machines[..MINERS];
        miners.iter().filter(|m| m.power_w > 300.0).count()
    }

    fn call(&mut self, power_kw: f64) {
        let call = Call {
            power_kw,
            within_seconds: 10.0,
            until: self.now + Duration::from_secs(600),
        };
        let commands = self.controller.shed(self.now, call);
        self.obey(commands);
    }
}

fn plan(site: &Site, now: Timestamp, units: u32, power_kw: f64, batch_kw: f64, hours: f64) -> Plan {
    let conditions = Conditions {
        import_usd_per_kwh: 0.05,
        export_usd_per_kwh: 0.0,
        import_kw_max: site.grid.import_kw_max,
        pv_kw: 0.0,
        wind_kw: 0.0,
        pue: PUE,
        firm_kw: 60.0,
        base_kw: 0.0,
        heat_kw: 0.0,
        hashprice_usd_per_th_day: 0.05,
    };
    let step = Step {
        start: now,
        hours,
        conditions,
    };
    let orders = Orders {
        groups: vec![GroupOrder { units, power_kw }],
        batch_kw: vec![batch_kw],
        ..Orders::off(site)
    };
    Plan {
        start: now,
        steps: vec![PlannedStep {
            step,
            orders,
            running: Running::default(),
            marginal_usd_per_kwh: None,
            battery_kwh: 0.0,
        }],
        source: Source::Rules,
        value_usd: 0.0,
        bound_usd: None,
        took: Duration::ZERO,
        notes: Vec::new(),
    }
}

#[test]
fn a_plan_is_carried_out_and_the_cap_kept_on_the_way() {
    let mut world = World::new(200.0, 0.0);
    world.plan(30, 90.0, 10.0, 2.0);
    let highest_kw = world.run(300);
    assert!(highest_kw <= 200.0, "{highest_kw}");
    let expected_kw = (90.0 + 10.0 + 60.0) * PUE;
    assert!(
        (world.import_kw() - expected_kw).abs() < 0.05 * expected_kw,
        "{}",
        world.import_kw()
    );
    assert_eq!(world.miners_on(), 30);
    assert_eq!(world.controller.mode(), Mode::Planned);
}

#[test]
fn more_than_the_line_carries_is_never_raised_and_ai_comes_first() {
    let mut world = World::new(150.0, 0.0);
    world.plan(40, 160.0, 20.0, 2.0);
    let highest_kw = world.run(600);
    assert!(highest_kw <= 150.0, "{highest_kw}");
    assert!(
        world.machines[MINERS].power_w >= 19_000.0,
        "the AI's work runs in full"
    );
    assert!(
        world.import_kw() > 135.0,
        "and miners take what is left: {}",
        world.import_kw()
    );
}

#[test]
fn firm_ai_that_wakes_up_finds_its_power_free() {
    let mut world = World::new(150.0, 0.0);
    world.firm_kw = 0.0;
    world.plan(40, 160.0, 0.0, 2.0);
    world.run(600);
    world.firm_kw = 60.0;
    let highest_kw = world.run(60);
    assert!(highest_kw <= 150.0, "{highest_kw}");
}

#[test]
fn sun_that_goes_is_made_up_for_within_seconds() {
    let mut world = World::new(150.0, 0.0);
    world.pv_kw = 60.0;
    let mut plan = plan(&world.site, world.now, 35, 120.0, 0.0, 2.0);
    plan.steps[0].step.conditions.pv_kw = 60.0;
    world.controller.set_plan(plan);
    world.run(600);
    let before_kw = world.import_kw();
    world.pv_kw = 0.0;
    assert!(
        before_kw + 60.0 > 150.0,
        "otherwise this tests nothing: {before_kw}"
    );
    world.run(6);
    let highest_kw = world.run(60);
    assert!(highest_kw <= 150.0, "{highest_kw}");
}

#[test]
fn a_call_is_met_though_machines_are_dead_deaf_or_lie() {
    let mut world = World::new(300.0, 0.0);
    world.plan(40, 150.0, 0.0, 2.0);
    world.run(400);
    for (i, fault) in [
        (0, Fault::Dead),
        (1, Fault::Deaf),
        (2, Fault::Liar),
        (3, Fault::Slow),
    ] {
        for machine in &mut world.machines[i * 2..i * 2 + 2] {
            machine.fault = fault;
        }
    }
    let before_kw = world.import_kw();
    world.call(80.0);
    world.run(15);
    let shed_kw = before_kw - world.import_kw();
    assert!(shed_kw >= 80.0, "{shed_kw}");
    assert!(shed_kw < 110.0, "others don't go for nothing: {shed_kw}");
    let held_kw = world.run(500);
    assert!(
        before_kw - held_kw >= 80.0 - 1e-6,
        "it stays so until the end: {held_kw}"
    );
    assert!(
        world
            .events
            .iter()
            .any(|what| matches!(what, What::Delivered { .. }))
    );
    world.run(600);
    assert!(world.events.contains(&What::Released));
    assert!(
        world.import_kw() > before_kw - 40.0,
        "what can comes back: {}",
        world.import_kw()
    );
}

#[test]
fn what_is_slow_goes_only_when_the_quick_is_not_enough() {
    let mut world = World::new(300.0, 0.0);
    world.plan(4, 16.0, 20.0, 2.0);
    world.run(400);
    let worker_w = |world: &World| world.machines[MINERS].power_w;
    assert!(worker_w(&world) > 19_000.0, "{}", worker_w(&world));
    let before_kw = world.import_kw();
    world.call(10.0);
    world.run(60);
    assert!(before_kw - world.import_kw() >= 10.0 - 1e-6);
    assert!(worker_w(&world) > 19_000.0, "miners are enough");
    world.call(30.0);
    world.run(60);
    assert!(
        before_kw - world.import_kw() >= 30.0 - 1e-6,
        "{}",
        world.import_kw()
    );
    assert!(
        worker_w(&world) < 10_000.0,
        "late is better than not at all"
    );
}

#[test]
fn a_machine_that_does_not_follow_is_named_and_another_takes_its_part() {
    let mut world = World::new(300.0, 0.0);
    world.machines[0].fault = Fault::Deaf;
    world.plan(10, 30.0, 0.0, 2.0);
    world.run(600);
    let named = world.events.iter().any(
        |what| matches!(what, What::Unit { name, health: Health::Deaf, .. } if name == "miner 0"),
    );
    assert!(named, "{:?}", world.events);
    assert_eq!(world.miners_on(), 10);
}

#[test]
fn a_killed_controller_reads_first_and_adopts_what_runs() {
    let mut world = World::new(300.0, 0.0);
    world.plan(20, 60.0, 10.0, 2.0);
    world.run(300);
    // Half of a command was sent when it was killed.
    for machine in &mut world.machines[..5] {
        machine.command(0.0);
    }
    world.controller = Controller::new(world.site.clone(), specs(), Settings::default());
    world.commands.clear();
    let commands = world.controller.tick(world.now);
    assert!(
        commands.is_empty(),
        "nothing is commanded before everything was read: {commands:?}"
    );
    let before = world.miners_on();
    world.run(10);
    assert!(world.commands.is_empty(), "{:?}", world.commands);
    assert_eq!(world.controller.mode(), Mode::Holding);
    assert_eq!(world.miners_on(), before - 5);
    world.plan(20, 60.0, 10.0, 2.0);
    world.run(300);
    assert_eq!(world.miners_on(), 20);
}

#[test]
fn without_a_plan_ai_goes_on_and_miners_rest_and_a_plan_brings_them_back() {
    let mut world = World::new(300.0, 0.0);
    world.plan(20, 60.0, 10.0, 0.1);
    world.run(300);
    world.run(900);
    assert_eq!(world.controller.mode(), Mode::Holding);
    assert_eq!(world.miners_on(), 20, "a short gap changes nothing");
    world.run(300);
    assert_eq!(world.controller.mode(), Mode::Safe);
    assert_eq!(world.miners_on(), 0);
    assert!(world.machines[MINERS].power_w > 9000.0, "AI's work goes on");
    assert!(world.events.contains(&What::Mode(Mode::Safe)));
    world.plan(20, 60.0, 10.0, 2.0);
    world.run(300);
    assert_eq!(
        (world.controller.mode(), world.miners_on()),
        (Mode::Planned, 20)
    );
}

#[test]
fn a_meter_that_is_stuck_is_found_out_and_the_cap_kept_without_it() {
    let mut world = World::new(150.0, 0.0);
    world.plan(5, 10.0, 0.0, 3.0);
    world.run(100);
    world.stuck_kw = Some(world.import_kw());
    world.plan(40, 160.0, 0.0, 3.0);
    let highest_kw = world.run(600);
    assert!(world.events.contains(&What::Meter(Some(Distrust::Stuck))));
    assert!(highest_kw <= 150.0, "{highest_kw}");
    world.stuck_kw = None;
    world.run(5);
    assert!(
        world.events.contains(&What::Meter(None)),
        "it is believed again"
    );
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        10 => Just(Fault::None),
        1 => Just(Fault::Dead),
        1 => Just(Fault::Deaf),
        1 => Just(Fault::Liar),
        1 => Just(Fault::Slow),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever plans say and whichever machines fail, no command brings the import above the cap, and firm AI may draw
    /// what it was promised at any moment.
    #[test]
    fn no_command_ever_exceeds_the_cap(
        cap_kw in 100.0..260.0_f64,
        plans in prop::collection::vec((0..=40_u32, 0.0..170.0_f64, 0.0..20.0_f64), 1..6),
        faults in prop::collection::vec(fault(), MINERS),
        firm in prop::collection::vec(0.0..60.0_f64, 6),
    ) {
        let mut world = World::new(cap_kw, 0.0);
        for (machine, fault) in world.machines.iter_mut().zip(faults) {
            machine.fault = fault;
        }
        for (i, (units, power_kw, batch_kw)) in plans.into_iter().enumerate() {
            world.firm_kw = firm[i];
            world.plan(units, power_kw, batch_kw, 2.0);
            let highest_kw = world.run(120);
            prop_assert!(highest_kw <= cap_kw, "{highest_kw} kW of {cap_kw}");
        }
    }

    /// A call is met within a minute by those that can, though up to a third of the machines can't: each round finds out those
    /// of the one before.
    #[test]
    fn a_call_is_met_by_those_that_can(
        faults in prop::collection::vec(fault(), MINERS),
        share in 0.1..0.9_f64,
    ) {
        let mut world = World::new(300.0, 0.0);
        world.plan(40, 150.0, 0.0, 2.0);
        world.run(400);
        for (machine, fault) in world.machines.iter_mut().zip(faults) {
            machine.fault = fault;
        }
        let quick = |m: &&Machine| m.fault == Fault::None;
        let can_kw: f64 = world.machines[..MINERS].iter().filter(quick).map(|m| m.power_w / 1000.0 * PUE).sum();
        let before_kw = world.import_kw();
        world.call(share * can_kw);
        world.run(60);
        let shed_kw = before_kw - world.import_kw();
        prop_assert!(shed_kw >= share * can_kw - 1e-6, "{shed_kw} of {}", share * can_kw);
    }
}
