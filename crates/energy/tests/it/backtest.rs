//! Backtests: no foresight, no cheating, the same again.

use energy::Timestamp;
use energy::backtest::{
    Forecasters, Hashprice, Inputs, Knowledge, Options, Planned, Policy, World, bound_usd, compare,
    run,
};
use energy::market::BitcoinDay;
use energy::plan::{self, Highs};
use jiff::civil::date;

use crate::common::{home, mining_site};

fn start() -> Timestamp {
    "2024-05-01T05:00:00Z".parse().unwrap()
}

fn options() -> Options {
    Options {
        foresight: true,
        keep_hours: true,
    }
}

#[test]
fn the_planner_beats_the_baselines_and_keeps_every_promise() {
    let site = mining_site();
    let world = World::synthetic(&site, 11, start(), 14).unwrap();
    let report = compare(&site, &world, options()).unwrap();
    let net = |name: &str| report.tally(name).unwrap().money.net_usd();
    let day_ahead = net("planner, day-ahead");
    for name in ["always on", "on/off at break-even", "best gear"] {
        assert!(day_ahead > net(name), "{name}\n{report}");
    }
    assert!(net("planner, persistence") > net("best gear"), "{report}");
    for tally in &report.tallies {
        assert!(
            tally.money.net_usd() <= report.bound_usd + 0.01,
            "{}: better than foresight\n{report}",
            tally.name
        );
        assert_eq!(tally.sla_percent(), 100.0, "{}", tally.name);
        assert!(tally.import_kw_max <= 1100.0 + 1e-6, "{}", tally.name);
    }
    assert!(
        report.capture_percent(report.tally("planner, day-ahead").unwrap()) > 80.0,
        "{report}"
    );
    let text = report.to_string();
    assert!(
        text.contains("prices are made up (seed 11)") && text.contains("perfect foresight"),
        "{text}"
    );
}

#[test]
fn a_world_of_whole_days_begins_and_ends_at_midnight() {
    let site = mining_site();
    let zone = site.zone();
    let world = World::synthetic(&site, 1, start(), 4).unwrap();
    let whole = world.part(5, 80).whole_days(&zone);
    assert_eq!((whole.start, whole.hours), (world.moment(24), 48));
    let within_a_day = world.part(5, 10);
    assert_eq!(within_a_day.whole_days(&zone), within_a_day);
}

#[test]
fn a_halving_is_known_ahead_and_a_price_of_bitcoin_is_not() {
    let site = mining_site();
    let day = |price_usd| BitcoinDay {
        price_usd,
        difficulty: 86e12,
        fee_share: 0.05,
    };
    let days = [
        (date(2024, 4, 18), day(63_000.0)),
        (date(2024, 4, 19), day(90_000.0)),
    ];
    let inputs = Inputs {
        hashprice: Hashprice::Days(days.into()),
        start: Some("2024-04-19T05:00:00Z".parse().unwrap()),
        days: Some(2),
        ..Inputs::default()
    };
    let world = World::new(&site, &inputs).unwrap();
    let (zone, prices) = (site.zone(), Knowledge::CurrentHour);
    let known = world.known(&site, &zone, 12, &prices);
    let outlook = known.outlook(&Forecasters::default(), 24);
    let hashprice = |i: usize| outlook[i].conditions.hashprice_usd_per_th_day;
    assert_eq!(hashprice(0), hashprice(6));
    assert!(
        (hashprice(7) - hashprice(6) / 2.0).abs() < 1e-12,
        "from midnight UTC"
    );
    assert_eq!(
        hashprice(23),
        hashprice(7),
        "tomorrow's close isn't expected"
    );
}

#[test]
fn what_is_mined_is_valued_by_what_was_known_when_its_local_day_began() {
    let site = mining_site();
    let zone = site.zone();
    let day = |price_usd| BitcoinDay {
        price_usd,
        difficulty: 86e12,
        fee_share: 0.05,
    };
    // Two days from a midnight in Texas on, which is at 6 o'clock UTC. The 11th isn't in the table.
    let of = |closes: &[(i8, f64)]| {
        let days = closes
            .iter()
            .map(|(of_month, usd)| (date(2024, 1, *of_month), day(*usd)));
        let inputs = Inputs {
            hashprice: Hashprice::Days(days.collect()),
            start: Some("2024-01-10T06:00:00Z".parse().unwrap()),
            days: Some(3),
            ..Inputs::default()
        };
        World::new(&site, &inputs).map(|world| {
            let hour = |hour| world.step(&site, &zone, hour).conditions;
            (0..72)
                .map(|i| hour(i).hashprice_usd_per_th_day)
                .collect::<Vec<f64>>()
        })
    };
    let values = of(&[(9, 40_000.0), (10, 50_000.0), (12, 70_000.0)]).unwrap();
    assert!(
        values
            .chunks(24)
            .all(|day| day.iter().all(|v| *v == day[0])),
        "no change within a local day"
    );
    assert!((values[24] / values[0] - 1.25).abs() < 1e-12);
    assert_eq!(
        values[48], values[24],
        "the last day before one without data"
    );
    // The close of a day changes nothing before the next local day.
    let other = of(&[(9, 40_000.0), (10, 10_000.0), (12, 70_000.0)]).unwrap();
    assert_eq!(values[..24], other[..24]);
    assert_ne!(values[24], other[24]);
    assert_eq!(of(&[(10, 50_000.0)]).unwrap_err().code(), "no_data");
}

