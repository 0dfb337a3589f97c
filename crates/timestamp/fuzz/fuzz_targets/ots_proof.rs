//! OpenTimestamps proofs come from anyone: reading, computing, pruning and printing them must never
//! panic or take long, and what was read has one canonical form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use timestamp::ots::{DetachedProof, Discard, MAGIC, Style, Timestamp};

fuzz_target!(|bytes: &[u8]| {
    let Ok(timestamp) = Timestamp::from_bytes(bytes, 32) else {
        return;
    };
    let written = timestamp.to_bytes().expect("what was read is written");
    assert_eq!(Timestamp::from_bytes(&written, 32).as_ref(), Ok(&timestamp));

    let file = [&MAGIC[..], &[1, 0x08], &[7; 32], bytes].concat();
    let proof = DetachedProof::from_bytes(&file).expect("the same in a file");
    let attested = proof.attestations().expect("lengths were checked");
    let _ = proof.describe(Style { shows_results: true });

    let mut twice = timestamp.clone();
    twice.merge(timestamp.clone());
    assert_eq!(twice, timestamp, "nothing is new in itself");

    let mut pruned = timestamp.clone();
    pruned.prune(&[Discard::AllPending]);
    let kept = pruned.attestations(&[7; 32]).expect("less is left");
    assert!(kept.iter().all(|each| attested.contains(each)));
});
