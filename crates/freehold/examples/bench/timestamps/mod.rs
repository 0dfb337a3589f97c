//! Timestamps: what the room computes, what commands take, and what a calendar bears, beside the
//! Python reference in the same run.

mod commands;
pub mod crowd;
mod load;
mod table;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::house;
use crate::numbers::median;
use crate::programs::{compat_dir, json_of, on_core};

pub use table::table;

/// The reference takes seconds for these, and a million would take three gigabytes of memory.
const REFERENCE_LEAVES: usize = 100_000;
const TURNS: usize = 3;

/// Measures everything. Nothing else should run meanwhile.
pub async fn measure() -> Result<Value, String> {
    let program = house::program()?;
    // Not in memory, where a temporary directory may be: durable writes are to cost what they do.
    let examples = program.with_file_name("examples");
    let dir = tempfile::tempdir_in(&examples).map_err(|error| error.to_string())?;
    let proofs = dir.path().join("proofs.hex");
    let room = examples.join("timestamp-speed");
    let reference = reference_dir();
    let computed = by_turns(&room, &proofs, reference.as_deref())?;
    let chain = json_of(Command::new(&room).arg("chain").arg(dir.path()))?;
    let ots = reference.map(|dir| dir.join("venv/bin/ots"));
    let commands = commands::measure(&program, dir.path(), &chain, ots.as_deref())?;
    let calendar = load::measure(&program, dir.path())?;
    let stamping = commands::stamp_many(&program, dir.path()).await?;
    Ok(json!({
        "merkle": computed["merkle"], "proofs": computed["proofs"], "python": computed["python"],
        "commands": commands, "calendar": calendar, "stamping": stamping,
    }))
}

/// Ours and the reference's, one after the other and again: a busy machine slows them alike.
fn by_turns(room: &Path, proofs: &Path, reference: Option<&Path>) -> Result<Value, String> {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/bench/timestamps/reference.py"
    );
    let (mut merkle, mut replay, mut python) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        merkle.push(json_of(pinned(room).arg("merkle"))?);
        replay.push(json_of(pinned(room).arg("proofs").arg(proofs))?);
        if let Some(dir) = reference {
            let mut command = pinned(&dir.join("venv/bin/python"));
            command.args([script, &REFERENCE_LEAVES.to_string()]);
            python.push(json_of(command.arg(proofs))?);
        }
    }
    Ok(json!({
        "merkle": medians(&merkle), "proofs": medians(&replay), "python": medians(&python),
    }))
}

/// The median of each number of reports that are alike.
fn medians(reports: &[Value]) -> Value {
    let Some(Value::Object(first)) = reports.first() else {
        return Value::Null;
    };
    let of = |name: &str| {
        let all: Vec<f64> = reports
            .iter()
            .filter_map(|each| each[name].as_f64())
            .collect();
        median(&all)
    };
    let each = first.keys().map(|name| (name.clone(), json!(of(name))));
    Value::Object(each.collect())
}

/// Where the reference client is, or nothing (loudly).
fn reference_dir() -> Option<PathBuf> {
    let dir = compat_dir()?;
    if dir.join("venv/bin/ots").exists() {
        return Some(dir);
    }
    eprintln!("bench: the Python reference isn't installed, and is left out: scripts/compat-setup");
    None
}

/// A program that may use the first core only.
fn pinned(program: &Path) -> Command {
    on_core(0, program)
}
