//! Drivers against simulated devices, through the real protocols.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use energy::Timestamp;
use energy::controller::Command;
use energy::drivers::{
    Bounds, Driver, Fleet, Measures, Miners, PlugTopics, Plugs, PriceShape, PriceSpan, Signal,
    SunSpec, Throttle, Ven, Worker, fetch_prices, hourly,
};
use energy::evidence::{Called, Evidence};
use energy::simulated::{
    Battery, Broker, Fault, Image, Machine, Reply, Served, SimulatedClock, SimulatedPlug, Vtn,
    axeos, braiins, price_feed, serve_http, sunspec,
};
use energy::site::{Curve, CurvePoint};

fn start() -> Timestamp {
    "2024-05-01T12:00:00Z".parse().unwrap()
}

fn address(kind: u8, number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, 83, kind, number))
}

fn local() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// Miners are spoken to at port 80, which needs a right on some systems, and addresses that only Linux gives.
pub async fn may_serve_miners() -> bool {
    let taken = tokio::net::TcpListener::bind((address(0, 1), 80)).await;
    if let Err(error) = &taken {
        println!("SKIPPED: port 80 of the loopback network can't be taken: {error}");
    }
    taken.is_ok()
}

fn s19() -> Curve {
    let point = |(power_w, hashrate_ths)| CurvePoint {
        power_w,
        hashrate_ths,
    };
    Curve::new(
        [(784.0, 39.2), (2794.0, 121.8), (4195.0, 163.1)]
            .map(point)
            .to_vec(),
    )
}

struct Bench {
    clock: Arc<SimulatedClock>,
    machines: Vec<Arc<Machine>>,
    fleet: Fleet,
    _served: Served,
}

/// Machines with Braiins OS, then machines with AxeOS.
async fn machines(kind: u8, braiins_count: u8, axeos_count: u8) -> Bench {
    let clock = Arc::new(SimulatedClock::new(start()));
    let miners = Miners::new(&[]).unwrap();
    let (mut machines, mut served) = (Vec::new(), Served::default());
    let mut drivers: Vec<Arc<dyn Driver>> = Vec::new();
    for number in 1..=braiins_count + axeos_count {
        let machine = Machine::new(clock.clone(), s19(), 4.0, 60.0);
        let at = address(kind, number);
        served.join(if number <= braiins_count {
            braiins(at, machine.clone()).await.unwrap()
        } else {
            axeos(at, machine.clone()).await.unwrap()
        });
        drivers.push(Arc::new(miners.at(at, 784.0)));
        machines.push(machine);
    }
    let fleet = Fleet::new(drivers, Bounds::default());
    let failed = fleet.warm().await;
    assert!(failed.is_empty(), "{failed:?}");
    Bench {
        clock,
        machines,
        fleet,
        _served: served,
    }
}

async fn power_w(bench: &Bench, unit: usize) -> f64 {
    bench.fleet.read_one(unit).await.unwrap().power_w
}

#[tokio::test]
async fn braiins_and_axeos_change_their_power() {
    if !may_serve_miners().await {
        return;
    }
    let bench = machines(1, 1, 1).await;
    let all = |power_w| [0, 1].map(|unit| Command { unit, power_w });
    for (_, done) in bench.fleet.command(&all(4195.0)).await {
        done.unwrap();
    }
    bench.clock.advance(30.0);
    let half_way = power_w(&bench, 0).await;
    assert!(
        (1000.0..3000.0).contains(&half_way),
        "raising takes its time: {half_way}"
    );
    bench.clock.advance(60.0);
    for unit in [0, 1] {
        assert!((power_w(&bench, unit).await - 4195.0).abs() < 1.0);
    }
    let hashrate = bench.fleet.read_one(0).await.unwrap().hashrate_ths.unwrap();
    assert!((hashrate - 163.1).abs() < 0.1, "{hashrate}");
    bench
        .fleet
        .command_one(Command {
            unit: 0,
            power_w: 2000.0,
        })
        .await
        .unwrap();
    bench.clock.advance(5.0);
    assert!(
        (power_w(&bench, 0).await - 2000.0).abs() < 1.0,
        "Braiins takes a power target"
    );
    for (_, done) in bench.fleet.command(&all(0.0)).await {
        done.unwrap();
    }
    bench.clock.advance(5.0);
    for unit in [0, 1] {
        assert!(power_w(&bench, unit).await < 50.0);
        assert!(bench.machines[unit].is_paused());
    }
}

