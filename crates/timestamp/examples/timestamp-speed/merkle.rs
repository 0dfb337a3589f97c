//! Aggregation, and what the processor could do at best.

use std::hint::black_box;
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use timestamp::aggregate::{Aggregate, Digest};

const LEAVES: usize = 1_000_000;
const ROUNDS: usize = 9;
/// Pairs that stay in the fastest cache, with their results: 24 KiB.
const CACHED_PAIRS: usize = 256;

/// Leaves a second, beside two bounds: independent pairs that never leave the cache, hashed by the
/// same library, and one pair after the other by the usual crate.
pub fn measure() -> Value {
    let leaves = leaves(LEAVES);
    let [mut tree, mut cached, mut single, mut share] = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        cached.push(cached_pairs_per_s(&leaves));
        tree.push(leaves_per_s(&leaves));
        single.push(single_pairs_per_s(&leaves));
        share.push(tree[tree.len() - 1] / cached[cached.len() - 1]);
    }
    json!({
        "leaves": LEAVES,
        "leaves_per_s": crate::median(tree),
        "cached_pairs_per_s": crate::median(cached),
        "sha2_pairs_per_s": crate::median(single),
        "share_of_cached": crate::median(share),
        "rounds": ROUNDS,
    })
}

fn leaves(count: usize) -> Vec<Digest> {
    (0..count)
        .map(|index| Sha256::digest(index.to_le_bytes()).into())
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn per_s(count: usize, start: Instant) -> f64 {
    count as f64 / start.elapsed().as_secs_f64()
}

/// All of it: memory for the levels, and every hash.
fn leaves_per_s(leaves: &[Digest]) -> f64 {
    let leaves = leaves.to_vec();
    let start = Instant::now();
    let tree = Aggregate::new(black_box(leaves)).unwrap();
    black_box(tree.root());
    per_s(LEAVES, start)
}

/// A tree of so many leaves takes one hash of a pair less than that.
fn cached_pairs_per_s(leaves: &[Digest]) -> f64 {
    let pairs = leaves[..2 * CACHED_PAIRS].as_flattened();
    let mut out = vec![[0_u8; 32]; CACHED_PAIRS];
    let times = LEAVES / CACHED_PAIRS;
    let start = Instant::now();
    for _ in 0..times {
        hashtree_rs::hash(out.as_flattened_mut(), black_box(pairs), CACHED_PAIRS);
        black_box(&out);
    }
    per_s(times * CACHED_PAIRS, start)
}

fn single_pairs_per_s(leaves: &[Digest]) -> f64 {
    let pairs = &leaves[..2 * CACHED_PAIRS];
    let times = LEAVES / CACHED_PAIRS / 4;
    let start = Instant::now();
    for _ in 0..times {
        for pair in black_box(pairs).chunks_exact(2) {
            black_box(Sha256::digest(pair.as_flattened()));
        }
    }
    per_s(times * CACHED_PAIRS, start)
}
