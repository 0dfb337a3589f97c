//! The plant holds its limits, whatever is ordered.

use energy::plant::{self, Conditions, GroupOrder, Orders, State, Step, Worth};
use energy::site::Site;
use proptest::prelude::*;

use crate::common::{home, mild, mining_site};

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        5 => -3000.0..3000.0_f64,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
    ]
}

fn any_orders(site: &Site) -> impl Strategy<Value = Orders> + use<> {
    let (groups, jobs) = (site.miners.len(), site.ai.batch.len());
    let group =
        (0..2000_u32, any_number()).prop_map(|(units, power_kw)| GroupOrder { units, power_kw });
    (
        prop::collection::vec(group, 0..=groups),
        prop::collection::vec(any_number(), 0..=jobs),
        any_number(),
        prop::option::of(any_number()),
    )
        .prop_map(|(groups, batch_kw, battery_kw, own_kw_max)| Orders {
            groups,
            batch_kw,
            battery_kw,
            worth: own_kw_max.map(|usd| Worth {
                stored_usd_per_kwh: usd / 1000.0,
                later_usd_per_kwh: vec![usd / 3000.0],
            }),
            own_kw_max,
            ..Orders::default()
        })
}

fn any_conditions(scale_kw: f64) -> impl Strategy<Value = Conditions> {
    (
        (
            -9.0..9.0_f64,
            0.0..1.0_f64,
            0.0..1.5_f64,
            0.0..1.0_f64,
            0.0..1.0_f64,
        ),
        (
            1.0..1.6_f64,
            0.0..0.6_f64,
            0.0..0.4_f64,
            0.0..0.5_f64,
            0.0..0.5_f64,
        ),
    )
        .prop_map(
            move |((price, export, cap, pv, wind), (pue, firm, base, heat, hashprice))| {
                Conditions {
                    import_usd_per_kwh: price,
                    export_usd_per_kwh: price.min(export),
                    import_kw_max: cap * scale_kw,
                    pv_kw: pv * scale_kw,
                    wind_kw: wind * scale_kw,
                    pue,
                    firm_kw: firm * scale_kw,
                    base_kw: base * scale_kw,
                    heat_kw: heat * scale_kw,
                    hashprice_usd_per_th_day: hashprice,
                }
            },
        )
}

/// What must hold after any step.
fn check(site: &Site, before: &State, step: &Step, orders: &Orders) {
    let mut state = before.clone();
    let outcome = plant::step(site, &mut state, step, orders);
    let (run, now) = (&outcome.running, &step.conditions);
    let supply = run.import_kw + now.pv_kw + now.wind_kw - run.curtailed_kw + run.discharge_kw;
    let load = run.it_kw() * now.pue + run.base_kw + run.charge_kw + run.export_kw;
    assert!(
        (supply - load).abs() < 1e-6,
        "power balances: {supply} against {load}"
    );
    assert!(run.import_kw <= now.import_kw_max + 1e-6, "the cap is kept");
    assert!(run.export_kw <= site.grid.export_kw_max + 1e-6);
    assert!(
        run.import_kw.min(run.export_kw) < 1e-9,
        "never both ways at once"
    );
    assert!(
        run.charge_kw.min(run.discharge_kw) < 1e-6,
        "never both ways at once"
    );
    for power in [
        run.charge_kw,
        run.discharge_kw,
        run.curtailed_kw,
        run.export_kw,
        run.firm_kw,
    ] {
        assert!(power >= -1e-9, "{run:?}");
    }
    if let Some(battery) = &site.battery {
        assert!(
            state.battery_kwh >= battery.energy_kwh_min - 1e-6
                && state.battery_kwh <= battery.energy_kwh + 1e-6
        );
    }
    for (group, order) in site.miners.iter().zip(&run.groups) {
        let each_w = order.power_kw * 1000.0 / f64::from(order.units.max(1));
        assert!(order.units <= group.units);
        assert!(
            order.units == 0 || each_w >= group.curve.power_w_min() - 1e-6,
            "{each_w}"
        );
        assert!(order.units > 0 || order.power_kw == 0.0);
        assert!(each_w <= group.curve.power_w_max() + 1e-6);
    }
    // Firm AI lacks power only when nothing else runs, and battery and grid give all they can.
    if outcome.shortfall_kwh > 1e-6 {
        let others =
            run.miners_kw() + run.batch_kw.iter().sum::<f64>() + run.charge_kw + run.base_kw;
        assert!(others < 1e-6, "firm AI comes first: {run:?}");
        assert!(run.import_kw > now.import_kw_max - 1e-6);
    }
    assert!(outcome.money.net_usd().is_finite());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn limits_hold_at_the_mining_site(
        orders in prop::collection::vec(any_orders(&mining_site()), 6),
        conditions in prop::collection::vec(any_conditions(1500.0), 6),
    ) {
        several(&mining_site(), &orders, &conditions);
    }

    #[test]
    fn limits_hold_at_home(
        orders in prop::collection::vec(any_orders(&home()), 6),
        conditions in prop::collection::vec(any_conditions(12.0), 6),
    ) {
        several(&home(), &orders, &conditions);
    }
}

