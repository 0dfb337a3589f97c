//! Many worlds, and worlds whose rules are broken on purpose.

use std::collections::BTreeMap;
use std::io::Write as _;

use super::faults::Mutation;
use super::history::History;
use super::town::live;

/// So many worlds, of so many days.
const SEEDS: u64 = 200;
const DAYS: u32 = 50;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Past what the test harness keeps to itself.
fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn story(seed: u64, days: u32, history: &History) -> String {
    format!(
        "seed {seed}: {}\n{}FREEHOLD_SIM_SEED={seed} FREEHOLD_SIM_DAYS={days} \
         cargo test --release --locked --workspace --lib simulation\n",
        history.violation.as_deref().unwrap_or("nothing is wrong"),
        history.last()
    )
}

#[test]
fn no_payment_is_lost_or_made_twice() {
    let days = number("FREEHOLD_SIM_DAYS").map_or(DAYS, |days| days as u32);
    let seeds: Vec<u64> = match number("FREEHOLD_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..SEEDS).collect(),
    };
    let begun = std::time::Instant::now();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for seed in &seeds {
        let history = live(*seed, days, None);
        if history.violation.is_some() {
            let story = story(*seed, days, &history);
            tell(&story);
            panic!("{story}");
        }
        for (what, count) in history.counts {
            *counts.entry(what).or_default() += count;
        }
    }
    let lines = counts
        .iter()
        .map(|(what, count)| format!("{count:>9} {what}\n"));
    let lines: String = lines.collect();
    tell(&format!(
        "{} worlds in {:.1} s\n{lines}",
        seeds.len(),
        begun.elapsed().as_secs_f64()
    ));
}

#[test]
fn a_seed_is_one_history() {
    let digests = |seed| live(seed, 6, None).digest();
    assert_eq!(digests(3), digests(3));
    assert_ne!(digests(3), digests(4));
}

/// What the invariants say to a broken rule, within so many worlds.
fn caught(mutation: Mutation) -> Option<String> {
    (0..30).find_map(|seed| live(seed, 40, Some(mutation)).violation)
}

#[test]
fn broken_rules_are_found() {
    for (mutation, what) in [
        (Mutation::ForgetsTheSilent, "paid 2 times"),
        (Mutation::ForgetsUses, "were served"),
        (Mutation::BelievesRefusals, "voided"),
        (Mutation::TakesBackRecorded, ""),
    ] {
        let found = caught(mutation).unwrap_or_default();
        tell(&format!("{mutation:?}: {found}\n"));
        assert!(
            !found.is_empty() && found.contains(what),
            "{mutation:?}: {found}"
        );
    }
}
