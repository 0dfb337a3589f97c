//! Medians, and how they are written.

use serde_json::{Value, json};

/// The value below which so many of a hundred lie.
pub fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}

pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The usual and the worse end, rounded to hundredths.
pub fn spread(values: &[f64]) -> Value {
    json!({ "p50": rounded(median(values)), "p95": rounded(percentile(values, 95)), "n": values.len() })
}

pub fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A number of a report, for a table.
pub fn show(value: &Value) -> String {
    value
        .as_f64()
        .map_or_else(|| "–".to_owned(), |number| format!("{number:.1}"))
}