fn several(site: &Site, orders: &[Orders], conditions: &[Conditions]) {
    let start: energy::Timestamp = "2024-01-31T22:00:00Z".parse().unwrap();
    let mut state = State::new(site, start);
    for (i, (orders, conditions)) in orders.iter().zip(conditions).enumerate() {
        let start = energy::Timestamp::from_second(start.as_second() + i as i64 * 900).unwrap();
        let step = Step {
            start,
            hours: 0.25,
            conditions: *conditions,
        };
        check(site, &state, &step, orders);
        plant::step(site, &mut state, &step, orders);
    }
}

#[test]
fn a_machine_that_was_just_started_runs_on() {
    let site = home();
    let start: energy::Timestamp = "2024-01-10T10:00:00Z".parse().unwrap();
    let mut state = State::new(&site, start);
    let conditions = Conditions {
        import_kw_max: 11.0,
        firm_kw: 0.12,
        pue: 1.0,
        ..mild(0.3)
    };
    let step = |minutes: i64| Step {
        start: energy::Timestamp::from_second(start.as_second() + minutes * 60).unwrap(),
        hours: 0.25,
        conditions,
    };
    let on = Orders {
        groups: vec![GroupOrder {
            units: 1,
            power_kw: 1.323,
        }],
        ..Orders::default()
    };
    let off = Orders::off(&site);
    plant::step(&site, &mut state, &step(0), &on);
    let units = |state: &mut State, minutes| {
        plant::step(&site, state, &step(minutes), &off)
            .running
            .groups[0]
            .units
    };
    assert_eq!([units(&mut state, 15), units(&mut state, 45)], [1, 1]);
    assert_eq!(units(&mut state, 60), 0, "its hour is over");
}

#[test]
fn work_that_was_missed_is_counted_once() {
    let site = mining_site();
    let start: energy::Timestamp = "2024-01-10T05:00:00Z".parse().unwrap();
    let mut state = State::new(&site, start);
    let off = Orders::off(&site);
    let mut missed = Vec::new();
    for hour in 0..3 {
        let start = energy::Timestamp::from_second(start.as_second() + hour * 3600).unwrap();
        let step = Step {
            start,
            hours: 1.0,
            conditions: mild(0.05),
        };
        missed.push(plant::step(&site, &mut state, &step, &off).missed_kwh);
    }
    // Midnight in Chicago is six o'clock: of that first day one hour's share of the work was at hand.
    assert_eq!(missed, [0.0, 250.0, 0.0]);
}

#[test]
fn a_cut_line_leaves_firm_ai_to_the_battery_and_nothing_else() {
    let site = mining_site();
    let start: energy::Timestamp = "2024-01-10T10:00:00Z".parse().unwrap();
    let mut state = State::new(&site, start);
    state.battery_kwh = 1000.0;
    let all = Orders {
        groups: vec![GroupOrder {
            units: 300,
            power_kw: 1258.0,
        }],
        batch_kw: vec![600.0],
        battery_kw: 500.0,
        ..Orders::default()
    };
    let step = Step {
        start,
        hours: 1.0,
        conditions: Conditions {
            import_kw_max: 0.0,
            ..mild(0.05)
        },
    };
    let outcome = plant::step(&site, &mut state, &step, &all);
    assert_eq!(outcome.shortfall_kwh, 0.0);
    assert_eq!(outcome.running.miners_kw(), 0.0);
    assert!((outcome.running.discharge_kw - 330.0).abs() < 1e-6);
}
