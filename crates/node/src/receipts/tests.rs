//! The log over a real database: what it serves, what it anchors, and what it finds again.

use tempfile::TempDir;
use timestamp::Hash;
use timestamp::checkpoint::Checkpoint;
use timestamp::merkle::{Tree, leaf_hash, verify_consistency};
use timestamp::note::CosignerKey;
use timestamp::ots::{Attestation, Timestamp, Uri};
use timestamp::proof::{AnchorStatus, ReceiptProof, Verified};

use super::Statement;
use crate::{Config, Node, Overrides, Worker};

async fn open(dir: &TempDir) -> Node {
    let overrides = Overrides {
        config_file: Some("/dev/null".into()),
        data_dir: Some(dir.path().join("data")),
        ..Overrides::default()
    };
    let worker = Worker {
        program: "/bin/false".into(),
        args: Vec::new(),
    };
    let config = Config::load(&overrides).unwrap();
    Node::open(config, worker).await.unwrap()
}

async fn house() -> (TempDir, Node) {
    let dir = tempfile::tempdir().unwrap();
    let node = open(&dir).await;
    (dir, node)
}

fn answer(n: u64) -> String {
    format!("answer {n}")
}

/// Logs one receipt, as the main road does.
async fn log(node: &Node, id: &str, answer: &str) -> ReceiptProof {
    let statement = Statement {
        id: id.to_owned(),
        request_sha256: Hash::of(b"request"),
        answer_sha256: Hash::of(answer.as_bytes()),
        model: "model".into(),
        model_sha256: None,
        price_msat: 0,
        prompt_tokens: 1,
        completion_tokens: 1,
    };
    let mut receipts = node.inner.receipts.lock().await;
    let leaf = receipts.sign(statement).unwrap();
    let row = leaf.clone();
    node.inner.db.write(move |tx| row.insert(tx)).await.unwrap();
    let proof = receipts.push(leaf).unwrap();
    node.inner.log_grew.notify_one();
    proof
}

async fn log_up_to(node: &Node, size: u64) {
    let from = node.inner.receipts.lock().await.size();
    for n in from..size {
        log(node, &format!("r{n}"), &answer(n)).await;
    }
}

async fn checkpoint(node: &Node) -> Checkpoint {
    let keys = node.receipt_keys().await;
    let note = node.log_checkpoint().await.unwrap();
    let cosigner: CosignerKey = keys.ml_dsa_44.parse().unwrap();
    let key = keys.ed25519.parse().unwrap();
    Checkpoint::open(note.as_bytes(), &key, Some(&cosigner)).unwrap()
}

async fn tile(node: &Node, address: &str) -> Result<Vec<u8>, String> {
    let found = node.log_tile(&address.parse().unwrap()).await;
    found.map_err(|error| error.code().to_owned())
}

async fn verified(node: &Node, id: &str) -> Verified {
    let proof = node.receipt(id).await.unwrap();
    let identity = node.receipt_keys().await.key.parse().unwrap();
    proof.verify(Some(&identity)).unwrap()
}

fn promise() -> Timestamp {
    let uri = Uri::new("https://calendar.example").unwrap();
    Timestamp::attested(Attestation::Pending(uri))
}

fn block(height: u64) -> Timestamp {
    Timestamp::attested(Attestation::Bitcoin { height })
}

#[tokio::test]
async fn the_root_follows_from_tiles_and_from_entries() {
    let (_dir, node) = house().await;
    log_up_to(&node, 300).await;
    let old = checkpoint(&node).await;
    assert_eq!(old.size, 300);

    let hashes = [
        tile(&node, "0/000").await.unwrap(),
        tile(&node, "0/001.p/44").await.unwrap(),
    ]
    .concat();
    let hashes = hashes.chunks_exact(32);
    let tree: Tree = hashes.map(|hash| Hash(hash.try_into().unwrap())).collect();
    assert_eq!((tree.size(), tree.root()), (300, old.root));
    let above = tile(&node, "1/000.p/1").await.unwrap();
    assert_eq!(above, tree.root_at(256).unwrap().0);

    let bundles = [
        tile(&node, "entries/000").await.unwrap(),
        tile(&node, "entries/001.p/44").await.unwrap(),
    ]
    .concat();
    let entries = bundles.chunks_exact(34).map(|entry| {
        assert_eq!(entry[..2], [0, 32]);
        leaf_hash(&entry[2..])
    });
    assert_eq!(entries.collect::<Tree>().root(), old.root);

    for missing in [
        "0/001",
        "0/001.p/45",
        "0/002.p/1",
        "1/000",
        "entries/001",
        "9/000.p/1",
    ] {
        assert_eq!(
            tile(&node, missing).await,
            Err("not_found".into()),
            "{missing}"
        );
    }
    let last = "entries/x018/x446/x744/x073/x709/x551/615";
    assert_eq!(tile(&node, last).await, Err("not_found".into()));

    log_up_to(&node, 350).await;
    let new = checkpoint(&node).await;
    let tree: Tree = {
        let rest = tile(&node, "0/001.p/94").await.unwrap();
        let all = [tile(&node, "0/000").await.unwrap(), rest].concat();
        let hashes = all.chunks_exact(32);
        hashes.map(|hash| Hash(hash.try_into().unwrap())).collect()
    };
    let path = tree.consistency_path(old.size, new.size).unwrap();
    verify_consistency(old.size, new.size, &old.root, &new.root, &path).unwrap();
}

