//! What the seller's door costs: calls of a session through the proxy, beside nginx and no proxy at all.
//!
//! The node and nginx have a core for themselves; the service and its buyers share the other. They take turns, so that
//! a busy machine slows them alike; and the time that each has had of its core is counted too, which tells what it
//! would do with a whole one.

pub mod load;
mod nginx;
pub mod redeem;

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Client;
use serde_json::{Map, Value, json};

use crate::house::House;
use crate::numbers::{median, rounded, show};
use crate::programs::{cpu_s, figures};
use load::Service;
use nginx::Nginx;

/// The core of the node, and of nginx.
const CORE: usize = 0;
const CLIENTS: usize = 64;
const ROUNDS: usize = 3;
const CROWD_S: f64 = 2.0;
const SINGLE_S: f64 = 1.0;
/// Enough for all calls of one run.
const DEPOSIT_SAT: u64 = 900_000;

const DIRECT: &str = "direct";
const NGINX: &str = "nginx";
const FREE: &str = "freehold, for nothing";
const PAID: &str = "freehold, paid by session";

/// One way to the upstream.
struct Way {
    name: &'static str,
    address: String,
    authorization: Option<String>,
    /// The proxy in between.
    pid: Option<u32>,
}

/// What was seen of one way, turn by turn.
#[derive(Clone, Default)]
struct Seen {
    per_s: Vec<f64>,
    per_core_s: Vec<f64>,
    p50_us: Vec<f64>,
}

impl Way {
    /// One turn: many clients, and then one.
    fn take_turn(&self, seen: &mut Seen) -> Result<(), String> {
        let ask = |clients, seconds| {
            load::measure(
                &self.address,
                self.authorization.as_deref(),
                clients,
                seconds,
            )
        };
        let before_s = self.pid.map(cpu_s);
        let crowd = ask(CLIENTS, CROWD_S)?;
        seen.per_s.extend(crowd["per_s"].as_f64());
        if let (Some(before_s), Some(pid), Some(count)) =
            (before_s, self.pid, crowd["count"].as_f64())
        {
            seen.per_core_s.push(count / (cpu_s(pid) - before_s));
        }
        seen.p50_us.extend(ask(1, SINGLE_S)?["p50_us"].as_f64());
        Ok(())
    }
}

impl Seen {
    fn report(&self) -> Value {
        json!({
            "per_s": rounded(median(&self.per_s)),
            "per_core_s": (!self.per_core_s.is_empty()).then(|| rounded(median(&self.per_core_s))),
            "p50_us": rounded(median(&self.p50_us)),
        })
    }
}

/// Measures everything. Nothing else should run meanwhile.
pub async fn measure() -> Result<Value, String> {
    let verifying = json!({
        "l402": figures("verify-speed")?["l402_verify_usual_per_s"],
        "session": figures("session-speed")?["session_call_per_s"],
    });
    let house = House::start_on(CORE).await?;
    let service = Service::start()?;
    let nginx = Nginx::start(house.scratch(), &service.address);
    let ways = ways(&house, &service, nginx.as_ref()).await;
    let mut seen = vec![Seen::default(); ways.len()];
    for _ in 0..ROUNDS {
        for (way, seen) in ways.iter().zip(&mut seen) {
            way.take_turn(seen)?;
        }
    }
    let reports = ways.iter().zip(&seen);
    let reports = reports.map(|(way, seen)| (way.name.to_owned(), seen.report()));
    Ok(json!({ "ways": reports.collect::<Map<_, _>>(), "verifying": verifying }))
}

