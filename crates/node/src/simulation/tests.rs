//! Many worlds, and worlds whose rules are broken on purpose.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::faults::Mutation;
use super::history::History;
use super::town::live;

/// So many worlds, of so many days. `make test` has ten times as many worlds: ten thousand days.
const WORLDS: u64 = 20;
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

/// Lets each seed's world live, as many at a time as there are cores; what happened in all of them.
fn live_all(seeds: &[u64], days: u32) -> BTreeMap<String, u64> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            let history = live(*seed, days, None);
            if history.violation.is_some() {
                let story = story(*seed, days, &history);
                tell(&story);
                panic!("{story}");
            }
            add(&mut counts, history.counts);
        }
        counts
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let mut counts = BTreeMap::new();
        for thread in threads {
            add(&mut counts, thread.join().unwrap());
        }
        counts
    })
}

fn add(counts: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (what, count) in more {
        *counts.entry(what).or_default() += count;
    }
}

#[test]
fn no_payment_is_lost_or_made_twice() {
    let days = number("FREEHOLD_SIM_DAYS").map_or(DAYS, |days| days as u32);
    let seeds: Vec<u64> = match number("FREEHOLD_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("FREEHOLD_SIM_WORLDS").unwrap_or(WORLDS)).collect(),
    };
    let begun = std::time::Instant::now();
    let counts = live_all(&seeds, days);
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
        (Mutation::BelievesRefusals, "can be spent"),
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
