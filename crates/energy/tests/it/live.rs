//! A site that is steered at its addresses, over real protocols; what stands there is simulated.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use energy::Timestamp;
use energy::controller::{Health, Mode, Settings};
use energy::drivers::{Clock, PriceShape, PriceSpan, Throttle};
use energy::evidence::Evidence;
use energy::live::{Live, LiveEvent, LiveView, With};
use energy::simulated::{
    Battery, Fault, Image, Machine, Reply, Served, SimulatedClock, Vtn, axeos, braiins, price_feed,
    serve_http, sunspec,
};
use energy::site::Site;
use serde_json::json;

use crate::devices::may_serve_miners;

const FIRM_KW: f64 = 2.0;
/// Simulated seconds between two rounds.
const STEP_SECONDS: f64 = 5.0;

/// Two machines with Braiins OS, two with AxeOS, a battery, a meter, a feed of prices, the grid.
struct Scene {
    network: u8,
    clock: Arc<SimulatedClock>,
    machines: Vec<Arc<Machine>>,
    battery: Arc<Battery>,
    is_feed_up: Arc<AtomicBool>,
    vtn: Vtn,
    text: String,
    folder: tempfile::TempDir,
    highest_kw: f64,
    served: Served,
}

struct Answers {
    slots: AtomicU32,
}

impl Throttle for Answers {
    fn slots(&self) -> u32 {
        self.slots.load(Ordering::Relaxed)
    }
    fn set_slots(&self, slots: u32) {
        self.slots.store(slots, Ordering::Relaxed);
    }
    /// Nobody asks for much.
    fn busy(&self) -> u32 {
        self.slots().min(1)
    }
    fn measured_power_w(&self) -> Option<f64> {
        None
    }
}

fn start() -> Timestamp {
    "2024-05-01T12:00:00Z".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(start().as_second() + seconds).unwrap()
}

fn ip(network: u8, kind: u8, number: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, network, kind, number))
}

fn import_kw(machines: &[Arc<Machine>], battery: &Battery) -> f64 {
    let machines_w: f64 = machines.iter().map(|machine| machine.power_w()).sum();
    FIRM_KW + (machines_w + battery.power_w()) / 1000.0
}

/// Cheap for an hour, then dear for two, then cheap for the rest of two days.
fn prices() -> Vec<PriceSpan> {
    let span = |hour: i64| PriceSpan {
        start: at(hour * 3600),
        end: at((hour + 1) * 3600),
        per_kwh: if hour == 1 || hour == 2 { 3.0 } else { 0.01 },
    };
    (-12..36).map(span).collect()
}

impl Scene {
    async fn new(network: u8) -> Self {
        let clock = Arc::new(SimulatedClock::new(start()));
        let (mut machines, mut served) = (Vec::new(), Served::default());
        let tuned = Site::parse(&site_text(
            network,
            "127.0.0.1:1",
            "http://127.0.0.1:1",
            "http://127.0.0.1:1",
        ))
        .unwrap();
        for (group, number) in [(0, 1), (0, 2), (1, 3), (1, 4)] {
            let curve = tuned.miners[group].curve.clone();
            let machine = Machine::new(clock.clone(), curve, 4.0, 60.0);
            let address = ip(network, 1, number);
            served.join(if group == 0 {
                braiins(address, machine.clone()).await.unwrap()
            } else {
                axeos(address, machine.clone()).await.unwrap()
            });
            machines.push(machine);
        }
        let local = |kind: u8| SocketAddr::new(ip(network, kind, 1), 0);
        let battery = Battery::new(5_000.0, 1.0, 10.0);
        let (battery_at, kept) = sunspec(local(8), Image::Battery(battery.clone()))
            .await
            .unwrap();
        served.join(kept);
        let (of_machines, of_battery) = (machines.clone(), battery.clone());
        let shown = move || import_kw(&of_machines, &of_battery) * 1000.0;
        let (meter_at, kept) = sunspec(local(7), Image::Meter(Arc::new(shown)))
            .await
            .unwrap();
        served.join(kept);
        let is_feed_up = Arc::new(AtomicBool::new(true));
        let is_up = is_feed_up.clone();
        let answer = move |_| {
            Some(match is_up.load(Ordering::Relaxed) {
                true => Reply::ok(price_feed(&PriceShape::Awattar, &prices())),
                false => Reply::status(503),
            })
        };
        let (feed_at, kept) = serve_http(local(6), answer).await.unwrap();
        served.join(kept);
        let vtn = Vtn::serve(local(5)).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vtn.secret"), "secret\n").unwrap();
        let text = site_text(
            network,
            &meter_at.to_string(),
            &format!("http://{feed_at}/"),
            &vtn.url(),
        );
        let text = text.replace("127.0.0.1:2", &battery_at.to_string());
        Self {
            network,
            clock,
            machines,
            battery,
            is_feed_up,
            vtn,
            text,
            folder,
            highest_kw: 0.0,
            served,
        }
    }