#[tokio::test]
async fn a_refusal_is_told_and_the_dead_hold_nobody_up() {
    if !may_serve_miners().await {
        return;
    }
    let bench = machines(2, 2, 6).await;
    bench.machines[0].set_fault(Fault::Refuses);
    for machine in &bench.machines[2..5] {
        machine.set_fault(Fault::Dead);
    }
    let began = Instant::now();
    let commands: Vec<Command> = (0..8).map(|unit| Command { unit, power_w: 0.0 }).collect();
    let done = bench.fleet.command(&commands).await;
    assert!(
        began.elapsed() < Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );
    for (unit, result) in done {
        let code = result.err().map(|error| error.code());
        match unit {
            0 => assert_eq!(code, Some("device_refused")),
            2..5 => assert_eq!(code, Some("device_timed_out")),
            _ => assert_eq!(code, None, "unit {unit}"),
        }
    }
}

#[tokio::test]
async fn nothing_at_an_address_is_no_miner() {
    let miner = Miners::new(&[]).unwrap().at(address(3, 1), 784.0);
    assert_eq!(miner.warm().await.unwrap_err().code(), "device_unreachable");
    assert!(Miners::new(&[("no such firmware", "root", "")]).is_err());
}

#[tokio::test]
async fn a_meter_and_panels_are_read_and_a_battery_is_commanded() {
    let import_w = Arc::new(AtomicI64::new(-2_300));
    let shown = import_w.clone();
    let image = Image::Meter(Arc::new(move || shown.load(Ordering::Relaxed) as f64));
    let (at, _meter) = sunspec(local(), image).await.unwrap();
    let meter = SunSpec::new(at, 1, Measures::Import);
    assert_eq!(meter.read().await.unwrap().power_w, -2_300.0);
    import_w.store(1_050_000, Ordering::Relaxed);
    assert_eq!(meter.read().await.unwrap().power_w, 1_050_000.0);
    assert_eq!(
        meter.command(1.0).await.unwrap_err().code(),
        "device_unsupported"
    );

    let (at, _panels) = sunspec(local(), Image::Inverter(Arc::new(|| 5_000.0)))
        .await
        .unwrap();
    let panels = SunSpec::new(at, 1, Measures::Panels);
    assert_eq!(panels.read().await.unwrap().power_w, -5_000.0);

    let simulated = Battery::new(5_000.0, 0.0, 10.0);
    let (at, _battery) = sunspec(local(), Image::Battery(simulated.clone()))
        .await
        .unwrap();
    let battery = SunSpec::new(at, 1, Measures::Battery);
    for power_w in [5_000.0, -1_250.0, 0.0, 2_500.0] {
        battery.command(power_w).await.unwrap();
        assert_eq!(battery.read().await.unwrap().power_w, power_w);
        assert_eq!(simulated.power_w(), power_w);
    }
}

#[tokio::test]
async fn a_device_that_comes_back_is_connected_again() {
    let (at, served) = sunspec(local(), Image::Inverter(Arc::new(|| 700.0)))
        .await
        .unwrap();
    let panels = SunSpec::new(at, 1, Measures::Panels);
    panels.warm().await.unwrap();
    drop(served);
    while panels.read().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _served = serve_again(at).await;
    assert_eq!(panels.read().await.unwrap().power_w, -700.0);
}

