//! A Bitaxe with AxeOS 2.14: pause and resume, no power limit.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde_json::json;

use super::http::{Reply, Request, Served, serve_http};
use super::machine::{Fault, Machine};

/// Serves a machine's AxeOS at an address, port 80.
///
/// # Errors
/// When the port can't be taken.
pub async fn axeos(address: IpAddr, machine: Arc<Machine>) -> io::Result<Served> {
    let answer = move |request: Request| answer(&machine, &request);
    let (_, served) = serve_http(SocketAddr::new(address, 80), answer).await?;
    Ok(served)
}

fn answer(machine: &Machine, request: &Request) -> Option<Reply> {
    if machine.fault() == Fault::Dead {
        return None;
    }
    let accepted = |is_accepted: bool, says: &str| {
        if is_accepted {
            Reply::ok(json!({ "message": says }).to_string())
        } else {
            Reply::status(500)
        }
    };
    Some(match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => Reply::ok("<!doctype html><title>AxeOS</title><app-root></app-root>"),
        ("GET", "/api/system/info") => Reply::ok(info(machine)),
        ("POST", "/api/system/pause") => accepted(machine.pause(), "Mining paused"),
        ("POST", "/api/system/resume") => accepted(machine.resume(), "Mining resumed"),
        _ => Reply::status(404),
    })
}

fn info(machine: &Machine) -> String {
    let hashrate_gh = machine.hashrate_ths() * 1000.0;
    json!({
        "power": machine.shown_w(),
        "voltage": 5120.0,
        "current": machine.shown_w() / 5.12 * 1000.0,
        "temp": 58.5,
        "vrTemp": 61,
        "hashRate": hashrate_gh,
        "expectedHashrate": hashrate_gh,
        "bestDiff": "1.2G",
        "coreVoltage": 1150,
        "frequency": 525,
        "smallCoreCount": 2040,
        "asicCount": 1,
        "ASICModel": "BM1370",
        "hostname": "bitaxe",
        "macAddr": "02:00:00:00:00:01",
        "sharesAccepted": 1200,
        "sharesRejected": 3,
        "uptimeSeconds": 86400,
        "version": "v2.14.0",
        "axeOSVersion": "v2.14.0",
        "boardVersion": "601",
        "miningPaused": machine.is_paused(),
        "fanrpm": 4200,
        "stratumURL": "pool.invalid",
        "stratumPort": 3333,
        "stratumUser": "user",
    })
    .to_string()
}
