//! The reference's own examples.

use std::fs;

use timestamp::ots::{Attestation, DetachedProof, Error, Style};

use crate::sample::vectors;

fn read(name: &str) -> Option<Vec<u8>> {
    Some(fs::read(vectors()?.join(name)).unwrap())
}

#[test]
fn every_valid_example_is_written_as_it_was_read() {
    let Some(dir) = vectors() else { return };
    let mut count = 0;
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".ots") || name.starts_with("invalid") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let proof = DetachedProof::from_bytes(&bytes).unwrap();
        assert_eq!(proof.to_bytes().unwrap(), bytes, "{name}");
        if let Ok(file) = fs::read(path.with_extension("")) {
            let is_same = proof.digester().digest(&file) == proof.digest();
            assert!(is_same, "{name}");
        }
        assert!(!proof.attestations().unwrap().is_empty(), "{name}");
        count += 1;
    }
    assert!(count >= 11, "{count} examples");
}

#[test]
fn invalid_examples_are_refused() {
    let Some(version) = read("invalid-bad-major-version.ots") else {
        return;
    };
    assert!(matches!(
        DetachedProof::from_bytes(&version),
        Err(Error::UnsupportedVersion { .. })
    ));
    let long = read("invalid-exceeds-max-msg-length.ots").unwrap();
    assert!(matches!(
        DetachedProof::from_bytes(&long),
        Err(Error::MessageTooLong { .. })
    ));
}

fn bitcoin_roots(name: &str) -> Option<Vec<(u64, String)>> {
    let proof = DetachedProof::from_bytes(&read(name)?).unwrap();
    let roots = proof.attestations().unwrap().into_iter();
    Some(
        roots
            .filter_map(|(mut message, attestation)| match attestation {
                Attestation::Bitcoin { height } => {
                    message.reverse();
                    Some((height, hex::encode(message)))
                }
                _ => None,
            })
            .collect(),
    )
}

#[test]
fn hello_world_was_there_in_block_358391() {
    let Some(roots) = bitcoin_roots("hello-world.txt.ots") else {
        return;
    };
    let root = "8a1b66ecb7cbd07d8139a7e7d7f2c41aab1f5009b8364aaf61d03ad245e47e00";
    assert_eq!(roots, [(358_391, root.to_owned())]);
    for (name, expected) in [
        ("different-blockchains.txt.ots", 455_605),
        ("sha1-a-or-b.ots", 466_906),
    ] {
        let heights: Vec<u64> = bitcoin_roots(name)
            .unwrap()
            .iter()
            .map(|(h, _)| *h)
            .collect();
        assert_eq!(heights, [expected], "{name}");
    }
    // It is well made, and lies: its message isn't that block's root.
    let bad = bitcoin_roots("bad-stamp.txt.ots").unwrap();
    assert_eq!(bad[0].0, 358_391);
    assert_ne!(bad[0].1, root);
}

#[test]
fn a_proof_reads_as_the_reference_prints_it() {
    let Some(bytes) = read("hello-world.txt.ots") else {
        return;
    };
    let text = DetachedProof::from_bytes(&bytes)
        .unwrap()
        .describe(Style::default())
        .unwrap();
    let start = "File sha256 hash: 03ba204e50d126e4674c005e04d82e84c21366780af1f43bd54a37816b6ab340\n\
                 Timestamp:\nripemd160\n";
    let end = "\nsha256\nverify BitcoinBlockHeaderAttestation(358391)\n# Bitcoin block merkle root \
               8a1b66ecb7cbd07d8139a7e7d7f2c41aab1f5009b8364aaf61d03ad245e47e00\n";
    assert!(text.starts_with(start) && text.ends_with(end), "{text}");
    assert!(text.contains("\n# Transaction id "), "{text}");
}
