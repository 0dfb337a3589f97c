//! `freehold up` with a site: a machine follows the plan and the grid, others are told to come later, what was delivered is
//! on record.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use energy::evidence::Evidence;
use energy::simulated::{Image, Machine, Served, SimulatedClock, Vtn, braiins, sunspec};
use energy::site::{Curve, CurvePoint};
use serde_json::{Value, json};

use super::may_serve_miners;
use crate::common::{Home, Node, Pay, ask};

const NETWORK: u8 = 92;

/// How often the machine's clock goes on.
const TICK: Duration = Duration::from_millis(100);

struct Scene {
    machine: Arc<Machine>,
    vtn: Vtn,
    site: String,
    _served: Served,
}

fn at(kind: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(127, NETWORK, kind, 1))
}

impl Scene {
    async fn new() -> Self {
        let point = |(power_w, hashrate_ths)| CurvePoint {
            power_w,
            hashrate_ths,
        };
        let points = [(784.0, 39.2), (2794.0, 121.8), (4195.0, 163.1)].map(point);
        let clock = Arc::new(SimulatedClock::new(energy::Timestamp::now()));
        let machine = Machine::new(clock.clone(), Curve::new(points.to_vec()), 1.0, 1.0);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TICK).await;
                clock.advance(TICK.as_secs_f64());
            }
        });
        let mut served = braiins(at(10), machine.clone()).await.unwrap();
        let metered = machine.clone();
        let image = Image::Meter(Arc::new(move || 300.0 + metered.power_w()));
        let (meter, kept) = sunspec(SocketAddr::new(at(8), 0), image).await.unwrap();
        served.join(kept);
        let vtn = Vtn::serve(SocketAddr::new(at(7), 0)).await.unwrap();
        let site = format!(
            r#"
name = "shed"
time_zone = "UTC"
grid = {{ import_kw_max = 8 }}
tariff = {{ import = {{ kind = "flat", usd_per_kwh = 0.001 }} }}
meter = {{ address = "{meter}" }}
[grid_calls]
url = "{}"
program_id = "simulated"
client_id = "site"
secret_file = "vtn.secret"
[[miners]]
name = "hall"
units = 1
addresses = ["{}"]
curve = [{{ power_w = 784, hashrate_ths = 39.2 }}, {{ power_w = 2794, hashrate_ths = 121.8 }}, {{ power_w = 4195, hashrate_ths = 163.1 }}]
stop_seconds = 1
ramp_up_minutes = 0.1
[[ai.firm]]
name = "mine"
power_kw = 0.2
[[ai.batch]]
name = "answers"
energy_kwh_per_day = 24
power_kw_max = 1
revenue_usd_per_kwh = 5
"#,
            vtn.url(),
            at(10),
        );
        Self {
            machine,
            vtn,
            site,
            _served: served,
        }
    }

    /// The grid wants no more than that for some seconds.
    fn call(&self, limit_kw: f64, seconds: u32) {
        let start = energy::Timestamp::now().to_string();
        self.vtn.add_event(json!({
            "id": "event-1", "objectType": "EVENT", "programID": "simulated", "eventName": "limit",
            "intervalPeriod": { "start": start, "duration": format!("PT{seconds}S") },
            "intervals": [{ "id": 0, "payloads": [{ "type": "IMPORT_CAPACITY_LIMIT", "values": [limit_kw] }] }],
        }));
    }
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn said(view: &Value) -> String {
    view["lines"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_steers_its_site() {
    if !may_serve_miners() {
        return;
    }
    let Some(home) = Home::new() else { return };
    let scene = Scene::new().await;
    std::fs::write(home.scratch().join("vtn.secret"), "secret").unwrap();
    let site = home.scratch().join("site.toml");
    std::fs::write(&site, &scene.site).unwrap();
    let config = std::fs::read_to_string(home.config_file()).unwrap_or_default();
    let energy =
        format!("\n[energy]\nsite = {site:?}\nanswers = \"answers\"\nbitcoin_usd = 90000\n");
    std::fs::write(home.config_file(), config + &energy).unwrap();

    let (exit, error) = home.error(&["energy", "status"]);
    assert_eq!(
        (exit, error["error"]["code"].as_str()),
        (1, Some("not_running")),
        "{error}"
    );
    let node = Node::start(&home).await;
    let status = || node.json(&["energy", "status"]);
    until("the machine runs", || scene.machine.power_w() > 3_000.0).await;
    until("it is seen", || status()["machines"][0]["health"] == "good").await;
    let view = status();
    assert_eq!(view["mode"], "planned", "{view:#}");
    assert!(
        view["plan"]["hours"].as_array().unwrap().len() > 20,
        "{view:#}"
    );
    let places = view["places"].as_u64().expect("answers are limited now");
    assert!(places > 0, "{view:#}");
    let reply = node.chat(Pay::Nothing, &ask("Hello", 5)).await;
    assert_eq!(
        reply.status,
        402,
        "there is power for answers: {}",
        reply.text()
    );

    // The grid calls: less than the owner's own AI is left.
    scene.call(0.4, 40);
    until("the machine stops", || scene.machine.power_w() < 100.0).await;
    until("answers wait", || status()["places"] == 0).await;
    let reply = node.chat(Pay::Nothing, &ask("Hello", 5)).await;
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (503, "power_short"),
        "{}",
        reply.text()
    );
    let later: u64 = reply
        .header("retry-after")
        .expect("when to come back")
        .parse()
        .unwrap();
    assert!((1..=40).contains(&later), "at the end of the call: {later}");
    let reply = node
        .chat(Pay::Bearer(&node.owner_token()), &ask("Hello", 5))
        .await;
    assert_eq!(reply.status, 200, "the owner is served: {}", reply.text());

    // It ends, and there is a record.
    until("a record", || {
        !status()["deliveries"].as_array().unwrap().is_empty()
    })
    .await;
    until("the machine runs again", || {
        scene.machine.power_w() > 3_000.0
    })
    .await;
    let delivery = status()["deliveries"][0].clone();
    let bytes = std::fs::read(delivery["file"].as_str().unwrap()).unwrap();
    let evidence = Evidence::from_bytes(&bytes).unwrap();
    assert!(
        evidence.called_w > 3_000 && evidence.delivered_ms.is_some(),
        "{evidence:?}"
    );
    let receipt = node.json(&["receipt", "show", delivery["receipt"].as_str().unwrap()]);
    let digest = {
        use sha2::{Digest as _, Sha256};
        hex::encode(Sha256::digest(&bytes))
    };
    assert!(receipt.to_string().contains(&digest), "{receipt:#}");
    until("the grid has its report", || scene.vtn.reports().len() == 1).await;
    let view = status();
    assert!(said(&view).contains("the call is over"), "{view:#}");
    let words = String::from_utf8(node.cli(&["energy", "status"]).stdout).unwrap();
    assert!(
        words.contains("hall 1") && words.contains("the plan"),
        "{words}"
    );

    // The node goes, the machine goes on; a site that can't be is refused at once.
    node.stop();
    assert!(scene.machine.power_w() > 3_000.0);
    std::fs::write(&site, scene.site.replace("units = 1", "units = 2")).unwrap();
    let output = home.cli(&["up"]);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && error.contains("line") && error.contains("addresses"),
        "{error}"
    );
}
