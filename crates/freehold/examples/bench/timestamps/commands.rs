//! Whole processes: one proof shown and checked, and a hundred thousand files stamped.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::load::Server;
use crate::house;
use crate::numbers::spread;

const TIMES: usize = 40;
const REFERENCE_TIMES: usize = 5;
const FILES: usize = 100_000;

/// From start to end of the process, in milliseconds.
pub fn measure(
    program: &Path,
    dir: &Path,
    chain: &Value,
    ots: Option<&Path>,
) -> Result<Value, String> {
    let proof = chain["proof"].as_str().unwrap_or_default();
    let mut info = Vec::new();
    let mut verify = Vec::new();
    for _ in 0..TIMES {
        info.push(took_ms(house::command(program, dir).args(["info", proof]))?);
        // The headers are warm: they were written a moment ago.
        let checked = ["verify", proof, "--chain", "regtest", "--offline"];
        let mut command = house::command(program, dir);
        command.env("FREEHOLD_DATA_DIR", dir).args(checked);
        verify.push(took_ms(&mut command)?);
    }
    let mut reference = Value::Null;
    if let Some(ots) = ots {
        let runs = (0..REFERENCE_TIMES)
            .map(|_| took_ms(Command::new(ots).args(["--no-cache", "info", proof])));
        reference = spread(&runs.collect::<Result<Vec<f64>, _>>()?);
    }
    Ok(json!({
        "info": spread(&info), "verify": spread(&verify), "reference_info": reference,
        "headers": chain["blocks"],
    }))
}

fn took_ms(command: &mut Command) -> Result<f64, String> {
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|error| error.to_string())?;
    let took_ms = start.elapsed().as_secs_f64() * 1_000.0;
    match status.success() {
        true => Ok(took_ms),
        false => Err(format!("{command:?}: {status}")),
    }
}

/// How long stamping a folder of files takes, and the most memory that it takes at a time.
pub async fn stamp_many(program: &Path, dir: &Path) -> Result<Value, String> {
    let told = |error: std::io::Error| error.to_string();
    let folder = dir.join("many");
    for number in 0..FILES {
        let below = folder.join((number / 1_000).to_string());
        if number % 1_000 == 0 {
            fs::create_dir_all(&below).map_err(told)?;
        }
        fs::write(below.join(number.to_string()), number.to_string()).map_err(told)?;
    }
    let server = Server::start(program, &dir.join("stamped-at"), "1")?;
    let mut command = house::command(program, dir);
    command
        .args(["stamp", "--quiet", "-c", server.url()])
        .arg(&folder);
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).spawn().map_err(told)?;
    let mut peak_kib = 0;
    let status = loop {
        // Once it has ended nobody knows any more; it only grows until then.
        peak_kib = peak(child.id()).unwrap_or(peak_kib).max(peak_kib);
        if let Some(status) = child.try_wait().map_err(told)? {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    if !status.success() {
        return Err(format!("stamping {FILES} files: {status}"));
    }
    Ok(json!({
        "files": FILES, "seconds": start.elapsed().as_secs_f64(),
        "peak_mib": f64::from(peak_kib) / 1_024.0,
    }))
}

/// The most memory that a process has had, in KiB.
pub fn peak(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
