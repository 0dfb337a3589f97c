//! A vault of one agent and two humans on three separate nodes: each path spends when it is due, by the
//! nodes' HTTP API and by files, and nothing else is signed.

use std::fs;
use std::path::PathBuf;

use crate::common::{Home, Node, Outsider, Pay, Reply};
use node::read_psbt;
use reqwest::Method;
use sandbox::Sandbox;
use sandbox::bitcoin::{Address, Amount, Psbt, Transaction, Txid};
use serde_json::{Value, json};

/// Who gets paid in all tests: nobody's address.
const PAYEE: &str = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080";
const NAMES: [&str; 3] = ["alice", "bob", "scout"];

/// Three nodes with one vault, on one chain.
struct House {
    sandbox: Sandbox,
    nodes: Vec<Node>,
    id: String,
}

impl House {
    async fn new() -> Self {
        let sandbox = Sandbox::start().unwrap();
        let config = format!("[chain]\nesplora = '{}'", sandbox.url());
        let mut nodes = Vec::new();
        for _ in NAMES {
            nodes.push(Node::start(&Home::without_model_on("play", &config)).await);
        }
        let mut house = Self {
            sandbox,
            nodes,
            id: String::new(),
        };
        house.make_vault();
        house.fund(&[200_000, 100_000]);
        house
    }

    fn node(&self, name: &str) -> &Node {
        let place = NAMES.iter().position(|known| *known == name).unwrap();
        &self.nodes[place]
    }

    fn run(&self, name: &str, args: &[&str]) -> Value {
        self.node(name).json(&[&["vault"], args].concat())
    }

    /// The command must fail; the error's code.
    fn refused(&self, name: &str, args: &[&str]) -> String {
        let (exit, error) = self.node(name).home().error(&[&["vault"], args].concat());
        assert_eq!(exit, 1, "{error}");
        error["error"]["code"].as_str().unwrap().to_owned()
    }

    fn policy(&self) -> String {
        let signers: String = NAMES
            .iter()
            .map(|name| {
                let key = self.run(name, &["key"])["key"].as_str().unwrap().to_owned();
                let kind = if *name == "scout" { "agent" } else { "human" };
                format!("[signers.{name}]\nkind = '{kind}'\nkey = '{key}'\n")
            })
            .collect();
        format!(
            "name = 'family'\nnetwork = 'regtest'\n{signers}\
             [[path]]\nname = 'everyday'\nwho = ['alice', 'bob', 'scout']\nneeds = 2\n\
             [[path]]\nname = 'alone'\nwho = ['alice']\nneeds = 1\nafter = '10 blocks'\n\
             [[path]]\nname = 'recovery'\nwho = ['bob']\nneeds = 1\nafter = '30 blocks'\n\
             [allowance]\nagent = 'scout'\nwith = 'alice'\nsat_per_day = 50000\n"
        )
    }

    fn file(&self, name: &str, file: &str) -> PathBuf {
        self.node(name).home().scratch().join(file)
    }

    fn make_vault(&mut self) {
        let policy = self.policy();
        for name in NAMES {
            let file = self.file(name, "family.toml");
            fs::write(&file, &policy).unwrap();
            let file = file.to_str().unwrap();
            // First it is only told.
            let told = self.node(name).home().ok(&["vault", "new", file]);
            assert!(
                told.contains("any 2 of alice, bob and scout, at once"),
                "{told}"
            );
            assert!(
                told.contains("alice's node signs along with scout"),
                "{told}"
            );
            assert_eq!(self.run(name, &["list"]), json!([]));
            let made = self.run(name, &["new", file, "--yes"]);
            assert_eq!(made["me"], name);
            assert_eq!(self.run(name, &["new", file, "--yes"])["id"], made["id"]);
            let id = made["id"].as_str().unwrap();
            assert!(self.id.is_empty() || self.id == id);
            self.id = id.to_owned();
        }
    }

    fn fund(&self, amounts_sat: &[u64]) {
        for amount_sat in amounts_sat {
            let address = self.run("alice", &["address", "family"]);
            let address: Address<_> = address["address"].as_str().unwrap().parse().unwrap();
            let address = address.assume_checked();
            self.sandbox.fund(address, *amount_sat).unwrap();
        }
        self.sandbox.mine(1).unwrap();
    }

