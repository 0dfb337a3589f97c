//! Side by side with the Python reference, where `scripts/compat-setup` has installed it: each
//! proof, and thousands of damaged ones, must be accepted or refused by both, and be written and
//! printed alike.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use timestamp::ots::{DetachedProof, Style};

use crate::sample::{self, Rng, loudly};

const DAMAGED_PER_PROOF: usize = 150;

/// The Python that has the reference, or `None` (loudly).
fn python() -> Option<PathBuf> {
    let dir = sample::programs()?;
    let has_reference = dir.join("venv/bin/ots").exists();
    if !has_reference {
        loudly("skipped: the reference client isn't installed; `scripts/compat-setup` does that");
    }
    has_reference.then(|| dir.join("venv/bin/python"))
}

/// What both are asked of a proof.
fn ours(bytes: &[u8]) -> String {
    let Ok(proof) = DetachedProof::from_bytes(bytes) else {
        return "refused".to_owned();
    };
    let written = hex::encode(proof.to_bytes().unwrap());
    let tree = proof
        .timestamp()
        .describe(proof.digest(), Style::default())
        .unwrap();
    // How Python writes bytes of unknown attestations is Python's business.
    let lines = tree
        .lines()
        .map(|line| line.split("Unknown").next().unwrap_or_default());
    format!(
        "{written} {}",
        hex::encode(lines.collect::<Vec<_>>().join("\n"))
    )
}

fn damaged(rng: &mut Rng, proof: &[u8]) -> Vec<u8> {
    let mut bytes = proof.to_vec();
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len());
        match rng.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next().to_le_bytes()[0]),
            2 => {
                bytes.remove(at);
            }
            3 => {
                let end = (at + rng.below(60)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let place = rng.below(bytes.len());
                bytes.splice(place..place, piece);
            }
            // What means something in this format.
            4 => bytes[at] = [0x00, 0xff, 0x08, 0xf0, 0xf3, 0x80, 0x67, 0x01][rng.below(8)],
            _ => bytes[at] ^= 1 << rng.below(8),
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

#[test]
fn agrees_with_the_reference() {
    let Some(python) = python() else { return };
    let mut rng = Rng(20_261_125);
    let mut cases = Vec::new();
    for proof in sample::all() {
        for _ in 0..DAMAGED_PER_PROOF {
            cases.push(damaged(&mut rng, &proof));
        }
        cases.push(proof);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ots/reference.py");
    let mut child = Command::new(python)
        .args(["-W", "ignore", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input: String = cases.iter().map(|case| hex::encode(case) + "\n").collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().count(), cases.len());
    let mut accepted = 0;
    for (case, theirs) in cases.iter().zip(said.lines()) {
        assert_eq!(ours(case), theirs, "{}", hex::encode(case));
        accepted += usize::from(theirs != "refused");
    }
    assert!(
        accepted * 10 > cases.len(),
        "{accepted} of {} accepted",
        cases.len()
    );
}
