use timestamp::checkpoint::Checkpoint;
use timestamp::cosignature::NO_TIME;
use timestamp::log::ReceiptLog;
use timestamp::merkle::{empty_root, verify_consistency};
use timestamp::note::NodeSigner;
use timestamp::receipt::Receipt;
use timestamp::{Hash, SigningKey};

use crate::sample;

fn log() -> ReceiptLog {
    ReceiptLog::new(sample::signer())
}

fn note(log: &ReceiptLog) -> String {
    log.head(sample::NOW).unwrap().checkpoint
}

fn head(log: &ReceiptLog) -> Checkpoint {
    let cosigner = log.signer().ml_dsa_44().verifier();
    Checkpoint::open(note(log).as_bytes(), log.node().ed25519(), Some(cosigner)).unwrap()
}

#[test]
fn the_checkpoint_of_one_leaf_is_the_golden_one() {
    let mut log = log();
    log.append(&sample::receipt(0)).unwrap();
    let note = note(&log);
    // Computed by independent programs, like the receipt's golden vector.
    let golden = "house.example/receipts\n1\nlKGZvrgt+b8EC8jZN9CH4VitJd7VMsdYwR1DF/T6yms=\n\n\
        — house.example/receipts s1fBbbgGMNBOFVS6cARdGQpovxuFYaUh9U+Un+kvVB3HoXoTyO6uwgqFLKb6VtmQridvZP1ibaWInqAZh2sZ3E72Sgw=\n\
        — house.example/receipts XawVZQ";
    assert!(note.starts_with(golden), "{note}");
    let sha256 = "4e221ae4d270720034edf824cf75e5baeeeafbfbeadd4a9b92911958cbaa1adf";
    assert_eq!(Hash::of(note.as_bytes()).to_string(), sha256);
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
    assert_eq!(note(&one), note(&two));
}

#[test]
fn a_restored_log_continues_the_old_one() {
    let mut before = log();
    let leaves: Vec<_> = (0..33)
        .map(|id| before.append(&sample::receipt(id)).unwrap().leaf_hash)
        .collect();
    let old = head(&before);
    let mut after = ReceiptLog::restore(sample::signer(), leaves);
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
fn an_older_head_is_signed_again_without_a_time() {
    let mut log = log();
    for id in 0..7 {
        log.append(&sample::receipt(id)).unwrap();
    }
    let head = log.head_at(5, NO_TIME).unwrap();
    assert_eq!((head.size, head.root), (5, log.tree().root_at(5).unwrap()));
    let signed = log.sign(&sample::receipt(3)).unwrap();
    let proof = log.prove(3, signed.clone(), &head).unwrap();
    assert_eq!(proof.verify(Some(&sample::node())).unwrap().tree_size, 5);
    let code = |error: timestamp::Error| error.code();
    assert_eq!(log.head_at(8, NO_TIME).map_err(code), Err("out_of_range"));
    // A head can't prove what came after it.
    let signed = log.sign(&sample::receipt(6)).unwrap();
    assert_eq!(
        log.prove(6, signed, &head).map_err(code),
        Err("out_of_range")
    );
}

#[test]
fn only_its_own_receipts_are_signed_and_proven() {
    let mut log = log();
    let renamed = NodeSigner::new("other.example", sample::key(), &[9; 32]).unwrap();
    let rekeyed = [sample::signer_of(8, 9), sample::signer_of(7, 8)];
    for other in rekeyed.into_iter().chain([renamed]) {
        let foreign = Receipt {
            node: other.identity().clone(),
            ..sample::receipt(0)
        };
        assert_eq!(log.append(&foreign).unwrap_err().code(), "key_mismatch");
    }
    assert_eq!(log.size(), 0);
    let first = log.append(&sample::receipt(0)).unwrap();
    let second = log.append(&sample::receipt(1)).unwrap();
    let head = log.head(sample::NOW).unwrap();
    let code = |index, signed| log.prove(index, signed, &head).unwrap_err().code();
    assert_eq!(code(0, second.signed), "leaf_mismatch");
    assert_eq!(code(2, first.signed), "out_of_range");
}

#[test]
fn the_secrets_are_not_printed() {
    let key = SigningKey::from_bytes(&[0xab; 32]);
    let printed = format!("{:?}", NodeSigner::new("n", key, &[0xab; 32]).unwrap());
    let secret = ["171, 171, 171", "abababab"];
    assert!(
        !secret.iter().any(|secret| printed.contains(secret)),
        "{printed}"
    );
}
