//! There is always a plan, it is in time, and it keeps the site safe.

use std::time::{Duration, Instant};

use energy::plan::{Answer, Highs, Options, Planner, Solver, Source, Task};
use energy::plant::{Conditions, State, Step};
use energy::site::Site;

use crate::common::{finer, home, hours, mining_site};

fn two_days() -> Vec<f64> {
    (0..48)
        .map(|hour| {
            if (7..22).contains(&(hour % 24)) {
                0.14
            } else {
                0.02
            }
        })
        .collect()
}

fn planned(site: &Site, steps: &[Step]) -> energy::plan::Plan {
    let state = State::new(site, steps[0].start);
    Planner::new(unhurried(), Box::new(Highs::default())).plan(site, &state, steps)
}

fn unhurried() -> Options {
    Options {
        deadline: Duration::from_secs(60),
        ..Options::default()
    }
}

struct Dead;

impl Solver for Dead {
    fn solve(&mut self, _: Task, _: Duration) -> Option<Answer> {
        None
    }
}

/// Says that everything is solved, with numbers that are none, or too few of them.
struct Liar(usize, f64);

impl Solver for Liar {
    fn solve(&mut self, _: Task, _: Duration) -> Option<Answer> {
        let columns = vec![self.1; self.0];
        Some(Answer {
            columns,
            row_duals: vec![],
            value_usd: f64::NAN,
            is_best: true,
        })
    }
}

#[test]
fn work_goes_where_energy_is_cheap_and_is_all_done() {
    let site = mining_site();
    let steps = hours("2024-01-10T06:00:00Z", &two_days());
    let plan = planned(&site, &steps);
    assert_eq!(plan.notes, Vec::<String>::new());
    let done: f64 = plan.steps.iter().map(|step| step.running.batch_kw[0]).sum();
    assert!((done - 12_000.0).abs() < 1.0, "{done}");
    let miners = |cheap: bool| -> f64 {
        let at = plan
            .steps
            .iter()
            .filter(|s| (s.step.conditions.import_usd_per_kwh < 0.1) == cheap);
        at.map(|s| s.running.miners_kw()).sum()
    };
    assert!(miners(true) > 20.0 * miners(false).max(1.0));
    assert!(plan.gap().unwrap() < 0.01, "{:?}", plan.gap());
}

#[test]
fn every_decision_has_a_reason() {
    let site = mining_site();
    let plan = planned(&site, &hours("2024-01-10T06:00:00Z", &two_days()));
    let night = plan.why(&site, 2).join("\n");
    assert!(night.contains("the import cap of 1100 kW binds"), "{night}");
    let day = plan.why(&site, 12).join("\n");
    assert!(day.contains("hall: off, since a kWh earns"), "{day}");
    let all: Vec<String> = (0..48).flat_map(|index| plan.why(&site, index)).collect();
    assert!(
        all.iter().any(|line| line.contains("battery: gives")),
        "{all:?}"
    );
    assert!(
        all.iter().any(|line| line.contains("battery: takes")),
        "{all:?}"
    );
    assert!(plan.why(&site, 999).is_empty());
    for index in 0..plan.steps.len() {
        assert_eq!(plan.why(&site, index).len(), 3, "miners, work, battery");
    }
}

#[test]
fn a_solver_that_returns_nothing_leaves_a_safe_plan() {
    let site = mining_site();
    let steps = hours("2024-01-10T06:00:00Z", &two_days());
    let state = State::new(&site, steps[0].start);
    let liars = [Liar(0, 0.0), Liar(3, 1.0), Liar(5_000, f64::NAN)];
    let mut solvers: Vec<Box<dyn Solver>> = vec![Box::new(Dead)];
    solvers.extend(liars.map(|liar| Box::new(liar) as Box<dyn Solver>));
    for solver in solvers {
        let plan = Planner::new(Options::default(), solver).plan(&site, &state, &steps);
        assert_eq!(plan.source, Source::Rules);
        assert_eq!(plan.steps.len(), 48);
        assert!(plan.notes[0].contains("no answer"), "{:?}", plan.notes);
        assert!(plan.why(&site, 0)[0].contains("rules"));
        for step in &plan.steps {
            assert_eq!(step.running.firm_kw, 300.0);
            assert!(step.running.import_kw <= 1100.0 + 1e-6);
        }
    }
}