    fn live(&self) -> Live {
        let mut with = With::clock(self.clock.clone());
        with.folder = self.folder.path().to_owned();
        with.prices_pause = Duration::from_millis(40);
        with.grid_pause = Duration::from_millis(40);
        with.settings = Settings {
            slack_seconds: 2.0 * STEP_SECONDS,
            calm_seconds: STEP_SECONDS,
            margin_share: 0.05,
            ..Settings::default()
        };
        with.bounds.deadline = Duration::from_secs(1);
        let answers = Arc::new(Answers {
            slots: AtomicU32::new(0),
        });
        with.workers.insert("answers".into(), (answers, 4));
        let (live, left_out) = Live::new(Site::parse(&self.text).unwrap(), with).unwrap();
        assert_eq!(left_out, ["attic"]);
        live
    }

    /// Time passes, round after round. Gives what happened.
    async fn pass(&mut self, live: &mut Live, seconds: f64) -> Vec<LiveEvent> {
        let mut events = Vec::new();
        let rounds = (seconds / STEP_SECONDS).ceil() as usize;
        for _ in 0..rounds {
            self.clock.advance(STEP_SECONDS);
            self.battery.advance(STEP_SECONDS / 3600.0);
            self.highest_kw = self
                .highest_kw
                .max(import_kw(&self.machines, &self.battery));
            live.round(&mut |event| events.push(event)).await;
            // Plans and servers need real time.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        events
    }

    /// As [`Scene::pass`], until something is so: a busy machine needs more rounds.
    async fn pass_until(
        &mut self,
        live: &mut Live,
        what: &str,
        is_so: impl Fn(&Self) -> bool,
    ) -> Vec<LiveEvent> {
        let mut events = Vec::new();
        for _ in 0..150 {
            if is_so(self) {
                return events;
            }
            events.extend(self.pass(live, 20.0).await);
        }
        panic!("{what}: {:#?}\n{events:#?}", live.view().borrow());
    }

    /// Rounds in which no time passes, until something is so.
    async fn until(
        &self,
        live: &mut Live,
        what: &str,
        is_so: impl Fn(&LiveView) -> bool,
    ) -> Vec<LiveEvent> {
        let mut events = Vec::new();
        for _ in 0..500 {
            live.round(&mut |event| events.push(event)).await;
            if is_so(live.view().borrow().as_ref().unwrap()) {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{what}: {:#?}\n{events:#?}", live.view().borrow());
    }

    fn mining_kw(&self) -> f64 {
        self.machines
            .iter()
            .map(|machine| machine.power_w())
            .sum::<f64>()
            / 1000.0
    }
}

fn site_text(network: u8, meter: &str, feed: &str, vtn: &str) -> String {
    format!(
        r#"
name = "shed"
time_zone = "UTC"
[grid]
import_kw_max = 14
[tariff]
import = {{ kind = "hourly", published_at = "13:00" }}
[meter]
address = "{meter}"
[price_feed]
url = "{feed}"
shape = "awattar"
[grid_calls]
url = "{vtn}"
program_id = "simulated"
client_id = "site"
secret_file = "vtn.secret"
[[miners]]
name = "hall"
units = 2
addresses = ["127.{network}.1.1", "127.{network}.1.2"]
curve = [{{ power_w = 784, hashrate_ths = 39.2 }}, {{ power_w = 2794, hashrate_ths = 121.8 }}, {{ power_w = 4195, hashrate_ths = 163.1 }}]
stop_seconds = 4
ramp_up_minutes = 1
[[miners]]
name = "desk"
units = 2
addresses = ["127.{network}.1.3", "127.{network}.1.4"]
curve = [{{ power_w = 800, hashrate_ths = 40 }}]
stop_seconds = 4
ramp_up_minutes = 1
[[miners]]
name = "attic"
units = 1
model = "s9"
[[ai.firm]]
name = "inference"
power_kw = {FIRM_KW}
[[ai.batch]]
name = "answers"
energy_kwh_per_day = 10
power_kw_max = 1
revenue_usd_per_kwh = 1
[battery]
energy_kwh = 10
energy_kwh_min = 1
charge_kw_max = 5
discharge_kw_max = 5
modbus = {{ address = "127.0.0.1:2" }}
"#
    )
}

fn delivered(events: &[LiveEvent]) -> Option<&Evidence> {
    events.iter().find_map(|event| match event {
        LiveEvent::Delivered(evidence) => Some(&**evidence),
        _ => None,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn real_machines_follow_the_plan_and_the_grid() {
    if !may_serve_miners().await {
        return;
    }
    let mut scene = Scene::new(85).await;
    let mut live = scene.live();
    live.warm(&mut |event| panic!("{event:?}")).await;
    scene
        .until(&mut live, "a plan", |view| view.plan.is_some())
        .await;
    scene
        .pass_until(&mut live, "all mine at a cent", |scene| {
            scene.mining_kw() > 6.0
        })
        .await;
    scene.pass(&mut live, 60.0).await;
    let view = live.view().borrow().clone().unwrap();
    assert_eq!(view.mode, Mode::Planned);
    assert!(
        view.units.iter().all(|unit| unit.health == Health::Good),
        "{view:#?}"
    );

    // The grid calls for all but 4 kW.
    let now = scene.clock.now();
    scene.vtn.add_event(json!({
        "id": "event-1", "objectType": "EVENT", "programID": "simulated", "eventName": "limit",
        "intervalPeriod": { "start": now.to_string(), "duration": "PT10M" },
        "intervals": [{ "id": 0, "payloads": [{ "type": "IMPORT_CAPACITY_LIMIT", "values": [4.0] }] }],
    }));
    scene
        .until(&mut live, "the call", |view| view.call.is_some())
        .await;
    scene.pass(&mut live, 60.0).await;
    assert!(import_kw(&scene.machines, &scene.battery) <= 4.0);
    let events = scene.pass(&mut live, 600.0).await;
    let evidence = delivered(&events).expect("a record of the delivery");
    assert!(
        evidence
            .delivered_ms
            .is_some_and(|at| at <= evidence.due_ms),
        "{evidence:?}"
    );
    scene
        .pass_until(&mut live, "the grid is told, and all mine again", |scene| {
            scene.vtn.reports().len() == 1 && scene.mining_kw() > 6.0
        })
        .await;

    // At three dollars nobody does, and the answers wait too.
    scene
        .pass_until(&mut live, "the dear hour", |scene| {
            scene.clock.now() > at(3600)
        })
        .await;
    scene
        .pass_until(&mut live, "nobody mines", |scene| scene.mining_kw() < 0.1)
        .await;
    let view = live.view().borrow().clone().unwrap();
    let more_at = view.more_at(0).expect("answers come back");
    assert_eq!(more_at, at(3 * 3600), "when it is cheap again");
    assert!(
        scene.highest_kw <= 14.0,
        "the cap is kept: {}",
        scene.highest_kw
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dead_is_named_and_waited_for() {
    if !may_serve_miners().await {
        return;
    }
    let mut scene = Scene::new(86).await;
    scene.machines[0].set_fault(Fault::Dead);
    scene.is_feed_up.store(false, Ordering::Relaxed);
    let mut live = scene.live();
    let mut said = Vec::new();
    live.warm(&mut |event| said.push(event)).await;
    let text = format!("{said:?}");
    assert!(text.contains("hall 1") && said.len() == 1, "{text}");
    scene
        .until(&mut live, "no prices", |view| !view.troubles.is_empty())
        .await;
    scene.pass(&mut live, 120.0).await;
    let view = live.view().borrow().clone().unwrap();
    assert!(view.plan.is_none(), "nothing is planned without a price");
    assert_eq!(view.mode, Mode::Holding);
    assert!(view.troubles[0].contains("prices"), "{view:?}");
    assert_ne!(view.units[0].health, Health::Good);

    // All comes back.
    scene.is_feed_up.store(true, Ordering::Relaxed);
    scene.machines[0].set_fault(Fault::None);
    scene
        .until(&mut live, "a plan", |view| {
            view.plan.is_some() && view.troubles.is_empty()
        })
        .await;
    scene
        .pass_until(&mut live, "all mine", |scene| scene.mining_kw() > 6.0)
        .await;
    scene.pass(&mut live, 60.0).await;
    let view = live.view().borrow().clone().unwrap();
    assert!(
        view.units.iter().all(|unit| unit.health == Health::Good),
        "{view:#?}"
    );
    assert!(scene.mining_kw() > 6.0 && scene.highest_kw <= 14.0);

    // Whoever steers is killed, and another goes on with what runs.
    let before: Vec<f64> = scene
        .machines
        .iter()
        .map(|machine| machine.limit_w())
        .collect();
    drop(live);
    let mut live = scene.live();
    live.round(&mut |_| {}).await;
    let after: Vec<f64> = scene
        .machines
        .iter()
        .map(|machine| machine.limit_w())
        .collect();
    assert_eq!(before, after, "what runs is adopted");
    scene
        .until(&mut live, "a plan", |view| view.plan.is_some())
        .await;
    scene
        .pass_until(&mut live, "all mine on", |scene| scene.mining_kw() > 6.0)
        .await;
    assert!(scene.mining_kw() > 6.0 && scene.highest_kw <= 14.0);
    let _ = (scene.network, &scene.served);
}

#[tokio::test]
async fn a_site_that_cannot_be_steered_says_why() {
    let text = site_text(
        87,
        "127.0.0.1:1",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:1/",
    );
    let refused = |text: &str| {
        let clock = Arc::new(SimulatedClock::new(start()));
        let mut with = With::clock(clock);
        with.folder = PathBuf::from("/nonexistent");
        match Live::new(Site::parse(text).unwrap(), with) {
            Err(error) => (error.code(), error.to_string(), error.hint()),
            Ok(_) => ("", String::new(), ""),
        }
    };
    assert_eq!(refused(&text).0, "secret_unreadable");
    let no_calls = cut(&text, "[grid_calls]", "[[miners]]");
    assert_eq!(refused(&no_calls).0, "");
    assert_eq!(
        refused(&cut(&no_calls, "[price_feed]", "[[miners]]")).0,
        "site_unpriced"
    );
    assert_eq!(
        refused(&cut(&no_calls, "[meter]", "[price_feed]")).0,
        "site_unmetered"
    );
}

#[test]
fn wrong_addresses_are_pointed_at() {
    let good = site_text(
        88,
        "127.0.0.1:1",
        "http://127.0.0.1:1/",
        "http://127.0.0.1:1/",
    );
    let line_of = |part: &str| good.lines().position(|line| line.contains(part)).unwrap() + 1;
    for (from, to, line, why) in [
        (
            "\"127.88.1.1\", ",
            "",
            line_of("127.88.1.1"),
            "1 entries for 2 machines",
        ),
        (
            "127.88.1.3",
            "127.88.1.2",
            line_of("127.88.1.3"),
            "another machine has",
        ),
        (
            "127.88.1.4",
            "127.88.1.400",
            line_of("127.88.1.3"),
            "invalid IP address",
        ),
        (
            "http://127.0.0.1:1/\"\nshape",
            "ftp://x\"\nshape",
            line_of("[price_feed]") + 1,
            "https://",
        ),
        (
            "awattar",
            "ercot",
            line_of("[price_feed]"),
            "settlement_point",
        ),
        (
            "model = \"s9\"",
            "model = \"s9\"\nplug = { command_topic = \"a\", power_topic = \"b\" }",
            line_of("model = \"s9\"") + 1,
            "[mqtt]",
        ),
    ] {
        let text = good.replace(from, to);
        assert_ne!(text, good);
        let error = Site::parse(&text).unwrap_err().to_string();
        assert!(
            error.contains(&format!("line {line}")) && error.contains(why),
            "{error} (line {line}, {why})"
        );
    }
    let unmetered = cut(&good, "[meter]", "[price_feed]");
    assert!(
        Site::parse(&unmetered)
            .unwrap_err()
            .to_string()
            .contains("needs a meter")
    );
}

/// Without what stands from one mark to another.
fn cut(text: &str, from: &str, to: &str) -> String {
    let (first, last) = (text.find(from).unwrap(), text.find(to).unwrap());
    format!("{}{}", &text[..first], &text[last..])
}