/// The port is free as soon as the old server's task has ended.
async fn serve_again(at: SocketAddr) -> Served {
    for _ in 0..100 {
        if let Ok((_, served)) = sunspec(at, Image::Inverter(Arc::new(|| 700.0))).await {
            return served;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the port stays taken");
}

async fn read_until(plug: &dyn Driver, wanted_w: f64) {
    let mut last = None;
    for _ in 0..200 {
        last = Some(plug.read().await.map(|reading| reading.power_w));
        if last == Some(Ok(wanted_w)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("wanted {wanted_w} W, and last saw {last:?}");
}

#[tokio::test]
async fn a_plug_is_switched_over_mqtt() {
    let heater = SimulatedPlug {
        name: "plugs/heater".into(),
        load_w: 1323.0,
        is_deaf: false,
    };
    let broker = Broker::serve(local(), vec![heater]).await.unwrap();
    let at = broker.address();
    let plugs = Plugs::connect(&at.ip().to_string(), at.port(), "test", None);
    let topics = PlugTopics::from_discovery(
        r#"{"command_topic":"plugs/heater/set"}"#,
        r#"{"state_topic":"plugs/heater/power","value_template":"{{ value }}"}"#,
    );
    let plug = plugs.plug(topics.unwrap());
    plug.warm().await.unwrap();
    read_until(&plug, 0.0).await;
    plug.command(1323.0).await.unwrap();
    read_until(&plug, 1323.0).await;
    assert_eq!(broker.power_w(), 1323.0);
    broker.set_deaf(0, true);
    plug.command(0.0).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(
        plug.read().await.unwrap().power_w,
        1323.0,
        "what it draws is read, never assumed"
    );
    broker.set_deaf(0, false);
    plug.command(0.0).await.unwrap();
    read_until(&plug, 0.0).await;
}

#[tokio::test]
async fn a_worker_takes_as_many_pieces_as_fit() {
    #[derive(Default)]
    struct Node(std::sync::atomic::AtomicU32);
    impl Throttle for Node {
        fn slots(&self) -> u32 {
            self.0.load(Ordering::Relaxed)
        }
        fn set_slots(&self, slots: u32) {
            self.0.store(slots, Ordering::Relaxed);
        }
        fn busy(&self) -> u32 {
            self.slots()
        }
        fn measured_power_w(&self) -> Option<f64> {
            None
        }
    }
    let node = Arc::new(Node::default());
    let worker = Worker::new(node.clone(), 50.0, 300.0, 8);
    for (power_w, slots) in [(0.0, 0), (349.0, 0), (350.0, 1), (1_000.0, 3), (1e9, 8)] {
        worker.command(power_w).await.unwrap();
        assert_eq!(node.slots(), slots, "{power_w} W");
    }
    assert_eq!(worker.read().await.unwrap().power_w, 2_450.0);
}

fn day() -> Vec<PriceSpan> {
    // The day on which clocks are set back in Chicago, so that one local hour comes twice.
    let first = "2024-11-03T05:00:00Z".parse::<Timestamp>().unwrap();
    let at = |hour: i64| Timestamp::from_second(first.as_second() + hour * 3600).unwrap();
    (0..25)
        .map(|hour| PriceSpan {
            start: at(hour),
            end: at(hour + 1),
            per_kwh: 0.05 + 0.01 * hour as f64 - if hour == 3 { 0.2 } else { 0.0 },
        })
        .collect()
}

#[tokio::test]
async fn prices_come_over_http_in_each_shape() {
    let shapes = [
        PriceShape::EnergyCharts,
        PriceShape::Awattar,
        PriceShape::Octopus,
        PriceShape::Ercot {
            settlement_point: "HB_HUBAVG".into(),
        },
    ];
    for shape in shapes {
        let body = price_feed(&shape, &day());
        let (at, _served) = serve_http(local(), move |_| Some(Reply::ok(body.clone())))
            .await
            .unwrap();
        let spans = fetch_prices(&format!("http://{at}/prices?key=secret"), &shape)
            .await
            .unwrap();
        assert_eq!(spans.len(), 25, "{shape:?}");
        for (span, expected) in spans.iter().zip(day()) {
            assert_eq!(
                (span.start, span.end),
                (expected.start, expected.end),
                "{shape:?}"
            );
            assert!((span.per_kwh - expected.per_kwh).abs() < 1e-9, "{shape:?}");
        }
        let series = hourly(&spans, 2.0).unwrap();
        assert!((series.values()[24] - 0.58).abs() < 1e-9);
    }
    let (at, _served) = serve_http(local(), |_| Some(Reply::status(503)))
        .await
        .unwrap();
    let error = fetch_prices(&format!("http://{at}/?key=secret"), &PriceShape::Awattar)
        .await
        .unwrap_err();
    assert_eq!(error.code(), "device_refused");
    assert!(!error.to_string().contains("secret"));
    assert!(
        fetch_prices("file:///etc/passwd", &PriceShape::Awattar)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_call_is_heard_over_openadr_and_its_delivery_reported() {
    let vtn = Vtn::serve(local()).await.unwrap();
    vtn.add_event(serde_json::json!({
        "id": "event-1",
        "objectType": "EVENT",
        "programID": "reserve",
        "intervalPeriod": { "start": "2024-05-01T13:00:00Z", "duration": "PT30M" },
        "intervals": [
            { "id": 0, "payloads": [{ "type": "IMPORT_CAPACITY_LIMIT", "values": [250.0] }, { "type": "UNHEARD_OF", "values": ["x"] }] },
            { "id": 1, "payloads": [{ "type": "SIMPLE", "values": [2] }] },
        ],
    }));
    vtn.add_event(serde_json::json!({ "id": "other", "programID": "else", "intervals": [] }));
    let ven = Ven::new(&vtn.url(), "site", "secret").unwrap();
    let events = ven.events("reserve", start()).await.unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].signal, Signal::ImportLimit { power_kw: 250.0 });
    assert_eq!(events[1].start, "2024-05-01T13:30:00Z".parse().unwrap());
    assert_eq!(events[1].signal, Signal::Simple { level: 2 });
    let called = Called {
        power_kw: 10.0,
        at: start(),
        within_seconds: 10.0,
        ended: start() + Duration::from_secs(600),
    };
    let evidence = Evidence::new("site", called, std::iter::empty());
    ven.report(&events[0], &evidence).await.unwrap();
    assert_eq!(vtn.reports()[0]["eventID"], "event-1");
    let stranger = Ven::new(&vtn.url(), "site", "wrong").unwrap();
    assert_eq!(
        stranger
            .events("reserve", start())
            .await
            .unwrap_err()
            .code(),
        "device_refused"
    );
}