#[test]
fn the_same_backtest_has_the_same_result() {
    let site = home();
    let world = World::synthetic(&site, 3, start(), 2).unwrap();
    let money = || {
        let report = compare(&site, &world, options()).unwrap();
        report
            .tallies
            .into_iter()
            .map(|tally| (tally.money, tally.hours))
            .collect::<Vec<_>>()
    };
    assert_eq!(money(), money());
}

#[test]
fn nothing_of_the_future_but_published_prices_is_seen() {
    let site = mining_site();
    let one = World::synthetic(&site, 1, start(), 8).unwrap();
    let other = World::synthetic(&site, 2, start(), 8).unwrap();
    let zone = site.zone();
    // The first six days of one world, then another future.
    let changed_at = 24 * 6;
    let spliced = one.spliced(&other, changed_at);
    for knowledge in [Knowledge::CurrentHour, Knowledge::day_ahead(&site)] {
        let policy = || {
            let options = plan::Options {
                deadline: std::time::Duration::from_secs(60),
                ..plan::Options::default()
            };
            Planned::new(
                "p",
                knowledge.clone(),
                Forecasters::default(),
                options,
                Box::new(Highs::default()),
            )
        };
        let (mut a, mut b) = (policy(), policy());
        let (a, b) = (
            run(&site, &one, &mut a, true),
            run(&site, &spliced, &mut b, true),
        );
        let same = a
            .hours
            .iter()
            .zip(&b.hours)
            .take_while(|(a, b)| a == b)
            .count();
        // The prices of the seventh day are published at half past one of the sixth.
        let earliest = if knowledge == Knowledge::CurrentHour {
            changed_at
        } else {
            changed_at - 24 + 14
        };
        assert!(
            same >= earliest,
            "{same} hours are the same, but the future changed at {changed_at}"
        );
        assert!(same < one.hours, "another future must matter in the end");
        let known = one.known(&site, &zone, 30, &knowledge);
        assert_eq!(known.pv_kw.len(), 30);
    }
}

#[test]
fn a_price_feed_that_stops_costs_money_but_no_promise() {
    /// Decides by prices that ended after two days.
    struct Deaf(Planned);
    impl Policy for Deaf {
        fn name(&self) -> String {
            self.0.name()
        }
        fn knowledge(&self) -> Knowledge {
            self.0.knowledge()
        }
        fn decide(
            &mut self,
            site: &energy::site::Site,
            state: &energy::plant::State,
            known: &energy::backtest::Known<'_>,
        ) -> energy::plant::Orders {
            let heard = &known.market_usd_per_mwh[..known.market_usd_per_mwh.len().min(48)];
            self.0.decide(site, state, &known.with_prices(heard))
        }
    }
    let site = mining_site();
    let world = World::synthetic(&site, 5, start(), 7).unwrap();
    let options = plan::Options {
        deadline: std::time::Duration::from_secs(60),
        ..plan::Options::default()
    };
    let planned = || {
        Planned::new(
            "p",
            Knowledge::day_ahead(&site),
            Forecasters::default(),
            options,
            Box::new(Highs::default()),
        )
    };
    let hearing = run(&site, &world, &mut planned(), false);
    let deaf = run(&site, &world, &mut Deaf(planned()), false);
    assert_eq!(deaf.sla_percent(), 100.0);
    assert!(deaf.import_kw_max <= 1100.0 + 1e-6);
    assert!(deaf.money.net_usd() < hearing.money.net_usd());
    assert!(deaf.money.net_usd() > 0.9 * hearing.money.net_usd());
}

#[test]
fn a_home_gets_a_useful_answer_with_nothing_at_hand() {
    let site = home();
    let winter: Timestamp = "2024-01-09T23:00:00Z".parse().unwrap();
    let world = World::synthetic(&site, 4, winter, 5).unwrap();
    let report = compare(&site, &world, options()).unwrap();
    let day_ahead = report.tally("planner, day-ahead").unwrap();
    assert!(
        day_ahead.money.net_usd() > report.tally("always on").unwrap().money.net_usd(),
        "{report}"
    );
    assert_eq!(day_ahead.early_stops, 0);
    assert!(day_ahead.missed_kwh < 1e-6, "{report}");
    let svg = energy::chart::svg(day_ahead).unwrap();
    assert!(
        svg.starts_with("<svg") && svg.contains("miners"),
        "{}",
        &svg[..200]
    );
    let dots = energy::chart::terminal(day_ahead);
    assert!(
        dots.contains("price, $/kWh") && dots.lines().count() > 20,
        "{dots}"
    );
}

#[test]
fn the_days_on_which_clocks_change_are_days() {
    let site = mining_site();
    for start in ["2024-03-09T06:00:00Z", "2024-11-02T05:00:00Z"] {
        let world = World::synthetic(&site, 6, start.parse().unwrap(), 3).unwrap();
        let mut policy = Planned::new(
            "p",
            Knowledge::day_ahead(&site),
            Forecasters::default(),
            plan::Options {
                deadline: std::time::Duration::from_secs(60),
                ..plan::Options::default()
            },
            Box::new(Highs::default()),
        );
        let tally = run(&site, &world, &mut policy, false);
        assert_eq!(
            (tally.sla_percent(), tally.plans.fallbacks),
            (100.0, 0),
            "{start}"
        );
        assert!(tally.missed_kwh < 1.0, "{start}: {}", tally.missed_kwh);
        assert!(bound_usd(&site, &world).unwrap() >= tally.money.net_usd() - 0.01);
    }
}