#[tokio::test]
async fn the_same_head_is_signed_once() {
    let (_dir, node) = house().await;
    let empty = node.log_checkpoint().await.unwrap();
    let proof = log(&node, "r0", "answer").await;
    let note = node.log_checkpoint().await.unwrap();
    assert_ne!(note, empty);
    assert_eq!(proof.log.checkpoint, note);
    assert_eq!(node.log_checkpoint().await.unwrap(), note);
}

#[tokio::test]
async fn a_receipt_is_proven_against_the_first_anchored_head() {
    let (_dir, node) = house().await;
    assert_eq!(node.log_head_to_anchor().await.unwrap(), None);
    log_up_to(&node, 3).await;
    let (size, root) = node.log_head_to_anchor().await.unwrap().unwrap();
    assert_eq!((size, root), (3, checkpoint(&node).await.root));
    // The log grows on while the calendars think.
    log_up_to(&node, 5).await;
    node.keep_anchor(size, &promise()).await.unwrap();

    let first = verified(&node, "r0").await;
    assert_eq!((first.tree_size, first.root), (3, root));
    assert_eq!(first.anchoring.status, AnchorStatus::Pending);
    let last = verified(&node, "r4").await;
    assert_eq!(last.tree_size, 5);
    assert_eq!(last.anchoring.status, AnchorStatus::NotAnchored);

    // A complete anchor proves more than an earlier promise.
    let (size, _) = node.log_head_to_anchor().await.unwrap().unwrap();
    node.keep_anchor(size, &block(7)).await.unwrap();
    assert_eq!(node.log_head_to_anchor().await.unwrap(), None);
    for id in ["r0", "r4"] {
        let verified = verified(&node, id).await;
        assert_eq!(verified.tree_size, 5);
        assert_eq!(verified.anchoring.status, AnchorStatus::Claimed);
    }
    let pending = node.pending_anchors().await.unwrap();
    let [pending] = pending.as_slice() else {
        panic!("one is pending: {pending:?}");
    };
    assert_eq!((pending.tree_size, pending.root), (3, root));
    assert_eq!(pending.timestamp, promise());

    node.upgrade_anchor(3, &block(6)).await.unwrap();
    assert_eq!(node.pending_anchors().await.unwrap(), []);
    let first = verified(&node, "r0").await;
    assert_eq!(first.tree_size, 3);
    assert_eq!(first.anchoring.blocks[0].height, 6);
    assert_eq!(first.anchoring.calendars, ["https://calendar.example"]);
}

#[tokio::test]
async fn what_cannot_be_an_anchor_is_not_kept() {
    let (_dir, node) = house().await;
    log_up_to(&node, 2).await;
    let code = |result: crate::Result<()>| result.unwrap_err().code().to_owned();
    assert_eq!(code(node.keep_anchor(3, &block(1)).await), "out_of_range");
    assert_eq!(code(node.upgrade_anchor(2, &block(1)).await), "not_found");
    let nothing = Timestamp::default();
    assert_eq!(code(node.keep_anchor(2, &nothing).await), "empty_proof");
    // Twice the same size is one anchor that says both.
    node.keep_anchor(2, &promise()).await.unwrap();
    node.keep_anchor(2, &block(1)).await.unwrap();
    let anchoring = verified(&node, "r1").await.anchoring;
    assert_eq!((anchoring.blocks.len(), anchoring.calendars.len()), (1, 1));
    assert_eq!(node.pending_anchors().await.unwrap(), []);
}

