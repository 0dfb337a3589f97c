//! What holds for every proof.

use proptest::prelude::*;
use timestamp::ots::{Arg, Attestation, DetachedProof, Digester, Op, Timestamp, Uri};

use crate::sample;

fn op() -> impl Strategy<Value = Op> {
    let arg =
        || prop::collection::vec(any::<u8>(), 1..40).prop_map(|bytes| Arg::new(&bytes).unwrap());
    prop_oneof![
        4 => Just(Op::SHA256),
        1 => Just(Op::Digest(Digester::Sha1)),
        1 => Just(Op::Digest(Digester::Ripemd160)),
        1 => Just(Op::Digest(Digester::Keccak256)),
        4 => arg().prop_map(Op::Append),
        4 => arg().prop_map(Op::Prepend),
        1 => Just(Op::Reverse),
    ]
}

fn attestation() -> impl Strategy<Value = Attestation> {
    prop_oneof![
        any::<u64>().prop_map(|height| Attestation::Bitcoin { height }),
        any::<u32>().prop_map(|height| Attestation::Litecoin {
            height: height.into()
        }),
        "[a-z:/.]{0,20}".prop_map(|uri| Attestation::Pending(Uri::new(uri).unwrap())),
        (any::<[u8; 7]>(), prop::collection::vec(any::<u8>(), 0..20)).prop_map(
            |(rest, payload)| {
                let mut tag = [0xaa; 8];
                tag[1..].copy_from_slice(&rest);
                Attestation::Unknown { tag, payload }
            }
        ),
    ]
}

/// Few enough different paths that some have a beginning in common.
fn timestamp() -> impl Strategy<Value = Timestamp> {
    let path = prop::collection::vec(op(), 0..5);
    (
        prop::collection::vec(op(), 3),
        prop::collection::vec((0..4_usize, path, attestation()), 1..8),
    )
        .prop_map(|(stem, parts)| {
            let mut all = Timestamp::default();
            for (common, path, attestation) in parts {
                let ops = stem[..common.min(3)].iter().cloned().chain(path);
                all.merge(Timestamp::attested(attestation).after(ops));
            }
            all
        })
}

fn attested(timestamp: &Timestamp) -> Vec<(Vec<u8>, Attestation)> {
    let mut all = timestamp.attestations(&[3; 32]).unwrap();
    all.sort();
    all.dedup();
    all
}

proptest! {
    #[test]
    fn what_is_written_is_read(timestamp in timestamp()) {
        let bytes = timestamp.to_bytes().unwrap();
        prop_assert_eq!(&Timestamp::from_bytes(&bytes, 32).unwrap(), &timestamp);
    }

    #[test]
    fn merging_keeps_all_that_is_attested(one in timestamp(), two in timestamp()) {
        let mut both = one.clone();
        both.merge(two.clone());
        let mut expected = [attested(&one), attested(&two)].concat();
        expected.sort();
        expected.dedup();
        prop_assert_eq!(attested(&both), expected);
        let mut other_way = two;
        other_way.merge(one.clone());
        prop_assert_eq!(&other_way, &both);
        let again = { let mut again = both.clone(); again.merge(one); again };
        prop_assert_eq!(again, both);
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Timestamp::from_bytes(&bytes, 32);
        let _ = DetachedProof::from_bytes(&bytes);
    }

    #[test]
    fn what_is_read_stays_the_same(index in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let proofs = sample::ours();
        let mut bytes = index.get(&proofs).clone();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(proof) = DetachedProof::from_bytes(&bytes) {
            let written = proof.to_bytes().unwrap();
            prop_assert_eq!(DetachedProof::from_bytes(&written).unwrap(), proof);
        }
    }

    /// Whatever is altered in a proof with one way to one block, it is no longer a proof.
    #[test]
    fn a_mutation_never_verifies(
        ops in prop::collection::vec(op(), 0..12),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
        cut in prop::bool::weighted(0.1),
    ) {
        let file = b"the file";
        let height = 358_391;
        let timestamp = Timestamp::attested(Attestation::Bitcoin { height }).after(ops);
        let proof = DetachedProof::of_bytes(file, timestamp).unwrap();
        let root = proof.attestations().unwrap().remove(0).0;
        let mut bytes = proof.to_bytes().unwrap();
        prop_assert!(verifies(&bytes, file, height, &root));
        prop_assert!(!verifies(&bytes, b"another file", height, &root));
        prop_assert!(!verifies(&bytes, file, height + 1, &root));
        let at = at.index(bytes.len());
        if cut {
            bytes.remove(at);
        } else {
            bytes[at] ^= flip;
        }
        prop_assert!(!verifies(&bytes, file, height, &root), "byte {at}");
    }
}

/// Whether the file was there at the block of this height, whose root this is.
fn verifies(bytes: &[u8], file: &[u8], height: u64, root: &[u8]) -> bool {
    let Ok(proof) = DetachedProof::from_bytes(bytes) else {
        return false;
    };
    proof.digester().digest(file) == proof.digest()
        && proof
            .attestations()
            .unwrap()
            .iter()
            .any(|(message, kind)| message == root && *kind == Attestation::Bitcoin { height })
}
