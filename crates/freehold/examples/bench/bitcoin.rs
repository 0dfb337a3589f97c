//! Bitcoin: Lightning payments between two nodes in the sandbox, and signing for a vault, as the room of money measures
//! them of itself.

use serde_json::{Value, json};

use crate::programs::figures;

/// Runs the room's own examples. Nothing else should run meanwhile.
pub fn measure() -> Result<Value, String> {
    Ok(json!({ "lightning": figures("lightning-speed")?, "vault": figures("vault-speed")? }))
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