#[tokio::test]
async fn a_saved_answer_finds_its_receipt() {
    let (_dir, node) = house().await;
    let answers = ["plain", "ends in a newline\n", "plain", ""];
    for (n, answer) in answers.iter().enumerate() {
        log(&node, &format!("r{n}"), answer).await;
    }
    let found = async |saved: &str| {
        let proof = node.receipt_for_answer(saved.as_bytes()).await;
        proof
            .map(|proof| proof.signed_receipt.receipt.id)
            .map_err(|error| error.code().to_owned())
    };
    // Of two the older one.
    assert_eq!(found("plain").await, Ok("r0".into()));
    assert_eq!(found("plain\n").await, Ok("r0".into()));
    assert_eq!(found("ends in a newline\n").await, Ok("r1".into()));
    assert_eq!(found("ends in a newline\n\n").await, Ok("r1".into()));
    assert_eq!(found("ends in a newline").await, Err("not_found".into()));
    assert_eq!(found("plain\n\n").await, Err("not_found".into()));
    assert_eq!(found("").await, Ok("r3".into()));
    assert_eq!(found("\n").await, Ok("r3".into()));
}

#[tokio::test]
async fn a_received_receipt_is_found_by_its_payment_and_never_hides_ours() {
    let ((_a, ours), (_b, theirs)) = (house().await, house().await);
    let own = log(&ours, "r0", "said by us").await;
    let foreign = log(&theirs, "r0", "said by them").await;
    for (payment, proof) in [("self", own.clone()), ("other", foreign.clone())] {
        let keep = move |tx: &rusqlite::Transaction<'_>| super::keep_received(tx, payment, &proof);
        ours.inner.db.write(keep).await.unwrap();
    }
    ours.keep_anchor(1, &block(7)).await.unwrap();
    let signed = async |id| ours.receipt(id).await.unwrap().signed_receipt;
    assert_eq!(signed("r0").await, own.signed_receipt);
    assert_eq!(signed("self").await, own.signed_receipt);
    assert!(ours.receipt("self").await.unwrap().anchor.is_some());
    assert_eq!(signed("other").await, foreign.signed_receipt);
    let by_answer = ours.receipt_for_answer(b"said by them\n").await.unwrap();
    assert_eq!(by_answer, foreign);
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let (dir, node) = house().await;
    log_up_to(&node, 5).await;
    node.keep_anchor(4, &promise()).await.unwrap();
    let (keys, head) = (node.receipt_keys().await, checkpoint(&node).await);
    let entries = tile(&node, "entries/000.p/5").await;
    let identity = &keys.key;
    assert!(identity.starts_with(&keys.ed25519) && identity.contains(",ml-dsa-44:"));
    node.shutdown().await;
    drop(node);

    let node = open(&dir).await;
    assert_eq!(node.receipt_keys().await.key, keys.key);
    assert_eq!(checkpoint(&node).await, head);
    assert_eq!(tile(&node, "entries/000.p/5").await, entries);
    assert_eq!(verified(&node, "r2").await.tree_size, 4);
    assert_eq!(node.pending_anchors().await.unwrap().len(), 1);
    log_up_to(&node, 6).await;
    assert_eq!(verified(&node, "r5").await.tree_size, 6);
}

#[tokio::test]
async fn the_play_network_anchors_by_itself_and_says_what_that_is_worth() {
    let (_dir, node) = house().await;
    log_up_to(&node, 2).await;
    // There is no model; the background work runs all the same.
    node.start().await.unwrap_err();
    for size in [2, 3] {
        log_up_to(&node, size).await;
        let id = format!("r{}", size - 1);
        let mut anchoring = verified(&node, &id).await.anchoring;
        for _ in 0..100 {
            if anchoring.status == AnchorStatus::StandIn {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            anchoring = verified(&node, &id).await.anchoring;
        }
        assert_eq!(anchoring.status, AnchorStatus::StandIn);
        let json = node.receipt(&id).await.unwrap().to_json().unwrap();
        let exported = super::export_receipt(json.as_bytes()).unwrap();
        assert_eq!(exported.name, id);
        assert!(exported.statement.contains(&format!("\nid {id}\n")));
        assert!(exported.anchor.contains("proves nothing"));
    }
    assert_eq!(node.pending_anchors().await.unwrap(), []);
    node.shutdown().await;
}