    fn propose(&self, name: &str, amount_sat: u64, more: &[&str]) -> String {
        let sat = amount_sat.to_string();
        let args = ["propose", "family", "--to", PAYEE, "--sat", &sat];
        let proposal = self.run(name, &[&args, more].concat());
        assert_eq!(proposal["checked"]["paid"][0]["to"], PAYEE);
        proposal["id"].as_str().unwrap().to_owned()
    }

    fn send(&self, from: &str, id: &str, to: &str) -> Value {
        self.run(from, &["send-to", id, "--peer", &self.node(to).url()])
    }

    fn signed(view: &Value) -> Vec<&str> {
        let mut signed: Vec<&str> = view["checked"]["signed"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name.as_str().unwrap())
            .collect();
        signed.sort_unstable();
        signed
    }

    /// Broadcasts, mines, and checks that the payee has it.
    fn broadcast(&self, name: &str, id: &str, amount_sat: u64) -> Transaction {
        let sent = self.run(name, &["broadcast", id]);
        assert_eq!(sent["state"], "sent");
        // Again is fine.
        assert_eq!(self.run(name, &["broadcast", id])["state"], "sent");
        self.sandbox.mine(1).unwrap();
        let txid: Txid = id.parse().unwrap();
        assert_eq!(self.sandbox.confirmations(&txid), Some(1));
        let tx = self.sandbox.transaction(&txid).unwrap();
        let payee: Address<_> = PAYEE.parse().unwrap();
        let payee = payee.assume_checked().script_pubkey();
        let paid = tx
            .output
            .iter()
            .find(|output| output.script_pubkey == payee);
        assert_eq!(paid.unwrap().value.to_sat(), amount_sat);
        tx
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_on_three_nodes() {
    let house = House::new().await;
    within_the_allowance(&house);
    above_it(&house);
    by_files(&house);
    together(&house).await;
    later(&house);
    ecash(&house).await;
    strangers(&house).await;
}

/// The agent signs, and the human's node signs along without asking.
fn within_the_allowance(house: &House) {
    let id = house.propose(
        "scout",
        20_000,
        &["--path", "everyday", "--memo", "hosting"],
    );
    let signed = house.run("scout", &["sign", &id]);
    assert_eq!(House::signed(&signed), ["scout"]);
    assert_eq!(
        house.refused("scout", &["broadcast", &id]),
        "vault_signatures_missing"
    );
    let back = house.send("scout", &id, "alice");
    assert_eq!(House::signed(&back), ["alice", "scout"]);
    assert_eq!(back["checked"]["is_complete"], true);
    assert_eq!(house.run("alice", &["proposal", &id])["memo"], "hosting");
    house.broadcast("scout", &id, 20_000);
}

/// What the day's allowance has no room for takes a human, who signs first.
fn above_it(house: &House) {
    let id = house.propose("scout", 40_000, &["--path", "everyday"]);
    assert_eq!(house.refused("scout", &["sign", &id]), "vault_human_first");
    // Alice's node isn't moved by it either, with or without a signature of the agent.
    let back = house.send("scout", &id, "alice");
    assert!(House::signed(&back).is_empty());
    house.send("scout", &id, "bob");
    assert_eq!(House::signed(&house.run("bob", &["sign", &id])), ["bob"]);
    // The agent's node signs by itself after a human.
    let back = house.send("bob", &id, "scout");
    assert_eq!(House::signed(&back), ["bob", "scout"]);
    house.broadcast("bob", &id, 40_000);
}

/// Nobody needs to be online: a file goes round.
fn by_files(house: &House) {
    let (first, second) = (house.file("alice", "a.psbt"), house.file("bob", "b.txt"));
    let (first, second) = (first.to_str().unwrap(), second.to_str().unwrap());
    let id = house.propose("alice", 15_000, &["--path", "everyday"]);
    house.run("alice", &["sign", &id, "--out", first]);
    house.run("bob", &["sign", first, "--out", second]);
    assert_eq!(
        House::signed(&house.run("bob", &["proposal", &id])),
        ["alice", "bob"]
    );

    // What somebody changes on the way isn't signed.
    let mut changed: Psbt = read_psbt(&fs::read(first).unwrap()).unwrap();
    let outputs = &mut changed.unsigned_tx.output;
    let change = outputs
        .iter()
        .position(|output| output.value.to_sat() != 15_000)
        .unwrap();
    outputs[change].value -= Amount::from_sat(1_000);
    let thief = house.file("bob", "thief.psbt");
    fs::write(&thief, changed.serialize()).unwrap();
    let thief = thief.to_str().unwrap();
    assert_eq!(
        house.refused("bob", &["sign", thief]),
        "vault_changed_after_signature"
    );
    fs::write(thief, "psbt?").unwrap();
    assert_eq!(
        house.refused("bob", &["sign", thief]),
        "vault_proposal_malformed"
    );

    let combined = house.run("alice", &["combine", first, second]);
    assert_eq!(combined["checked"]["is_complete"], true);
    let codes = house
        .node("alice")
        .home()
        .ok(&["vault", "proposal", &id, "--qr"]);
    assert!(codes.contains("1 of ") && codes.contains('█'), "{codes}");
    house.broadcast("alice", &id, 15_000);
}

/// All three: one signature.
async fn together(house: &House) {
    let id = house.propose("alice", 30_000, &["--path", "together"]);
    house.run("alice", &["sign", &id]);
    // Nonces are given without asking, signatures aren't.
    house.send("alice", &id, "bob");
    let back = house.send("alice", &id, "scout");
    assert!(House::signed(&back).is_empty());
    // A node that is killed between the rounds still has its nonce.
    house.node("bob").kill9();
    house.node("bob").restart().await;
    let signed = house.run("alice", &["sign", &id]);
    assert_eq!(House::signed(&signed), ["alice"]);
    let back = house.send("alice", &id, "bob");
    assert_eq!(House::signed(&back), ["alice"]);
    house.run("bob", &["sign", &id]);
    assert_eq!(
        House::signed(&house.send("alice", &id, "bob")),
        ["alice", "bob"]
    );
    let back = house.send("alice", &id, "scout");
    assert_eq!(House::signed(&back), NAMES);
    let tx = house.broadcast("alice", &id, 30_000);
    for input in &tx.input {
        assert_eq!((input.witness.len(), input.witness.size()), (1, 66));
    }

    // One that lost its nonce begins a new round, and doesn't sign with another.
    let id = house.propose("bob", 5_000, &["--path", "together"]);
    house.run("bob", &["sign", &id]);
    house.send("bob", &id, "alice");
    house.send("bob", &id, "scout");
    let nonces = house
        .node("bob")
        .home()
        .data_dir()
        .join("play/vault-nonces");
    let files = fs::read_dir(&nonces).unwrap();
    let lost = files.map(|file| fs::remove_file(file.unwrap().path()).unwrap());
    assert_eq!(lost.count(), 1);
    assert!(House::signed(&house.run("bob", &["sign", &id])).is_empty());
    house.send("bob", &id, "alice");
    house.send("bob", &id, "scout");
    house.run("bob", &["sign", &id]);
    house.send("bob", &id, "scout");
    house.send("bob", &id, "alice");
    house.run("alice", &["sign", &id]);
    assert_eq!(House::signed(&house.send("bob", &id, "alice")), NAMES);
    house.broadcast("bob", &id, 5_000);
    // Nothing of it is left.
    assert_eq!(fs::read_dir(&nonces).unwrap().count(), 0);
}

/// A human alone after a delay, and the other one after a longer one.
fn later(house: &House) {
    for (name, path, delay, other) in [
        ("alice", "alone", 10, "bob"),
        ("bob", "recovery", 30, "alice"),
    ] {
        let args = [
            "propose", "family", "--to", PAYEE, "--sat", "7000", "--path", path,
        ];
        assert_eq!(house.refused(name, &args), "vault_path_not_due");
        house.sandbox.mine(delay).unwrap();
        let id = house.propose(name, 7_000, &["--path", path]);
        house.send(name, &id, other);
        assert_eq!(house.refused(other, &["sign", &id]), "vault_path_not_yours");
        let signed = house.run(name, &["sign", &id]);
        assert_eq!(signed["checked"]["is_complete"], true);
        house.broadcast(name, &id, 7_000);
    }
    let args = ["propose", "family", "--to", PAYEE, "--sat", "9000000"];
    assert_eq!(house.refused("alice", &args), "vault_insufficient");
    let args = [
        "propose",
        "family",
        "--to",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "--sat",
        "7000",
    ];
    assert_eq!(house.refused("alice", &args), "vault_payment_invalid");
    assert_eq!(
        house.refused("alice", &["sign", "0123456789"]),
        "vault_missing"
    );
    assert_eq!(house.refused("alice", &["show", "nobody"]), "vault_missing");
}

/// The same for ecash: locked to two of the three at once, and to one of them later.
async fn ecash(house: &House) {
    let policy = house.policy();
    let (signers, _) = policy.split_once("[[path]]").unwrap();
    let signers = signers.replace("'family'", "'till'");
    let policy = format!(
        "{signers}[[path]]\nname = 'two'\nwho = ['alice', 'bob', 'scout']\nneeds = 2\n\
         [[path]]\nname = 'later'\nwho = ['bob']\nneeds = 1\nafter = '1 day'\n"
    );
    for name in NAMES {
        let file = house.file(name, "till.toml");
        fs::write(&file, &policy).unwrap();
        house.run(name, &["new", file.to_str().unwrap(), "--yes"]);
    }
    // Family has more paths than a lock can say.
    let args = ["token", "request", "family", "--sat", "21"];
    assert_eq!(house.refused("alice", &args), "vault_not_lockable");

    let args = ["token", "request", "till", "--sat", "21"];
    let request = house.run("alice", &args)["request"]
        .as_str()
        .unwrap()
        .to_owned();
    let request: cdk::nuts::PaymentRequest = request.parse().unwrap();
    let lock = cdk::nuts::Nut10Secret::from(request.nut10.unwrap());
    let payer = Outsider::at(&house.node("alice").url()).await;
    payer.fund(50).await;
    let options = cdk::wallet::SendOptions {
        conditions: Some(lock.try_into().unwrap()),
        ..Default::default()
    };
    let prepared = payer.wallet.prepare_send(21.into(), options).await.unwrap();
    let token = prepared.confirm(None).await.unwrap().to_string();
    let receiver = Outsider::at(&house.node("alice").url()).await;
    assert!(receiver.try_redeem(&token).await.is_err());

    let at = |name: &str, token: &str| {
        let file = house.file(name, "token.txt");
        fs::write(&file, token).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let sign =
        |name: &str, token: &str| house.run(name, &["token", "sign", "till", &at(name, token)]);
    let file = at("scout", &token);
    assert_eq!(
        house.refused("scout", &["token", "sign", "till", &file]),
        "vault_human_first"
    );
    let once = sign("bob", &token);
    assert_eq!(
        (&once["signed"], &once["is_open"]),
        (&json!(["bob"]), &json!(false))
    );
    let once = once["token"].as_str().unwrap();
    // One signature isn't enough, and Bob's alone isn't due for a day.
    assert!(receiver.try_redeem(once).await.is_err());
    let twice = sign("scout", once);
    assert_eq!(
        (&twice["signed"], &twice["is_open"]),
        (&json!(["bob", "scout"]), &json!(true))
    );
    assert_eq!(receiver.redeem(twice["token"].as_str().unwrap()).await, 21);
    let plain = at("alice", &payer.token(5).await);
    assert_eq!(
        house.refused("alice", &["token", "sign", "till", &plain]),
        "vault_not_lockable"
    );
}

/// Who isn't a signer gets nothing, and leaves nothing.
async fn strangers(house: &House) {
    let alice = house.node("alice");
    let path = format!("/vault/{}/proposals", house.id);
    let post = async |path: &str, headers: &[(&str, &str)], body: &str| {
        let mut request = alice.request(Method::POST, path, Pay::Nothing);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let reply = Reply::of(request.body(body.to_owned()).send().await.unwrap()).await;
        (reply.status, reply.code())
    };
    let unsigned = (401, "vault_request_unsigned".to_owned());
    assert_eq!(post(&path, &[], "{}").await, unsigned);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs().to_string();
    let signature = "00".repeat(64);
    let forged = [
        ("freehold-signer", "bob"),
        ("freehold-time", &now),
        ("freehold-signature", &signature),
    ];
    assert_eq!(post(&path, &forged, "{}").await, unsigned);
    let missing = post("/vault/0123/proposals", &forged, "{}").await;
    assert_eq!(missing, (404, "vault_missing".to_owned()));
    let reply = alice.get("/api/vaults", Pay::Nothing).await;
    assert_eq!(reply.status, 401);
    // Somebody who took a signer's place in the URL only reaches their own node.
    let id = house.propose("alice", 1_000, &["--path", "everyday"]);
    let (exit, error) =
        alice
            .home()
            .error(&["vault", "send-to", &id, "--peer", "http://127.0.0.1:1"]);
    assert_eq!(
        (exit, &error["error"]["code"]),
        (1, &json!("upstream_failed")),
        "{error}"
    );
    assert_eq!(house.run("alice", &["drop", &id])["state"], "dropped");
    assert_eq!(house.refused("alice", &["sign", &id]), "vault_missing");
}
