//! Reading proofs and computing what they say.

use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use timestamp::ots::{Arg, Attestation, DetachedProof, Op, Timestamp, Uri};

const PROOFS: u32 = 2_000;
const ROUNDS: usize = 9;
const CALENDAR: &str = "https://a.calendar.example";
/// Calendars aggregate a hundred thousand digests, and blocks hold four thousand transactions.
const ROUND_LEVELS: u32 = 17;
const JOURNAL_LEVELS: u32 = 12;
const BLOCK_LEVELS: u32 = 12;

/// Proofs a second, and how long they are. Writes them into a file too.
pub fn measure(file: &Path) -> Value {
    let proofs: Vec<Vec<u8>> = (0..PROOFS)
        .map(|number| complete(&number.to_le_bytes()).to_bytes().unwrap())
        .collect();
    let lines: String = proofs
        .iter()
        .map(|proof| hex::encode(proof) + "\n")
        .collect();
    fs::write(file, lines).unwrap();
    let rates = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        for bytes in &proofs {
            let proof = DetachedProof::from_bytes(black_box(bytes)).unwrap();
            let mut found = 0;
            let mut visit = |message: &[u8], _: &Attestation| {
                black_box(message);
                found += 1;
            };
            proof
                .timestamp()
                .replay(proof.digest(), &mut visit)
                .unwrap();
            assert_eq!(found, 2);
        }
        f64::from(PROOFS) / start.elapsed().as_secs_f64()
    });
    json!({
        "per_s": crate::median(rates.collect()),
        "bytes_each": proofs[0].len(),
        "count": PROOFS,
        "rounds": ROUNDS,
    })
}

/// A proof of these bytes such as calendars make them.
pub fn complete(bytes: &[u8]) -> DetachedProof {
    let mut numbers = 0;
    let mut block = tree(JOURNAL_LEVELS, &mut numbers);
    block.insert(0, Op::SHA256);
    block.extend([
        Op::Prepend(Arg::new(&[1; 61]).unwrap()),
        Op::Append(Arg::new(&[2; 47]).unwrap()),
    ]);
    block.extend([Op::SHA256, Op::SHA256]);
    for op in tree(BLOCK_LEVELS, &mut numbers) {
        let is_hash = op == Op::SHA256;
        block.push(op);
        if is_hash {
            block.push(Op::SHA256);
        }
    }
    let height = u64::from(crate::chain::HEIGHT);
    let mut timestamp = Timestamp::attested(Attestation::Bitcoin { height }).after(block);
    let promise = Attestation::Pending(Uri::new(CALENDAR).unwrap());
    timestamp.merge(Timestamp::attested(promise));
    let mut round = vec![Op::Append(Arg::new(&[3; 16]).unwrap()), Op::SHA256];
    round.extend(tree(ROUND_LEVELS, &mut numbers));
    round.push(Op::Prepend(Arg::new(&[4; 4]).unwrap()));
    round.push(Op::Append(Arg::new(&[5; 8]).unwrap()));
    DetachedProof::of_bytes(bytes, timestamp.after(round)).unwrap()
}

/// The way up a tree.
fn tree(levels: u32, numbers: &mut u32) -> Vec<Op> {
    let mut ops = Vec::new();
    for level in 0..levels {
        *numbers += 1;
        let sibling = <[u8; 32]>::from(Sha256::digest(numbers.to_le_bytes()));
        ops.push(match level % 2 {
            0 => Op::Append(Arg::from(&sibling)),
            _ => Op::Prepend(Arg::from(&sibling)),
        });
        ops.push(Op::SHA256);
    }
    ops
}