#[test]
fn when_the_solver_dies_the_last_plan_goes_on() {
    /// Answers once.
    struct Once(Option<Highs>);
    impl Solver for Once {
        fn solve(&mut self, task: Task, within: Duration) -> Option<Answer> {
            self.0.take()?.solve(task, within)
        }
    }
    let site = mining_site();
    let steps = hours("2024-01-10T06:00:00Z", &two_days());
    let state = State::new(&site, steps[0].start);
    let mut planner = Planner::new(unhurried(), Box::new(Once(Some(Highs::default()))));
    let first = planner.plan(&site, &state, &steps);
    assert_eq!(first.source, Source::Rounded);
    let second = planner.plan(&site, &state, &steps);
    assert_eq!(second.source, Source::Last);
    assert!(
        (first.value_usd - second.value_usd).abs() < 1e-6,
        "the same orders are worth the same"
    );
}

#[test]
fn a_solver_that_hangs_is_left_behind() {
    let site = mining_site();
    let steps = finer(&hours("2024-01-10T06:00:00Z", &two_days()), 4);
    let state = State::new(&site, steps[0].start);
    // No time at all: HiGHS can't have answered.
    let options = Options {
        deadline: Duration::from_millis(20),
        reserve: Duration::from_millis(19),
        ..Options::default()
    };
    let mut planner = Planner::new(options, Box::new(Highs::default()));
    for _ in 0..20 {
        let plan = planner.plan(&site, &state, &steps);
        assert_eq!(plan.steps.len(), steps.len());
    }
    // And when there is time again, there are plans again.
    let mut resumed = Planner::new(unhurried(), Box::new(Highs::default()));
    assert_eq!(resumed.plan(&site, &state, &steps).source, Source::Rounded);
}

