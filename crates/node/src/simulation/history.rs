//! What happened: the last events for people, a digest of all of them, and how often what happened.

use std::collections::{BTreeMap, VecDeque};
use std::sync::OnceLock;

/// So many events are told when something is wrong, if no other number is asked for.
const LAST: usize = 40;

/// `FREEHOLD_SIM_EVENTS`, for those who read a whole history.
fn most() -> usize {
    static MOST: OnceLock<usize> = OnceLock::new();
    let asked = || std::env::var("FREEHOLD_SIM_EVENTS").ok()?.parse().ok();
    *MOST.get_or_init(|| asked().unwrap_or(LAST))
}

/// What happened in one world, or in many.
#[derive(Default)]
pub(crate) struct History {
    last: VecDeque<String>,
    digest: u64,
    pub counts: BTreeMap<String, u64>,
    /// The first thing that must not be.
    pub violation: Option<String>,
}

impl History {
    pub fn note(&mut self, event: String) {
        // FNV-1a, 64 bits.
        for byte in event.bytes() {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.last.len() == most() {
            self.last.pop_front();
        }
        self.last.push_back(event);
    }

    pub fn count(&mut self, what: &str, by: u64) {
        match self.counts.get_mut(what) {
            Some(count) => *count += by,
            None => _ = self.counts.insert(what.to_owned(), by),
        }
    }

    /// Tells two histories apart.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    pub fn last(&self) -> String {
        let lines: Vec<_> = self
            .last
            .iter()
            .map(|event| format!("  {event}\n"))
            .collect();
        lines.concat()
    }
}
