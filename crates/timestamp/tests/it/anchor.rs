//! From a receipt's statement up the log to its root, and on to whatever the root is anchored in.

use proptest::prelude::*;
use timestamp::Hash;
use timestamp::merkle::{Tree, leaf_hash, path_ops};
use timestamp::ots::{Arg, Attestation, DetachedProof, Op, Timestamp, Uri};
use timestamp::proof::{Anchor, AnchorStatus, Anchoring, MAX_ANCHOR_BYTES, ReceiptProof};

use crate::sample;

fn anchoring(timestamp: Timestamp) -> Anchoring {
    let proof = sample::with_anchor(sample::proof(2, 5), timestamp);
    let json = proof.to_json().unwrap();
    let proof = ReceiptProof::from_json(json.as_bytes()).unwrap();
    proof.verify(Some(&sample::node())).unwrap().anchoring
}

fn entries(count: u64) -> Vec<Hash> {
    (0..count).map(|n| Hash::of(&n.to_be_bytes())).collect()
}

/// The root that the operations lead to from an entry.
fn arrive(entry: &Hash, ops: &[Op]) -> Vec<u8> {
    let mut message = entry.0.to_vec();
    for op in ops {
        op.apply(&mut message).unwrap();
    }
    message
}

#[test]
fn every_entry_of_every_small_log_leads_to_its_root() {
    let entries = entries(70);
    let tree: Tree = entries.iter().map(|e| leaf_hash(&e.0)).collect();
    for size in 1..=70 {
        let root = tree.root_at(size).unwrap();
        for index in 0..size {
            let path = tree.inclusion_path(index, size).unwrap();
            let ops = path_ops(index, size, &path).unwrap();
            assert!(ops.len() <= 2 + 3 * path.len());
            assert_eq!(arrive(&entries[index as usize], &ops), root.0);
        }
    }
}

#[test]
fn what_an_anchor_claims_is_told() {
    let block = |height| sample::on_the_way(Attestation::Bitcoin { height });
    let mut all = block(840_000);
    all.merge(block(839_999));
    all.merge(sample::promised());
    all.merge(sample::on_the_way(Attestation::stand_in(sample::NOW)));
    all.merge(sample::on_the_way(Attestation::Litecoin { height: 1 }));
    let found = anchoring(all);
    assert_eq!(found.status, AnchorStatus::Claimed);
    let root = sample::proof(2, 5).verify(None).unwrap().root;
    let message = Hash::of(&[root.0.as_slice(), &[5; 16]].concat());
    let heights: Vec<_> = found.blocks.iter().map(|claim| claim.height).collect();
    assert_eq!(heights, [839_999, 840_000]);
    assert!(found.blocks.iter().all(|claim| claim.message == message.0));
    assert_eq!(found.calendars, ["https://calendar.example"]);
    assert_eq!(found.stand_ins_unix_s, [sample::NOW]);
    assert_eq!(found.others, 1);
    assert_eq!(found.words(), "claims Bitcoin block 839999, 840000");
    assert!(found.warning().contains("the block's header"));
}

#[test]
fn the_best_attestation_says_how_far_it_is() {
    let stand_in = || sample::on_the_way(Attestation::stand_in(sample::NOW));
    let mut promised = sample::promised();
    promised.merge(stand_in());
    let unknown = Attestation::Ethereum { height: 1 };
    for (timestamp, status, word) in [
        (promised, AnchorStatus::Pending, "calendar.example"),
        (stand_in(), AnchorStatus::StandIn, "proves nothing"),
        (
            sample::on_the_way(unknown),
            AnchorStatus::Unknown,
            "not anchored as far",
        ),
    ] {
        let found = anchoring(timestamp);
        assert_eq!(found.status, status);
        assert!(found.words().contains(word), "{}", found.words());
        assert!(found.warning().ends_with("the time is the node's own word"));
    }
}

