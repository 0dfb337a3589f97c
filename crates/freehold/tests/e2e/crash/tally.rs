//! What happened, counted.

use std::collections::BTreeMap;

/// Counts by name, in groups.
#[derive(Default)]
pub struct Tally {
    groups: BTreeMap<&'static str, BTreeMap<String, u64>>,
    pub kills: u64,
    /// Everything that was not as it must be.
    pub problems: Vec<String>,
    /// The nodes' books are wrong for good, and would be in every later round.
    pub is_spoilt: bool,
}

impl Tally {
    pub fn count(&mut self, group: &'static str, name: impl Into<String>) {
        self.add(group, name, 1);
    }

    pub fn add(&mut self, group: &'static str, name: impl Into<String>, count: u64) {
        let counts = self.groups.entry(group).or_default();
        *counts.entry(name.into()).or_default() += count;
    }

    pub fn problem(&mut self, what: impl Into<String>) {
        let what = what.into();
        eprintln!("PROBLEM: {what}");
        self.problems.push(what);
    }

    /// Writes a problem down unless `holds`.
    pub fn check(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.problem(what());
        }
    }

    pub fn get(&self, group: &'static str, name: &str) -> u64 {
        let counts = self.groups.get(group);
        counts
            .and_then(|counts| counts.get(name))
            .copied()
            .unwrap_or(0)
    }

    pub fn table(&self) -> String {
        let mut text = format!("{} kills of a node\n", self.kills);
        for (group, counts) in &self.groups {
            text += &format!("{group}:\n");
            for (name, count) in counts {
                text += &format!("  {count:5}  {name}\n");
            }
        }
        text
    }
}
