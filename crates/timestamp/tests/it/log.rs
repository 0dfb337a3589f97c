use timestamp::checkpoint::Checkpoint;
use timestamp::log::ReceiptLog;
use timestamp::merkle::{empty_root, verify_consistency};
use timestamp::note::VerifierKey;
use timestamp::receipt::Receipt;

use crate::sample;

fn log() -> ReceiptLog {
    ReceiptLog::new(sample::key(), sample::ORIGIN).unwrap()
}

fn head(log: &ReceiptLog) -> Checkpoint {
    Checkpoint::open(log.checkpoint().unwrap().as_bytes(), log.node()).unwrap()
}

#[test]
fn the_checkpoint_of_one_leaf_is_the_golden_one() {
    let mut log = log();
    log.append(&sample::receipt(0)).unwrap();
    // Computed by an independent program, like the receipt's golden vector.
    let golden = "house.example/receipts\n1\ntmrSdVdigva82pR2VazjQXIgFIbdjOFZ2ItFJrXFqB8=\n\n\
        — house.example/receipts s1fBbS/0ZUHYj5tqnCJ+2ebTdwgrSXg0tD8QxgchbSTlNyhxKGTPq84xgbicGBit1O7wMtxkfXoueDBA60hPh+hbsww=\n";
    assert_eq!(log.checkpoint().unwrap(), golden);
}

#[test]
fn an_empty_log_has_a_head_too() {
    let head = head(&log());
    assert_eq!((head.size, head.root), (0, empty_root()));
}

#[test]
fn two_steps_are_one_append() {
    let (mut one, mut two) = (log(), log());
    for id in 0..20 {
        let appended = one.append(&sample::receipt(id)).unwrap();
        assert_eq!(appended.index, id);
        let signed = two.sign(&sample::receipt(id)).unwrap();
        let leaf_hash = signed.receipt.leaf_hash().unwrap();
        assert_eq!((&signed, leaf_hash), (&appended.signed, appended.leaf_hash));
        two.push(id, leaf_hash).unwrap();
    }
    assert_eq!(one.checkpoint().unwrap(), two.checkpoint().unwrap());
}

#[test]
fn a_restored_log_continues_the_old_one() {
    let mut before = log();
    let leaves: Vec<_> = (0..33)
        .map(|id| before.append(&sample::receipt(id)).unwrap().leaf_hash)
        .collect();
    let old = head(&before);
    let mut after = ReceiptLog::restore(sample::key(), sample::ORIGIN, leaves).unwrap();
    assert_eq!(head(&after), old);
    for id in 33..50 {
        after.append(&sample::receipt(id)).unwrap();
    }
    let new = head(&after);
    let path = after.tree().consistency_path(old.size, new.size).unwrap();
    verify_consistency(old.size, new.size, &old.root, &new.root, &path).unwrap();
}

#[test]
fn a_leaf_is_refused_where_storage_and_memory_disagree() {
    let mut log = log();
    let leaf_hash = sample::receipt(0).leaf_hash().unwrap();
    assert_eq!(log.push(1, leaf_hash).unwrap_err().code(), "out_of_order");
    log.push(0, leaf_hash).unwrap();
    assert_eq!(log.push(0, leaf_hash).unwrap_err().code(), "out_of_order");
    assert_eq!(log.size(), 1);
}

#[test]
fn only_its_own_receipts_are_signed_and_proven() {
    let mut log = log();
    let renamed = VerifierKey::new("other.example", sample::public_key()).unwrap();
    let foreign = Receipt {
        node: renamed,
        ..sample::receipt(0)
    };
    assert_eq!(log.append(&foreign).unwrap_err().code(), "invalid_field");
    assert_eq!(log.size(), 0);
    let first = log.append(&sample::receipt(0)).unwrap();
    let second = log.append(&sample::receipt(1)).unwrap();
    assert_eq!(
        log.prove(0, second.signed).unwrap_err().code(),
        "leaf_mismatch"
    );
    assert_eq!(
        log.prove(2, first.signed).unwrap_err().code(),
        "out_of_range"
    );
}
