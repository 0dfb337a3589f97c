//! What the seller's door costs: calls of a session through the proxy, beside nginx and no proxy at all.
//!
//! nginx is Debian's, with one worker, in front of the same upstream. It isn't measured where it isn't installed.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Client;
use serde_json::{Map, Value, json};

use crate::house::House;
use crate::numbers::{median, rounded};

const CLIENTS: usize = 64;
const SINGLE_ROUNDS: usize = 2_000;
const CROWD_TIME: Duration = Duration::from_secs(3);

/// One way to the upstream.
struct Way {
    name: &'static str,
    url: String,
    authorization: Option<String>,
}

pub async fn measure(house: &House) -> Value {
    let upstream = upstream().await;
    let terms =
        json!({ "upstream": upstream, "price_sat": 1, "path": "/sold", "deposit_sat": 15_000 });
    house.api("/api/offers", terms).await;
    let sold = format!("{}/sold", house.url());
    let owner = format!("Bearer {}", house.owner());
    let nginx = Nginx::start(house.scratch(), &upstream);
    let mut ways = vec![
        Way {
            name: "direct",
            url: format!("{upstream}/sold"),
            authorization: None,
        },
        Way {
            name: "freehold, for nothing",
            url: sold.clone(),
            authorization: Some(owner),
        },
        Way {
            name: "freehold, paid by session",
            authorization: Some(session(house, &sold).await),
            url: sold,
        },
    ];
    if let Some(nginx) = &nginx {
        ways.push(Way {
            name: "nginx",
            url: format!("{}/sold", nginx.url),
            authorization: None,
        });
    }
    let mut measured = Map::new();
    for way in &ways {
        let single_us = single(way).await;
        measured.insert(
            way.name.to_owned(),
            json!({ "p50_us": single_us, "requests_per_s": crowd(way).await }),
        );
    }
    Value::Object(measured)
}

pub fn table(measured: &Value) -> String {
    let mut text = String::from("\nSelling: one client's p50, and 64 clients at once\n");
    for (name, way) in measured.as_object().into_iter().flatten() {
        let _ = writeln!(
            text,
            "  {name:<27} {:>8} us {:>9} requests/s",
            way["p50_us"], way["requests_per_s"]
        );
    }
    text
}

/// A service that answers at once.
async fn upstream() -> String {
    let router = Router::new().route("/sold", get(async || "hello"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// Opens a session with ecash; what pays a call from it.
async fn session(house: &House, url: &str) -> String {
    let asked = client().get(url).send().await.unwrap();
    let values = asked.headers().get_all("www-authenticate").iter();
    let challenge = values
        .map(|value| value.to_str().unwrap().to_owned())
        .find(|value| value.contains("method=\"cashu\""))
        .expect("a session for ecash");
    let secret: [u8; 32] = rand::random();
    house.outsider.fund(15_000).await;
    let token = house.outsider.token(15_000).await;
    let open = json!({ "action": "open", "preimage": hex::encode(secret), "token": token });
    let opened = client()
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

async fn ask(client: &Client, way: &Way) {
    let mut request = client.get(&way.url);
    if let Some(authorization) = &way.authorization {
        request = request.header("authorization", authorization);
    }
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200, "{}", way.name);
    response.bytes().await.unwrap();
}

/// Microseconds that a call takes, one after the other.
async fn single(way: &Way) -> f64 {
    let client = client();
    let mut took_us = Vec::with_capacity(SINGLE_ROUNDS);
    for _ in 0..SINGLE_ROUNDS {
        let started = Instant::now();
        ask(&client, way).await;
        took_us.push(started.elapsed().as_secs_f64() * 1e6);
    }
    rounded(median(&took_us))
}

/// Requests a second of many clients at once.
async fn crowd(way: &Way) -> f64 {
    let client = Arc::new(client());
    let started = Instant::now();
    let one = async || {
        let mut count = 0_u32;
        // A session that is used up would be measured as refusals: a fixed share for each keeps below its deposit.
        while started.elapsed() < CROWD_TIME && count < 100 {
            ask(&client, way).await;
            count += 1;
        }
        count
    };
    let counts = futures::future::join_all((0..CLIENTS).map(|_| one())).await;
    let total: u32 = counts.iter().sum();
    (f64::from(total) / started.elapsed().as_secs_f64()).round()
}

/// Debian's nginx as a reverse proxy, with one worker.
struct Nginx {
    child: Child,
    url: String,
}

impl Nginx {
    fn start(scratch: &Path, upstream: &str) -> Option<Self> {
        let dir = scratch.join("nginx");
        fs::create_dir(&dir).ok()?;
        let listener = TcpListener::bind("127.0.0.1:0").ok()?;
        let address = listener.local_addr().ok()?;
        drop(listener);
        let upstream = upstream.trim_start_matches("http://");
        let place = dir.display();
        let config = format!(
            "worker_processes 1; daemon off; pid {place}/pid; error_log {place}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;\n\
             fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;\n\
             upstream up {{ server {upstream}; keepalive 256; }}\n\
             server {{ listen {address}; keepalive_requests 1000000; location / {{ proxy_pass http://up;\n\
             proxy_http_version 1.1; proxy_set_header Connection \"\"; }} }} }}\n"
        );
        let file = dir.join("nginx.conf");
        fs::write(&file, config).ok()?;
        let mut command = Command::new("nginx");
        command
            .arg("-p")
            .arg(&dir)
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().ok()?;
        let nginx = Self {
            child,
            url: format!("http://{address}"),
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        while std::net::TcpStream::connect(address).is_err() {
            if Instant::now() > deadline {
                return None;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM, so that the worker goes with it.
        let _ = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        let _ = self.child.wait();
    }
}