#[test]
fn a_proof_gives_a_file_that_other_clients_read() {
    let proof = sample::anchored(2, 5);
    let (statement, ots) = proof.to_ots().unwrap();
    let receipt = &proof.signed_receipt.receipt;
    assert_eq!(statement, receipt.statement().unwrap());
    let file = ots.to_bytes().unwrap();
    let read = DetachedProof::from_bytes(&file).unwrap();
    assert_eq!(read.digest(), receipt.entry().unwrap().0);
    let verified = proof.verify(Some(&sample::node())).unwrap();
    let heights: Vec<_> = read
        .attestations()
        .unwrap()
        .into_iter()
        .filter_map(|(message, attestation)| match attestation {
            Attestation::Bitcoin { height } => Some((message, height)),
            _ => None,
        })
        .collect();
    let claim = &verified.anchoring.blocks[0];
    assert_eq!(heights, [(claim.message.clone(), claim.height)]);
}

#[test]
fn there_is_no_such_file_without_an_anchor() {
    let error = sample::proof(2, 5).to_ots().unwrap_err();
    assert_eq!(error.code(), "not_anchored");
    let deep = sample::promised().after(std::iter::repeat_n(Op::SHA256, 250));
    let proof = sample::with_anchor(sample::proof(2, 5), deep);
    assert_eq!(proof.to_ots().unwrap_err().code(), "too_deep");
}

#[test]
fn anchors_are_bounded_and_have_one_spelling() {
    let anchor = Anchor::new(sample::promised()).unwrap();
    let bytes = anchor.to_bytes().unwrap();
    assert_eq!(Anchor::from_bytes(&bytes).unwrap(), anchor);
    let text = anchor.to_string();
    assert_eq!(text.parse::<Anchor>().unwrap(), anchor);
    let code = |text: &str| text.parse::<Anchor>().unwrap_err().code();
    assert_eq!(code(&text[..text.len() - 4]), "truncated");
    assert_eq!(code(&format!("{text} ")), "malformed");
    assert_eq!(code(&format!("{text}AAAA")), "trailing_bytes");
    assert_eq!(code(""), "truncated");
    assert_eq!(code(&"A".repeat(MAX_ANCHOR_BYTES * 2)), "too_large");
    // The length of an argument in one byte more than is needed.
    let mut padded = bytes.clone();
    padded.splice(1..2, [0x90, 0x00]);
    let error = Anchor::from_bytes(&padded).unwrap_err();
    assert_eq!(error.code(), "malformed");

    let long = Op::Append(Arg::new(&[1; 4000]).unwrap());
    let steps = (0..5).flat_map(|_| [long.clone(), Op::SHA256]);
    let error = Anchor::new(sample::promised().after(steps)).unwrap_err();
    assert_eq!(error.code(), "too_large");
    assert_eq!(
        Anchor::new(Timestamp::default()).unwrap_err().code(),
        "empty_proof"
    );
}

proptest! {
    #[test]
    fn every_path_leads_to_the_root(size in 1_u64..2_000, at: prop::sample::Index) {
        let entries = entries(size);
        let tree: Tree = entries.iter().map(|e| leaf_hash(&e.0)).collect();
        let index = at.index(entries.len());
        let path = tree.inclusion_path(index as u64, size)?;
        let ops = path_ops(index as u64, size, &path)?;
        prop_assert_eq!(arrive(&entries[index], &ops), tree.root().0);
    }

    #[test]
    fn a_path_of_another_length_has_no_operations(
        index: u64, size: u64, path in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..70),
    ) {
        let fits = path_ops(index, size, &path).is_ok();
        prop_assert!(!fits || index < size);
    }

    #[test]
    fn the_way_to_the_root_is_the_one_that_is_verified(size in 1_u64..30, at: prop::sample::Index) {
        let index = at.index(size as usize) as u64;
        let uri = Uri::new("https://a.example").unwrap();
        let anchor = Timestamp::attested(Attestation::Pending(uri));
        let proof = sample::with_anchor(sample::proof(index, size), anchor);
        let root = proof.verify(Some(&sample::node()))?.root;
        let (_, ots) = proof.to_ots()?;
        let attestations = ots.attestations().unwrap();
        prop_assert_eq!(&attestations[0].0, &root.0);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>, text in "[A-Za-z0-9+/]{0,80}={0,2}") {
        if let Ok(anchor) = Anchor::from_bytes(&bytes) {
            prop_assert_eq!(anchor.to_bytes()?, bytes);
        }
        if let Ok(anchor) = text.parse::<Anchor>() {
            prop_assert_eq!(anchor.to_string(), text);
        }
    }
}
