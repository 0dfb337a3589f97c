//! Side by side with the Python reference, where `scripts/compat-setup` has installed it: trees
//! have the same roots and files the same ways to them, signatures are found in commits alike,
//! and text that either writes or damages is read alike.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use timestamp::git::{Armored, Hashes, Signed, TreeTimestamper};
use timestamp::ots::{DetachedProof, Op};

use crate::memory::Memory;
use crate::sample::{self, Rng, loudly};

const TREES: usize = 40;
const COMMITS: usize = 300;
const DAMAGED_PER_PROOF: usize = 40;

/// The Python that has the reference, or `None` (loudly).
fn python() -> Option<PathBuf> {
    let dir = sample::programs()?;
    let python = dir.join("venv/bin/python");
    let can = Command::new(&python)
        .args(["-c", "import git, otsclient.git, opentimestamps.core.git"])
        .stderr(Stdio::null())
        .status();
    if !can.is_ok_and(|status| status.success()) {
        loudly(
            "skipped: the reference client with GitPython, or git itself, isn't installed; \
             `scripts/compat-setup` does that",
        );
        return None;
    }
    Some(python)
}

/// A question to the reference, and what it has to answer. `None`: a refusal, or anything else.
type Case = (Value, Option<Value>);

fn trees(rng: &mut Rng, cases: &mut Vec<Case>) {
    for _ in 0..TREES {
        let (mut memory, mut paths) = (Memory::default(), Vec::new());
        let tree = memory.random(rng, "", &mut paths);
        let objects: Vec<Value> = memory
            .objects
            .values()
            .map(|(kind, bytes)| json!([kind, hex::encode(bytes)]))
            .collect();
        let mut known = Hashes::new();
        let mut timestamper = TreeTimestamper::new(&mut memory, &mut known);
        let root = timestamper.root(&tree).map(hex::encode).unwrap();
        let files = paths.iter().map(|path| {
            let file = timestamper.file(&tree, path.as_bytes()).unwrap();
            let ops = file.ops.iter().map(Op::to_string);
            json!([hex::encode(file.digest), ops.collect::<Vec<_>>()])
        });
        let answer = json!({"root": root, "files": files.collect::<Vec<_>>()});
        let question = json!({
            "do": "tree", "objects": objects, "tree": tree.to_string(), "paths": paths,
        });
        cases.push((question, Some(answer)));
    }
}

/// Signed commits as git writes them: the signature is the last header.
fn commits(rng: &mut Rng, cases: &mut Vec<Case>) {
    let words = [
        "gpgsig x",
        "",
        "tree y",
        "-----BEGIN PGP SIGNATURE-----",
        " z",
        "é",
    ];
    let mut lines =
        |count: usize| -> Vec<&str> { (0..count).map(|_| words[rng.below(words.len())]).collect() };
    for index in 0..COMMITS {
        let signature = lines(index % 7 + 1).join("\n ");
        let message = lines(index % 4).join("\n");
        let tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
        let commit = format!("tree {tree}\nauthor A\ngpgsig {signature}\n\n{message}\n");
        let signed = Signed::split(commit.as_bytes()).unwrap().unwrap();
        let answer = json!([hex::encode(signed.payload), hex::encode(signed.signature)]);
        let question = json!({"do": "commit", "commit": hex::encode(commit)});
        cases.push((question, Some(answer)));
    }
}

fn texts(rng: &mut Rng, cases: &mut Vec<Case>) {
    // Some of the shared ones are there to be refused.
    let proofs = sample::all();
    let proofs = proofs
        .iter()
        .filter_map(|proof| DetachedProof::from_bytes(proof).ok());
    for timestamp in proofs.map(|proof| proof.timestamp().clone()) {
        let minor_version = rng.next().to_le_bytes()[0];
        let text = Armored {
            minor_version,
            timestamp,
        }
        .to_text()
        .unwrap();
        let signature = [b"-----END PGP SIGNATURE-----\n", text.as_slice()].concat();
        for damage in 0..DAMAGED_PER_PROOF {
            let mut signature = signature.clone();
            if damage > 0 {
                let at = rng.below(signature.len());
                signature[at] = b"\nA-/ =!"[rng.below(7)];
            }
            text_case(&signature, cases);
        }
    }
}

fn text_case(signature: &[u8], cases: &mut Vec<Case>) {
    let question = json!({"do": "text", "payload": "00ff", "signature": hex::encode(signature)});
    let answer = Armored::read(&[0x00, 0xff], signature)
        .ok()
        .map(|found| match found {
            None => Value::Null,
            Some((message, armored)) => json!([
                hex::encode(message),
                armored.minor_version,
                hex::encode(armored.timestamp.to_bytes().unwrap()),
                hex::encode(armored.to_text().unwrap()),
            ]),
        });
    cases.push((question, answer));
}

#[test]
fn agrees_with_the_reference() {
    let Some(python) = python() else { return };
    let mut rng = Rng(20_261_125);
    let mut cases = Vec::new();
    trees(&mut rng, &mut cases);
    commits(&mut rng, &mut cases);
    texts(&mut rng, &mut cases);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/git/reference.py");
    let mut child = Command::new(python)
        .args(["-W", "ignore", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input: String = cases.iter().map(|(case, _)| format!("{case}\n")).collect();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said.lines().count(), cases.len());
    let mut refused = 0;
    for ((question, answer), theirs) in cases.iter().zip(said.lines()) {
        match answer {
            Some(answer) => assert_eq!(theirs, answer.to_string(), "{question}"),
            // Stricter than the reference, which skips what isn't base64.
            None => refused += 1,
        }
    }
    assert!(refused * 2 < cases.len(), "{refused} of {}", cases.len());
}