async fn ways(house: &House, service: &Service, nginx: Option<&Nginx>) -> Vec<Way> {
    let upstream = format!("http://{}", service.address);
    let terms = json!({ "upstream": upstream, "price_sat": 1, "path": "/sold", "deposit_sat": DEPOSIT_SAT });
    house.api("/api/offers", terms).await;
    let way = |name, address: &str, authorization, pid| Way {
        name,
        address: address.to_owned(),
        authorization,
        pid,
    };
    let node = house.url().trim_start_matches("http://");
    let owner = format!("Bearer {}", house.owner());
    let paid = session(house, &format!("{}/sold", house.url())).await;
    let mut ways = vec![way(DIRECT, &service.address, None, None)];
    ways.extend(nginx.map(|nginx| way(NGINX, &nginx.address, None, Some(nginx.pid()))));
    ways.push(way(FREE, node, Some(owner), Some(house.pid())));
    ways.push(way(PAID, node, Some(paid), Some(house.pid())));
    ways
}

pub fn table(measured: &Value) -> String {
    let mut text = format!(
        "\nSelling: {CLIENTS} clients at once            a second   a second of the proxy's core   one client's p50\n"
    );
    let ways = &measured["ways"];
    for (name, way) in ways.as_object().into_iter().flatten() {
        let (per_s, per_core_s) = (show(&way["per_s"]), show(&way["per_core_s"]));
        let p50_us = show(&way["p50_us"]);
        let _ = writeln!(
            text,
            "  {name:<27} {per_s:>20} {per_core_s:>30} {p50_us:>15} us"
        );
    }
    let of = |name: &str, what: &str| ways[name][what].as_f64();
    if let (Some(paid), Some(free)) = (of(PAID, "p50_us"), of(FREE, "p50_us")) {
        let _ = writeln!(text, "  paying adds {:.0} us to a call (p50)", paid - free);
    }
    for (name, what) in [
        ("a second", "per_s"),
        ("a second of its core", "per_core_s"),
    ] {
        if let (Some(paid), Some(nginx)) = (of(PAID, what), of(NGINX, what)) {
            let percent = 100.0 * paid / nginx;
            let _ = writeln!(
                text,
                "  paid by session {name}, as against nginx: {percent:.0} %"
            );
        }
    }
    let verifying = &measured["verifying"];
    let _ = writeln!(
        text,
        "  credentials verified on one core: L402 {}/s, a session's {}/s",
        verifying["l402"], verifying["session"],
    );
    text
}

/// Opens a session with ecash; what pays a call from it.
async fn session(house: &House, url: &str) -> String {
    let client = Client::builder().no_proxy().build().unwrap();
    let asked = client.get(url).send().await.unwrap();
    let values = asked.headers().get_all("www-authenticate").iter();
    let challenge = values
        .map(|value| value.to_str().unwrap().to_owned())
        .find(|value| value.contains("method=\"cashu\""))
        .expect("a session for ecash");
    let secret: [u8; 32] = rand::random();
    house.outsider.fund(DEPOSIT_SAT).await;
    let token = house.outsider.token(DEPOSIT_SAT).await;
    let open = json!({ "action": "open", "preimage": hex::encode(secret), "token": token });
    let opened = client
        .get(url)
        .header("authorization", credential(&challenge, &open))
        .send()
        .await
        .unwrap();
    assert_eq!(opened.status(), 200);
    let receipt = opened.headers()["payment-receipt"].to_str().unwrap();
    let receipt: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(receipt).unwrap()).unwrap();
    let bearer = json!({ "action": "bearer", "sessionId": receipt["reference"], "preimage": hex::encode(secret) });
    credential(&challenge, &bearer)
}

fn credential(challenge: &str, payload: &Value) -> String {
    let names = [
        "id",
        "realm",
        "method",
        "intent",
        "request",
        "expires",
        "description",
        "opaque",
    ];
    let echo: Map<String, Value> = names
        .iter()
        .filter_map(|name| {
            let (_, rest) = challenge.split_once(&format!("{name}=\""))?;
            Some(((*name).to_owned(), json!(rest.split('"').next()?)))
        })
        .collect();
    let json = json!({ "challenge": echo, "payload": payload }).to_string();
    format!("Payment {}", URL_SAFE_NO_PAD.encode(json))
}