#[test]
fn a_task_given_up_keeps_others_waiting_only_until_it_ends() {
    let site = mining_site();
    let steps = hours("2024-01-10T06:00:00Z", &two_days());
    let state = State::new(&site, steps[0].start);
    /// Gives the inner solver no time for its first task.
    struct Hasty(Highs, bool);
    impl Solver for Hasty {
        fn solve(&mut self, task: Task, within: Duration) -> Option<Answer> {
            let first = std::mem::replace(&mut self.1, false);
            self.0.solve(
                task,
                if first {
                    Duration::from_nanos(1)
                } else {
                    within
                },
            )
        }
    }
    let mut planner = Planner::new(unhurried(), Box::new(Hasty(Highs::default(), true)));
    assert_eq!(planner.plan(&site, &state, &steps).source, Source::Rules);
    let until = Instant::now() + Duration::from_secs(30);
    while planner.plan(&site, &state, &steps).source != Source::Rounded {
        assert!(Instant::now() < until, "the abandoned task never ended");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn bad_forecasts_are_mended_and_reported() {
    let site = mining_site();
    let mut steps = hours("2024-01-10T06:00:00Z", &two_days());
    steps[0].conditions.import_usd_per_kwh = f64::NAN;
    steps[5].conditions.pv_kw = f64::INFINITY;
    steps[6].conditions.pue = 0.0;
    steps[7].conditions.import_kw_max = f64::NAN;
    let plan = planned(&site, &steps);
    assert!(plan.notes[0].contains("4 of 48"), "{:?}", plan.notes);
    assert!(
        plan.steps
            .iter()
            .all(|step| step.running.firm_kw == 300.0 && step.running.import_kw <= 1100.0 + 1e-6)
    );
    assert!(planned(&site, &steps[..1]).steps.len() == 1);
    let nothing = Planner::default().plan(&site, &State::new(&site, steps[0].start), &[]);
    assert!(nothing.steps.is_empty());
}

#[test]
fn at_nine_thousand_dollars_firm_ai_runs_and_nothing_else_does() {
    let site = mining_site();
    let plan = planned(&site, &hours("2021-02-15T06:00:00Z", &[9.0; 24]));
    for step in &plan.steps {
        assert_eq!(step.running.firm_kw, 300.0);
        assert_eq!(step.running.miners_kw(), 0.0);
        assert!(step.running.batch_kw[0] < 1e-6);
    }
}

#[test]
fn at_negative_prices_the_line_is_full() {
    let site = mining_site();
    let plan = planned(&site, &hours("2024-05-01T05:00:00Z", &[-0.05; 24]));
    assert!(
        plan.steps
            .iter()
            .all(|step| step.running.import_kw > 1099.0),
        "{:?}",
        plan.steps[0].running
    );
}

#[test]
fn a_site_that_cannot_serve_its_firm_load_says_so() {
    let mut site = mining_site();
    site.battery = None;
    let mut steps = hours("2024-01-10T06:00:00Z", &[0.02; 24]);
    for step in &mut steps[3..6] {
        step.conditions = Conditions {
            import_kw_max: 100.0,
            ..step.conditions
        };
    }
    let plan = planned(&site, &steps);
    assert!(
        plan.why(&site, 4)[0].contains("firm AI lacks 209 kW"),
        "{:?}",
        plan.why(&site, 4)
    );
    assert_eq!(plan.steps[4].running.miners_kw(), 0.0);
    assert_eq!(plan.steps[7].running.firm_kw, 300.0);
}

#[test]
fn a_demand_charge_lowers_the_peak() {
    let steps = hours("2024-01-10T06:00:00Z", &two_days());
    let site = mining_site();
    let mut charged = site.clone();
    charged.tariff.demand_usd_per_kw_month = 60.0;
    let peak = |site: &Site| {
        let plan = planned(site, &steps);
        plan.steps
            .iter()
            .map(|step| step.running.import_kw)
            .fold(0.0, f64::max)
    };
    assert!(
        peak(&charged) < 0.8 * peak(&site),
        "{} against {}",
        peak(&charged),
        peak(&site)
    );
}

#[test]
fn a_reserve_is_held_only_by_what_runs() {
    let mut site = mining_site();
    let reserve = energy::site::Reserve {
        name: "spinning".into(),
        power_kw_max: 500.0,
        price_usd_per_mw_h: 80.0,
        respond_seconds_max: 30.0,
    };
    site.reserves = vec![reserve];
    let plan = planned(&site, &hours("2024-01-10T06:00:00Z", &two_days()));
    let held: f64 = plan
        .steps
        .iter()
        .map(|step| step.orders.reserve_kw[0])
        .sum();
    assert!(held > 5_000.0, "{held}");
    for step in &plan.steps {
        let quick = step.running.miners_kw() * step.step.conditions.pue;
        assert!(
            step.orders.reserve_kw[0] <= quick + 1.0,
            "{} of {quick}",
            step.orders.reserve_kw[0]
        );
    }
}

#[test]
fn small_groups_run_whole_machines_and_warm_the_house() {
    let site = home();
    let mut steps = hours("2024-01-10T06:00:00Z", &[0.08; 36]);
    for step in &mut steps {
        let c = &mut step.conditions;
        *c = Conditions {
            import_kw_max: 11.0,
            firm_kw: 0.12,
            base_kw: 0.4,
            heat_kw: 2.0,
            pue: 1.0,
            ..*c
        };
        c.hashprice_usd_per_th_day = 0.05;
    }
    let plan = planned(&site, &steps);
    // 13.5 TH bring 2.8 cents an hour and 1.2 kW of heat at 11 cents: more than 1.3 kWh at 8 cents.
    assert!(
        plan.steps
            .iter()
            .skip(1)
            .all(|step| step.running.groups[0].units == 1),
        "{:?}",
        plan.why(&site, 3)
    );
    let mild: Vec<Step> = steps
        .iter()
        .map(|step| Step {
            conditions: Conditions {
                heat_kw: 0.0,
                ..step.conditions
            },
            ..*step
        })
        .collect();
    assert!(
        planned(&site, &mild)
            .steps
            .iter()
            .all(|step| step.running.groups[0].units == 0)
    );
}

#[test]
fn five_minute_plans_hold_least_times_and_their_bound() {
    let mut site = mining_site();
    let one = site.miners.remove(0);
    for i in 0..20_u32 {
        let mut group = one.clone();
        group.name = format!("row {i}");
        group.units = 15;
        group.on_time_minutes_min = 60.0;
        group.pool_fee_percent = 1.0 + f64::from(i) / 4.0;
        site.miners.push(group);
    }
    let prices: Vec<f64> = (0..48)
        .map(|hour| [0.02, 0.09, 0.05, 0.12][hour % 4])
        .collect();
    let steps = finer(&hours("2024-01-10T06:00:00Z", &prices), 12);
    let plan = planned(&site, &steps);
    assert_eq!(plan.steps.len(), 576);
    assert!(
        plan.value_usd <= plan.bound_usd.unwrap() + 1e-6,
        "{} above {:?}",
        plan.value_usd,
        plan.bound_usd
    );
    assert!(plan.gap().unwrap() < 0.05, "{:?}", plan.gap());
    for group in 0..20 {
        let units: Vec<u32> = plan
            .steps
            .iter()
            .map(|step| step.running.groups[group].units)
            .collect();
        for start in 1..units.len().saturating_sub(12) {
            let started = units[start].saturating_sub(units[start - 1]);
            let least = units[start..start + 12].iter().min().unwrap();
            assert!(
                *least >= started,
                "{started} started at {start}, then {least}"
            );
        }
    }
}
