//! Other programs: how they are run, and what they print.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::house;

/// A program that may use one core only.
pub fn on_core(core: usize, program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

/// Runs a program that prints data.
pub fn json_of(command: &mut Command) -> Result<Value, String> {
    let printed = output(command)?;
    serde_json::from_str(&printed).map_err(|error| format!("{command:?}: {error}"))
}

/// Runs one of the rooms' examples, which prints lines of a name and a number.
pub fn figures(example: &str) -> Result<Value, String> {
    let program = house::program()?.with_file_name("examples").join(example);
    let printed = output(&mut Command::new(program))?;
    let pairs = printed.lines().filter_map(|line| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), json!(number.trim().parse::<f64>().ok()?)))
    });
    Ok(Value::Object(pairs.collect()))
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{command:?}: {}: {said}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where `scripts/compat-setup` puts other people's programs.
pub fn compat_dir() -> Option<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    };
    set("FREEHOLD_COMPAT_DIR").or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
        Some(cache.join("freehold/compat"))
    })
}

/// The time that a process has had of its core so far.
pub fn cpu_s(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name stands in brackets, and may have spaces.
    let after = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after.split(' ').skip(11).take(2);
    // A hundred ticks a second, on every Linux of today.
    ticks
        .filter_map(|text| text.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}
