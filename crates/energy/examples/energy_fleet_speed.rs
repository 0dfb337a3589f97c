//! Measures how fast 5,000 simulated miners are at less power, over their real protocols, on this machine.
//!
//! `energy_fleet_speed [machines=N]`. It needs port 80 of the loopback network and about four open files for each machine.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a measurement that fails may stop loudly"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use energy::Timestamp;
use energy::controller::{Call, Controller, Role, Settings, UnitSpec};
use energy::drivers::{Bounds, Clock, Delivery, Measures, Miners, Operator, Placed, SunSpec};
use energy::simulated::{Fault, Image, Machine, Served, SimulatedClock, axeos, braiins, sunspec};
use energy::site::Site;

struct Hall {
    site: Arc<Site>,
    clock: Arc<SimulatedClock>,
    machines: Vec<Arc<Machine>>,
    specs: Vec<UnitSpec>,
    operator: Operator,
    _served: Served,
}

fn main() {
    let machines = std::env::args().find_map(|arg| arg.strip_prefix("machines=")?.parse().ok());
    let machines: usize = machines.unwrap_or(5_000);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(measure(machines));
}

async fn measure(count: usize) {
    raise_open_files();
    if let Err(error) = tokio::net::TcpListener::bind(("127.90.0.1", 80)).await {
        println!("SKIPPED: port 80 of the loopback network can't be taken: {error}");
        return;
    }
    let mut hall = build(count).await;
    let began = Instant::now();
    let failed = hall.operator.warm().await;
    println!(
        "{count} machines, half Braiins OS and half AxeOS: warmed in {:.1} s, {} failed, {} MiB in use",
        began.elapsed().as_secs_f64(),
        failed.len(),
        memory_mib()
    );
    let began = Instant::now();
    hall.operator.round().await;
    println!("all read in {:.2} s", began.elapsed().as_secs_f64());

    let all = hall.call(0.98).await;
    report("all machines", &all);
    let confirmed = all.confirmed.map(|time| time.as_secs_f64());
    println!(
        "| {count} machines: from the order to the last one confirmed at less power, warm | ≤ 3 s | {} | {} |",
        seconds(confirmed),
        met(confirmed, 3.0)
    );

    hall.restart().await;
    for (i, machine) in hall
        .machines
        .iter()
        .enumerate()
        .filter(|(i, _)| i % 20 == 0)
    {
        machine.set_fault([Fault::Dead, Fault::Slow, Fault::Deaf][i / 20 % 3]);
    }
    let some = hall.call(0.60).await;
    report(
        "60 % of the load, 5 % of the machines dead, slow or deaf",
        &some,
    );
    let metered = some.metered.map(|time| time.as_secs_f64());
    println!(
        "| the same, 5 % dead, slow or deaf: the meter shows the shed | ≤ 5 s | {} | {} |",
        seconds(metered),
        met(metered, 5.0)
    );
}

impl Hall {
    async fn call(&mut self, share: f64) -> Delivery {
        let power_kw: f64 = self
            .machines
            .iter()
            .map(|machine| machine.power_w() / 1000.0)
            .sum();
        let call = Call {
            power_kw: share * power_kw,
            within_seconds: 10.0,
            until: self.clock.now() + Duration::from_secs(600),
        };
        self.operator
            .deliver(call, Duration::from_millis(250), Duration::from_secs(30))
            .await
    }

    /// All machines at full power again, and a controller that reads it.
    async fn restart(&mut self) {
        for machine in &self.machines {
            machine.resume();
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.operator.controller =
            Controller::new(self.site.clone(), self.specs.clone(), settings());
        self.operator.round().await;
    }
}

fn report(what: &str, delivery: &Delivery) {
    println!(
        "{what}: {:.0} kW before, {:.0} kW after; commanded {}, lowered {}, failed {}",
        delivery.before_kw,
        delivery.import_kw,
        delivery.commanded,
        delivery.lowered,
        delivery.failed
    );
}

fn seconds(time: Option<f64>) -> String {
    time.map_or("never".into(), |time| format!("{time:.2} s"))
}

fn met(time: Option<f64>, goal: f64) -> &'static str {
    if time.is_some_and(|time| time <= goal) {
        "met"
    } else {
        "**missed**"
    }
}

fn settings() -> Settings {
    Settings {
        slack_seconds: 1.0,
        ..Settings::default()
    }
}

async fn build(count: usize) -> Hall {
    let half = count / 2;
    let text = format!(
        r#"
        name = "hall"
        time_zone = "UTC"
        [grid]
        import_kw_max = {}
        [tariff]
        import = {{ kind = "flat", usd_per_kwh = 0.05 }}
        [[miners]]
        name = "braiins"
        units = {half}
        model = "s19j-pro"
        firmware = "tunable"
        stop_seconds = 1.5
        [[miners]]
        name = "axeos"
        units = {}
        model = "s19j-pro"
        stop_seconds = 1.5
        "#,
        count * 5,
        count - half
    );
    let site = Arc::new(Site::parse(&text).unwrap());
    let clock = Arc::new(SimulatedClock::new(Timestamp::now()));
    let miners = Miners::new(&[]).unwrap();
    let (mut machines, mut placed, mut served) = (Vec::new(), Vec::new(), Served::default());
    for i in 0..count {
        let group = usize::from(i >= half);
        let curve = site.miners[group].curve.clone();
        let machine = Machine::new(clock.clone(), curve.clone(), 1.0, 2.0);
        machine.resume();
        let at = IpAddr::V4(Ipv4Addr::new(127, 90, (i / 250) as u8, (i % 250 + 1) as u8));
        served.join(if group == 0 {
            braiins(at, machine.clone()).await.unwrap()
        } else {
            axeos(at, machine.clone()).await.unwrap()
        });
        placed.push(Placed {
            spec: UnitSpec {
                name: format!("machine {i}"),
                role: Role::Miner { group },
                power_w_min: curve.power_w_min(),
                power_w_max: curve.power_w_max(),
                is_tunable: group == 0,
                lower_seconds: 1.5,
                raise_seconds: 5.0,
            },
            driver: Arc::new(miners.at(at, curve.power_w_min())),
        });
        machines.push(machine);
    }
    let all = machines.clone();
    let import = move || all.iter().map(|machine| machine.power_w()).sum();
    let (at, kept) = sunspec(
        SocketAddr::from(([127, 0, 0, 1], 0)),
        Image::Meter(Arc::new(import)),
    )
    .await
    .unwrap();
    served.join(kept);
    tokio::spawn(run(clock.clone()));
    let specs = placed.iter().map(|placed| placed.spec.clone()).collect();
    let meter = Arc::new(SunSpec::new(at, 1, Measures::Import));
    let operator = Operator::new(
        site.clone(),
        placed,
        meter,
        clock.clone(),
        settings(),
        Bounds::default(),
    );
    Hall {
        site,
        clock,
        machines,
        specs,
        operator,
        _served: served,
    }
}

/// Moves the clock as time passes.
async fn run(clock: Arc<SimulatedClock>) {
    let mut last = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let now = Instant::now();
        clock.advance((now - last).as_secs_f64());
        last = now;
    }
}

/// Each machine has a server, and a connection with two ends.
fn raise_open_files() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let raised = rustix::process::Rlimit {
        current: limit.maximum,
        ..limit
    };
    _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, raised);
}

fn memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok())
        .unwrap_or(0)
        / 1024
}
