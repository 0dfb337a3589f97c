//! Everything that the model says has a receipt, and the log of receipts is open to all.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::common::{Checks, Home, Node, Pay, ask, ask_stream, eventually, told};
use node::checkpoint::Checkpoint;
use node::merkle::{Tree, leaf_hash, verify_consistency};
use node::note::Identity;
use node::ots::DetachedProof;
use node::{Hash, ReceiptProof, answer_digests};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn receipts() {
    let Some(home) = Home::new() else { return };
    let node = Arc::new(Node::start(&home).await);
    let mut checks = Checks::new();
    checks.run("every_answer", every_answer(node.clone())).await;
    checks.run("saved_answer", saved_answer(node.clone())).await;
    checks.run("anchored", anchored(node.clone())).await;
    checks.run("open_log", open_log(node.clone())).await;
    checks.finish();
}

fn identity(node: &Node) -> String {
    node.json(&["status"])["receipt_key"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn proof(json: &Value) -> ReceiptProof {
    ReceiptProof::from_json(json.to_string().as_bytes()).unwrap()
}

fn file(node: &Node, name: &str) -> PathBuf {
    node.home().scratch().join(name)
}

/// The owner's too, which cost nothing; streamed or not.
async fn every_answer(node: Arc<Node>) {
    let owner = node.owner_token();
    let expected: Identity = identity(&node).parse().unwrap();
    for body in [ask("Hello", 12), ask_stream("Hello", 12)] {
        let reply = node.chat(Pay::Bearer(&owner), &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let proof = proof(&reply.receipt().expect("a receipt"));
        let verified = proof.verify(Some(&expected)).unwrap();
        assert_eq!(proof.signed_receipt.receipt.price_msat, 0);
        proof.verify_answer(reply.answer().as_bytes()).unwrap();
        proof.verify_request(body.to_string().as_bytes()).unwrap();
        assert_eq!(verified.index + 1, verified.tree_size);
        // What proxies and clients let pass: the receipt is in the body.
        let headers = reply.headers.iter();
        let longest = headers.map(|(_, value)| value.len()).max().unwrap();
        assert!(longest < 1_000, "a header of {longest} bytes");
    }
}

/// `freehold ask … > answer.txt`, and later: what was that?
async fn saved_answer(node: Arc<Node>) {
    let args = ["ask", "--max-tokens", "24", "What is a merkle tree?"];
    let asked = node.cli(&args);
    assert!(asked.status.success(), "{}", told(&asked));
    let saved = file(&node, "answer.txt");
    fs::write(&saved, &asked.stdout).unwrap();

    let owner = node.owner_token();
    let mut found = None;
    for digest in answer_digests(&fs::read(&saved).unwrap()) {
        let path = format!("/api/receipts/by-answer/{digest}");
        let reply = node.get(&path, Pay::Bearer(&owner)).await;
        assert!([200, 404].contains(&reply.status), "{}", reply.text());
        if reply.status == 200 {
            found = Some(reply.json());
        }
        assert_eq!(node.get(&path, Pay::Nothing).await.status, 401);
    }
    let found = proof(&found.expect("the saved answer's receipt"));
    found.verify_answer(&asked.stdout).unwrap();
    let id = &found.signed_receipt.receipt.id;
    assert_eq!(
        node.json(&["receipt", "show", "latest"])["signed_receipt"]["receipt"]["id"],
        **id
    );

    let verify = ["receipt", "verify", id, "--answer", saved.to_str().unwrap()];
    let words = node.cli(&verify);
    let words = String::from_utf8(words.stdout).unwrap();
    assert!(words.contains("it is about this answer"), "{words}");
    let other = file(&node, "other.txt");
    fs::write(&other, [&asked.stdout[..], b"!"].concat()).unwrap();
    let (code, error) =
        node.home()
            .error(&["receipt", "verify", id, "--answer", other.to_str().unwrap()]);
    assert_eq!(
        (code, &error["error"]["code"]),
        (1, &"digest_mismatch".into()),
        "{error}"
    );
}

/// On the play network the anchor proves nothing, but takes the way of a real one.
async fn anchored(node: Arc<Node>) {
    let show = || proof(&node.json(&["receipt", "show", "latest"]));
    eventually("the newest receipt is anchored", async || {
        show().anchor.is_some()
    })
    .await;
    let proof = show();
    let id = &proof.signed_receipt.receipt.id;
    let verified = node.json(&["receipt", "verify", id]);
    assert_eq!(verified["anchoring"]["status"], "stand_in");
    let words = String::from_utf8(node.cli(&["receipt", "verify", id]).stdout).unwrap();
    assert!(words.contains("which proves nothing"), "{words}");

    let dir = node.home().scratch();
    let exported = node.json(&["receipt", "export", id, dir.to_str().unwrap()]);
    let path = |name: &str| exported[name].as_str().unwrap().to_owned();
    assert_eq!(path("ots"), format!("{}.ots", path("statement")));
    let statement = fs::read(path("statement")).unwrap();
    let ots = DetachedProof::from_bytes(&fs::read(path("ots")).unwrap()).unwrap();
    assert_eq!(ots.digest(), Hash::of(&statement).as_bytes());
    let root = proof.verify(None).unwrap().root;
    let arrives = ots.attestations().unwrap();
    assert!(
        arrives
            .iter()
            .all(|(message, _)| message == root.as_bytes()),
        "{arrives:?}"
    );
}

/// The log as an auditor sees it, who has nothing but the pinned line.
async fn open_log(node: Arc<Node>) {
    let old = head(&node).await;
    let owner = node.owner_token();
    for _ in 0..2 {
        let reply = node.chat(Pay::Bearer(&owner), &ask("Hello", 4)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let new = head(&node).await;
    assert_eq!(new.size, old.size + 2);
    let hashes = tile(&node, &format!("0/000.p/{}", new.size)).await;
    let hashes = hashes.chunks_exact(32);
    let tree: Tree = hashes.map(|hash| Hash(hash.try_into().unwrap())).collect();
    assert_eq!(tree.root(), new.root);
    let path = tree.consistency_path(old.size, new.size).unwrap();
    verify_consistency(old.size, new.size, &old.root, &new.root, &path).unwrap();
    let entries = tile(&node, &format!("entries/000.p/{}", new.size)).await;
    let entries = entries.chunks_exact(34).map(|entry| leaf_hash(&entry[2..]));
    assert_eq!(entries.collect::<Tree>().root(), new.root);

    let beyond = format!("/log/tile/0/000.p/{}", new.size + 1);
    assert_eq!(node.get(&beyond, Pay::Nothing).await.status, 404);
    assert_eq!(node.get("/log/tile/0/1", Pay::Nothing).await.status, 400);
}

async fn head(node: &Node) -> Checkpoint {
    let keys = node.get("/api/receipt-key", Pay::Nothing).await.json();
    let key = |name: &str| keys[name].as_str().unwrap().to_owned();
    let identity: Identity = identity(node).parse().unwrap();
    assert_eq!(key("key"), identity.to_string());
    let cosigner = key("ml_dsa_44").parse().unwrap();
    identity.check_cosigner(&cosigner).unwrap();
    let note = node.get("/log/checkpoint", Pay::Nothing).await;
    let head = Checkpoint::open(&note.body, identity.ed25519(), Some(&cosigner)).unwrap();
    assert_eq!(head.origin, identity.name());
    head
}

async fn tile(node: &Node, address: &str) -> Vec<u8> {
    let reply = node
        .get(&format!("/log/tile/{address}"), Pay::Nothing)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(
        reply.header("content-type"),
        Some("application/octet-stream")
    );
    assert!(reply.header("cache-control").unwrap().contains("immutable"));
    reply.body
}
