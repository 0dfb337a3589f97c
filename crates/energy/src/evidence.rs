//! What was delivered, as a record for a settlement: what was called for, and what the meter showed before and after.
//!
//! The node signs and timestamps [`Evidence::to_bytes`]. Numbers are whole (W, milliseconds since 1970), and fields have one
//! order, so that the same record is the same bytes everywhere.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::controller::Sample;
use crate::{Error, Result};

/// The largest record that is read, in bytes.
pub const EVIDENCE_BYTES_MAX: usize = 1 << 20;
/// How far back the meter is quoted, in milliseconds.
const BEFORE_MS: i64 = 300_000;

/// A record of one delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// Of this form: 1.
    pub version: u32,
    /// The site.
    pub site: String,
    /// How much less was called for, in W at the meter.
    pub called_w: i64,
    /// When it was called for.
    pub called_ms: i64,
    /// By when it was to be delivered.
    pub due_ms: i64,
    /// When it was over, or when this was written.
    pub ended_ms: i64,
    /// What the meter showed last before, in W: what less is counted from.
    pub baseline_w: i64,
    /// When the meter first showed that it was delivered.
    pub delivered_ms: Option<i64>,
    /// The mean of what was drawn less than the baseline, from when it was due to the end, in W.
    pub mean_less_w: i64,
    /// The least that was drawn less, in the same time, in W.
    pub least_less_w: i64,
    /// The meter in the five minutes before.
    pub before: Vec<Metered>,
    /// The meter from the call to the end.
    pub after: Vec<Metered>,
}

/// A value of the meter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metered {
    /// When it was read, in milliseconds since 1970.
    pub at_ms: i64,
    /// What was imported, in W; below zero what was fed in.
    pub import_w: i64,
}

/// What was called for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Called {
    /// How much less, in kW.
    pub power_kw: f64,
    /// When.
    pub at: Timestamp,
    /// How soon, in seconds.
    pub within_seconds: f64,
    /// When it was over.
    pub ended: Timestamp,
}

impl Evidence {
    /// The record of a call, by the meter's samples, oldest first.
    pub fn new(site: &str, called: Called, samples: impl Iterator<Item = Sample>) -> Self {
        let (called_ms, ended_ms) = (called.at.as_millisecond(), called.ended.as_millisecond());
        let due_ms = called_ms.saturating_add((called.within_seconds * 1000.0) as i64);
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for sample in samples {
            let metered = Metered {
                at_ms: sample.at.as_millisecond(),
                import_w: (sample.import_kw * 1000.0).round() as i64,
            };
            if (called_ms - BEFORE_MS..=called_ms).contains(&metered.at_ms) {
                before.push(metered);
            } else if metered.at_ms > called_ms && metered.at_ms <= ended_ms {
                after.push(metered);
            }
        }
        let called_w = (called.power_kw * 1000.0).round() as i64;
        let baseline_w = before
            .last()
            .map_or(0, |metered: &Metered| metered.import_w);
        let less = |metered: &Metered| baseline_w - metered.import_w;
        let due: Vec<i64> = after
            .iter()
            .filter(|m| m.at_ms >= due_ms)
            .map(less)
            .collect();
        let delivered = after.iter().find(|metered| less(metered) >= called_w);
        Self {
            version: 1,
            site: site.to_owned(),
            called_w,
            called_ms,
            due_ms,
            ended_ms,
            baseline_w,
            delivered_ms: delivered.map(|metered| metered.at_ms),
            mean_less_w: mean(due.iter().copied()),
            least_less_w: due.iter().copied().min().unwrap_or(0),
            before,
            after,
        }
    }

    /// The bytes to be signed: JSON without spaces, fields in the order above.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A struct of numbers and text can't fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a record again.
    ///
    /// # Errors
    /// When it is too long, isn't such a record, or isn't written as [`Evidence::to_bytes`] does it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > EVIDENCE_BYTES_MAX {
            return Err(Error::TooLarge {
                what: "a record of a delivery",
                max: EVIDENCE_BYTES_MAX,
            });
        }
        let wrong = |why: String| Error::Table {
            what: "a record of a delivery",
            line: 0,
            why,
        };
        let evidence: Self =
            serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
        if evidence.version != 1 || evidence.to_bytes() != bytes {
            return Err(wrong("it isn't in the one form that is signed".into()));
        }
        Ok(evidence)
    }
}

fn mean(values: impl Iterator<Item = i64>) -> i64 {
    let (sum, count) = values.fold((0_i128, 0_i128), |(sum, count), value| {
        (sum + i128::from(value), count + 1)
    });
    let mean = sum.checked_div(count).unwrap_or(0);
    i64::try_from(mean).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn a_record_says_what_the_meter_showed_and_has_one_form() {
        let samples = (-400..120).map(|second| Sample {
            at: at(second),
            import_kw: if second < 4 { 100.0 } else { 70.0 },
        });
        let called = Called {
            power_kw: 25.0,
            at: at(0),
            within_seconds: 10.0,
            ended: at(60),
        };
        let evidence = Evidence::new("hall", called, samples);
        assert_eq!(
            (
                evidence.baseline_w,
                evidence.mean_less_w,
                evidence.least_less_w
            ),
            (100_000, 30_000, 30_000)
        );
        assert_eq!(evidence.delivered_ms, Some(at(4).as_millisecond()));
        assert_eq!((evidence.before.len(), evidence.after.len()), (301, 60));
        let bytes = evidence.to_bytes();
        assert_eq!(Evidence::from_bytes(&bytes), Ok(evidence));
        let spaced = [b" ", bytes.as_slice()].concat();
        assert_eq!(Evidence::from_bytes(&spaced).unwrap_err().code(), "table");
    }
}
