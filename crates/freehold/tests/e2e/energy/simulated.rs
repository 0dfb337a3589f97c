//! `simulate`: machines that speak AxeOS and Braiins OS do what they are told, and the line's cap is kept.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::may_serve_miners;
use crate::common::Home;

/// Ends the program, should a test fail before it has ended.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(command: &mut Command) -> (Self, impl Iterator<Item = Value> + use<>) {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let values = lines.map_while(Result::ok).map(|line| {
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        (Self(child), values)
    }
}

fn get(address: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

#[test]
fn half_a_day_with_faults_moves_the_machines_and_keeps_the_cap() {
    if !may_serve_miners() {
        return;
    }
    let home = Home::without_model();
    let args = [
        "energy",
        "simulate",
        "--hours",
        "14",
        "--step",
        "300",
        "--energy-network",
        "91",
        "--json",
    ];
    let (mut running, values) = Running::start(&mut home.command(&args));
    let values: Vec<Value> = values.collect();
    let status = running.0.wait().unwrap();
    assert!(status.success(), "{status}");
    let groups = values[0]["site"]["groups"].as_array().unwrap();
    let group = |name: &str| groups.iter().position(|group| group == name).unwrap();
    let hours: Vec<&Value> = values
        .iter()
        .filter(|value| !value["hour"].is_null())
        .collect();
    assert_eq!(hours.len(), 14);
    // `hall` speaks Braiins OS, `desk` AxeOS, and `heater` is behind a plug.
    for name in ["hall", "desk"] {
        let drawn = hours
            .iter()
            .map(|hour| hour["groups_kw"][group(name)].as_f64().unwrap());
        let (low, high) = drawn.fold((f64::MAX, 0.0_f64), |(low, high), kw| {
            (low.min(kw), high.max(kw))
        });
        assert!(
            high > 1.1 * low && high > 0.01,
            "{name}: {low} to {high} kW"
        );
    }
    let summary = &values.last().unwrap()["summary"];
    assert_eq!(summary["over_cap_seconds"], 0.0, "{summary:#}");
    assert!(summary["import_kw_highest"].as_f64().unwrap() <= 40.0);
    assert!(summary["faults"].as_u64().unwrap() >= 2 && summary["calls"].as_u64().unwrap() >= 1);
    assert_eq!(summary["calls"], summary["calls_met"]);
    assert!(
        summary["firm_kwh"].as_f64().unwrap() > 14.0 * 6.0 * 0.6,
        "AI is served"
    );
    assert!(
        values.iter().any(|value| value["by"] == "controller"),
        "what the controller does is told"
    );
}

#[test]
fn ctrl_c_ends_it_cleanly_and_until_then_there_is_a_page() {
    if !may_serve_miners() {
        return;
    }
    let home = Home::without_model();
    let args = ["energy", "simulate", "--energy-network", "92", "--json"];
    let (mut running, mut values) = Running::start(&mut home.command(&args));
    let page = values.next().unwrap()["page"].as_str().unwrap().to_owned();
    let hour = values.find(|value| !value["hour"].is_null());
    assert!(hour.is_some());
    let text = get(page.trim_start_matches("http://")).unwrap();
    assert!(
        text.starts_with("HTTP/1.1 200") && text.contains("<svg"),
        "{text}"
    );
    kill_process(Pid::from_child(&running.0), Signal::INT).unwrap();
    let asked = Instant::now();
    let status = running.0.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    drop(values);
    // Its devices have gone with it.
    assert!(get("127.92.10.1:80").is_none());
}

#[test]
fn the_page_is_for_this_machine_only() {
    let home = Home::without_model();
    let (code, error) = home.error(&["energy", "simulate", "--page-listen", "0.0.0.0:0"]);
    assert_eq!(
        (code, &error["error"]["code"]),
        (1, &Value::from("listen_remote"))
    );
}
