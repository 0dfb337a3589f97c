//! A machine with Braiins OS 25.11: power target, pause and resume over its REST API; GraphQL and the old socket for being
//! recognised.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::http::{Reply, Request, Served, serve_http};
use super::machine::{Fault, Machine};

/// What a login gives, and every other request must bring.
const TOKEN: &str = "simulated-session";

/// Serves a machine's Braiins OS at an address, ports 80 and 4028. User and password are the firmware's own (`root`).
///
/// # Errors
/// When a port can't be taken.
pub async fn braiins(address: IpAddr, machine: Arc<Machine>) -> io::Result<Served> {
    let listener = TcpListener::bind(SocketAddr::new(address, 4028)).await?;
    let for_socket = machine.clone();
    let mut served = Served::task(async move {
        loop {
            if let Ok((stream, _)) = listener.accept().await
                && for_socket.fault() != Fault::Dead
            {
                tokio::spawn(version(stream));
            }
        }
    });
    let answer = move |request: Request| answer(&machine, &request);
    served.join(serve_http(SocketAddr::new(address, 80), answer).await?.1);
    Ok(served)
}

/// The old socket's answer to `version`, which is all that is asked there.
async fn version(mut stream: TcpStream) {
    let mut asked = [0_u8; 1024];
    if stream.read(&mut asked).await.is_ok_and(|bytes| bytes > 0) {
        let answer = json!({
            "STATUS": [{ "STATUS": "S", "When": 0, "Code": 22, "Msg": "BOSer versions", "Description": "BOSer boser-buildroot 0.1.0" }],
            "VERSION": [{ "API": "3.7", "BOSer": "boser-buildroot 0.1.0-25.11" }],
            "id": 1,
        });
        _ = stream.write_all(format!("{answer}\0").as_bytes()).await;
    }
}

fn answer(machine: &Machine, request: &Request) -> Option<Reply> {
    if machine.fault() == Fault::Dead {
        return None;
    }
    let is_login = request.path == "/api/v1/auth/login";
    let may = is_login
        || !request.path.starts_with("/api/v1/")
        || request
            .authorization
            .as_deref()
            .is_some_and(|token| token.trim_start_matches("Bearer ") == TOKEN);
    if !may {
        return Some(Reply::status(401));
    }
    Some(match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => Reply::ok("<!doctype html><title>Braiins OS</title>"),
        ("POST", "/graphql") => Reply::ok(graphql(&request.body).to_string()),
        ("POST", "/api/v1/auth/login") => login(&request.body),
        ("GET", "/api/v1/miner/stats") => Reply::ok(stats(machine).to_string()),
        ("GET", "/api/v1/miner/details") => Reply::ok(details(machine).to_string()),
        ("GET", "/api/v1/configuration/miner") => Reply::ok(configuration(machine).to_string()),
        ("PUT", "/api/v1/performance/power-target") => power_target(machine, &request.body),
        ("PUT", "/api/v1/actions/pause") => {
            let was_paused = machine.is_paused();
            action(machine.pause(), "already_paused", was_paused)
        }
        ("PUT", "/api/v1/actions/resume") => {
            let was_running = !machine.is_paused();
            action(machine.resume(), "already_running", was_running)
        }
        _ => Reply::status(404),
    })
}

fn login(body: &str) -> Reply {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    if asked["username"] == "root" {
        Reply::ok(json!({ "token": TOKEN, "timeout_s": 3600 }).to_string())
    } else {
        Reply::status(401)
    }
}

fn action(is_accepted: bool, name: &str, was_so: bool) -> Reply {
    if is_accepted {
        Reply::ok(json!({ name: was_so }).to_string())
    } else {
        Reply {
            status: 412,
            body: json!({ "message": "the miner isn't ready" }).to_string(),
        }
    }
}

fn power_target(machine: &Machine, body: &str) -> Reply {
    let asked: Value = serde_json::from_str(body).unwrap_or_default();
    let Some(watt) = asked["watt"].as_f64() else {
        return Reply::status(400);
    };
    if machine.set_limit(watt) {
        Reply::ok(json!({ "watt": watt }).to_string())
    } else {
        Reply::status(400)
    }
}

fn graphql(body: &str) -> Value {
    if body.contains("modelName") {
        json!({ "data": { "bosminer": { "info": { "modelName": "Antminer S19j Pro" } } } })
    } else {
        let full = "2025-11-12-0-c5f4bb9e-25.11-plus";
        json!({ "data": { "bos": { "info": { "version": { "full": full } } } } })
    }
}

fn stats(machine: &Machine) -> Value {
    let rate = json!({ "gigahash_per_second": machine.hashrate_ths() * 1000.0 });
    json!({
        "pool_stats": { "accepted_shares": 1200, "rejected_shares": 3 },
        "miner_stats": { "real_hashrate": { "last_5s": rate, "last_1m": rate } },
        "power_stats": { "approximated_consumption": { "watt": machine.shown_w().round() as i64 } },
    })
}

/// The state's numbers are those of the API's `MinerStatus`: 2 mines, 3 is paused.
fn details(machine: &Machine) -> Value {
    json!({
        "status": if machine.is_paused() { 3 } else { 2 },
        "bos_version": { "current": "25.11" },
        "system_uptime_s": 86_400,
        "sticker_hashrate": { "gigahash_per_second": 100_000.0 },
    })
}

fn configuration(machine: &Machine) -> Value {
    json!({ "tuner": { "enabled": true, "tuner_mode": 1, "power_target": { "watt": machine.limit_w() as i64 } } })
}
