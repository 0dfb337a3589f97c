//! The order in which load goes.

use energy::plant::{GroupOrder, Running};
use energy::shed::{Load, Now, ShedOrder};

use crate::common::mining_site;

fn running() -> Running {
    Running {
        groups: vec![GroupOrder {
            units: 300,
            power_kw: 300.0 * 4.195,
        }],
        batch_kw: vec![400.0],
        firm_kw: 300.0,
        charge_kw: 100.0,
        ..Running::default()
    }
}

fn now(hashprice_usd_per_th_day: f64, pue: f64) -> Now<'static> {
    Now {
        hashprice_usd_per_th_day,
        pue,
        discharge_kw_more: 500.0,
        worth: None,
    }
}

#[test]
fn what_is_worth_least_goes_first_and_firm_ai_never() {
    let order = ShedOrder::new(&mining_site(), &running(), &now(0.05, 1.1));
    let loads: Vec<Load> = order.all().iter().map(|shed| shed.load).collect();
    let miners = |stretch| Load::Miners { group: 0, stretch };
    assert_eq!(
        loads,
        [
            Load::Charging,
            miners(2),
            miners(1),
            miners(0),
            Load::Batch { job: 0 }
        ]
    );
    let all = order.power_kw_within(f64::INFINITY);
    assert!(
        (all - (100.0 + (300.0 * 4.195 + 400.0) * 1.1)).abs() < 1e-6,
        "{all}"
    );
}

#[test]
fn only_what_is_quick_enough_is_taken() {
    let order = ShedOrder::new(&mining_site(), &running(), &now(0.05, 1.0));
    let taken = order.take(500.0, 10.0);
    assert!((taken.iter().map(|shed| shed.power_kw).sum::<f64>() - 500.0).abs() < 1e-9);
    assert!(
        taken
            .iter()
            .all(|shed| shed.seconds <= 10.0 && !matches!(shed.load, Load::Batch { .. }))
    );
    let in_a_second = order.take(500.0, 1.0);
    assert_eq!(
        in_a_second.iter().map(|shed| shed.load).collect::<Vec<_>>(),
        [Load::Charging]
    );
    assert!(order.take(0.0, 10.0).is_empty());
}

#[test]
fn however_much_a_hash_brings_promised_work_goes_last() {
    let order = ShedOrder::new(&mining_site(), &running(), &now(5.0, 1.0));
    assert_eq!(order.all().last().unwrap().load, Load::Batch { job: 0 });
}

#[test]
fn a_plan_says_what_the_battery_and_the_work_are_worth() {
    let worth = energy::plant::Worth {
        stored_usd_per_kwh: 0.5,
        later_usd_per_kwh: vec![0.599],
    };
    let now = Now {
        worth: Some(&worth),
        ..now(0.05, 1.0)
    };
    let loads: Vec<Load> = ShedOrder::new(&mining_site(), &running(), &now)
        .all()
        .iter()
        .map(|shed| shed.load)
        .collect();
    assert_eq!(
        loads[0],
        Load::Batch { job: 0 },
        "work that can as well be done later"
    );
    assert_eq!(loads[4..], [Load::Charging, Load::Discharging]);
}
