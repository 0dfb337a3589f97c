//! Bitcoin: Lightning payments between two nodes in the sandbox, and signing for a vault, as the room of money measures
//! them of itself.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::house;

/// Runs the room's own examples. Nothing else should run meanwhile.
pub fn measure() -> Result<Value, String> {
    let examples = house::program()?.with_file_name("examples");
    Ok(json!({
        "lightning": figures(&examples.join("lightning-speed"))?,
        "vault": figures(&examples.join("vault-speed"))?,
    }))
}

/// What a program prints as lines of a name and a number.
fn figures(program: &Path) -> Result<Value, String> {
    let output = Command::new(program)
        .output()
        .map_err(|error| format!("{}: {error}", program.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{}: {}: {said}", program.display(), output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let pairs = text.lines().filter_map(|line| {
        let (name, number) = line.split_once(' ')?;
        Some((name.to_owned(), json!(number.trim().parse::<f64>().ok()?)))
    });
    Ok(Value::Object(pairs.collect()))
}

/// The figures, a line each.
pub fn table(data: &Value) -> String {
    let mut text = String::new();
    for (part, title) in [
        ("lightning", "Lightning, two nodes in the sandbox"),
        ("vault", "A vault of three signers"),
    ] {
        text += &format!("\n{title}\n");
        for (name, number) in data[part].as_object().into_iter().flatten() {
            text += &format!("  {name:32} {:>10.1}\n", number.as_f64().unwrap_or(0.0));
        }
    }
    text
}
