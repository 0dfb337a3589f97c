//! Bitcoin on the chain and savings with the real program, on a regtest chain.

use std::time::{Duration, Instant};

use crate::common::{Home, Node};
use sandbox::Sandbox;
use sandbox::bitcoin::bip32::{DerivationPath, Xpriv, Xpub};
use sandbox::bitcoin::secp256k1::Secp256k1;
use sandbox::bitcoin::{Address, Network};
use serde_json::Value;

const WITHIN: Duration = Duration::from_secs(30);

/// A home that sees a chain.
struct World {
    sandbox: Sandbox,
    home: Home,
    url: String,
}

impl World {
    fn new() -> Self {
        let sandbox = Sandbox::start().unwrap();
        Self {
            url: sandbox.url(),
            sandbox,
            home: Home::without_model(),
        }
    }

    fn json(&self, args: &[&str]) -> Value {
        self.home
            .json(&[args, &["--chain-esplora", &self.url]].concat())
    }

    fn error(&self, args: &[&str]) -> (i32, String) {
        let args = [args, &["--chain-esplora", &self.url]].concat();
        let (exit, error) = self.home.error(&args);
        assert!(
            !error["error"]["hint"].as_str().unwrap().is_empty(),
            "{error}"
        );
        (exit, error["error"]["code"].as_str().unwrap().to_owned())
    }

    /// Has somebody pay us, and the payment mined.
    fn receive(&self, amount_sat: u64) {
        let address = self.json(&["onchain", "address"]);
        let address = read(address["address"].as_str().unwrap());
        self.sandbox.fund(address, amount_sat).unwrap();
        self.sandbox.mine(1).unwrap();
    }

    fn confirmed_sat(&self) -> u64 {
        let balance = self.json(&["onchain", "balance"]);
        assert!(balance["trouble"].is_null(), "{balance}");
        balance["confirmed_sat"].as_u64().unwrap()
    }
}

fn read(address: &str) -> Address {
    let address: Address<_> = address.parse().unwrap();
    address.require_network(Network::Regtest).unwrap()
}

/// The extended public key of somebody else's account.
fn elsewhere() -> String {
    let secp = Secp256k1::new();
    let path: DerivationPath = "86'/1'/0'".parse().unwrap();
    let master = Xpriv::new_master(Network::Regtest, &[9; 64]).unwrap();
    let account = master.derive_priv(&secp, &path).unwrap();
    Xpub::from_priv(&secp, &account).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn money_comes_and_goes_by_the_command_line() {
    let world = World::new();
    world.receive(100_000);
    assert_eq!(world.confirmed_sat(), 100_000);
    let to = world.sandbox_address();
    let send = ["onchain", "send", &to, "30_000sat", "--fee-rate", "2"];
    let paid = world.json(&[&send[..], &["--payment-id", "rent", "--label", "rent"]].concat());
    assert_eq!(
        (&paid["state"], &paid["amount_sat"]),
        (&"sent".into(), &30_000.into())
    );
    let again = world.json(&[&send[..], &["--payment-id", "rent"]].concat());
    assert_eq!(again["txid"], paid["txid"], "once");
    let txid = paid["txid"].as_str().unwrap();
    let bumped = world.json(&["onchain", "bump", txid, "--fee-rate", "9"]);
    assert_eq!(bumped["kind"], "replace");
    assert_eq!(world.sandbox.mempool_txids().len(), 1);
    world.sandbox.mine(1).unwrap();
    let left_sat = 70_000 - bumped["fee_sat"].as_u64().unwrap();
    assert_eq!(world.confirmed_sat(), left_sat);
    let spends = world.json(&["onchain", "history", "--spends"]);
    assert_eq!(
        (&spends[0]["state"], &spends[1]["state"]),
        (&"confirmed".into(), &"replaced".into())
    );
    let net = format!("-{}", 100_000 - left_sat);
    let text = world
        .home
        .ok(&["onchain", "history", "--chain-esplora", &world.url]);
    assert!(
        text.contains("TRANSACTION") && text.contains(&net),
        "{text}"
    );

    assert_eq!(
        world.error(&["onchain", "send", &to, "100sat"]),
        (1, "amount_dust".into())
    );
    assert_eq!(
        world.error(&["onchain", "send", &to, "99btc"]),
        (1, "usage".into())
    );
    let dear = ["onchain", "send", &to, "10000sat", "--fee-rate", "100"];
    assert_eq!(world.error(&dear), (1, "fee_too_high".into()));
    let all = world.json(&["onchain", "send", &to, "--all", "--fee-rate", "1"]);
    let total = all["amount_sat"].as_u64().unwrap() + all["fee_sat"].as_u64().unwrap();
    assert_eq!(total, left_sat);
}

impl World {
    /// An address of the miner's, or anybody's.
    fn sandbox_address(&self) -> String {
        let pubkey = sandbox::bitcoin::CompressedPublicKey::from_slice(&hex(
            "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798",
        ));
        Address::p2wpkh(&pubkey.unwrap(), Network::Regtest).to_string()
    }
}

fn hex(text: &str) -> Vec<u8> {
    let pairs = (0..text.len()).step_by(2);
    pairs
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn coins_are_chosen_frozen_and_named() {
    let world = World::new();
    world.receive(20_000);
    world.receive(80_000);
    let coins = world.json(&["onchain", "coins"]);
    let coin = |at: usize| coins[at]["outpoint"].as_str().unwrap().to_owned();
    let frozen = world.json(&["onchain", "freeze", &coin(0)]);
    assert_eq!(frozen[0]["is_frozen"], true);
    let to = world.sandbox_address();
    let refusal = world.error(&["onchain", "send", &to, "50000sat", "--fee-rate", "2"]);
    assert_eq!(refusal, (1, "onchain_insufficient".into()));
    let named = [
        "onchain",
        "send",
        &to,
        "5000sat",
        "--fee-rate",
        "2",
        "--coin",
    ];
    let refusal = world.error(&[&named[..], &[&coin(0)]].concat());
    assert_eq!(refusal, (1, "coin_frozen".into()));
    world.json(&["onchain", "freeze", &coin(0), "--off"]);
    world.json(&["onchain", "label", &coin(0), "for the roof"]);
    assert_eq!(
        world.json(&["onchain", "coins"])[0]["label"],
        "for the roof"
    );
    let paid = world.json(&[&named[..], &[&coin(1)]].concat());
    let tx = world
        .sandbox
        .transaction(&paid["txid"].as_str().unwrap().parse().unwrap())
        .unwrap();
    assert_eq!(tx.input[0].previous_output.to_string(), coin(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_wallet_makes_what_the_own_one_signs() {
    let world = World::new();
    world.receive(100_000);
    let shown = world.json(&["onchain", "export"]);
    let external = shown["external"]
        .as_str()
        .unwrap()
        .split('#')
        .next()
        .unwrap();
    let both = external.replace("/0/*", "/<0;1>/*");
    let added = world.json(&["onchain", "watch", "add", "cold", &both]);
    assert_eq!(
        (&added["name"], &added["script"]),
        (&"cold".into(), &"taproot".into())
    );
    assert_eq!(world.json(&["onchain", "watch", "list"])[0]["name"], "cold");
    let balance = world.json(&["onchain", "balance", "--wallet", "cold"]);
    assert_eq!(balance["confirmed_sat"], 100_000);
    let again = world.error(&["onchain", "watch", "add", "cold", &both]);
    assert_eq!(again, (1, "wallet_exists".into()));
    let unknown = world.error(&["onchain", "coins", "--wallet", "warm"]);
    assert_eq!(unknown, (1, "wallet_unknown".into()));
    let climbs = world.error(&["onchain", "coins", "--wallet", "../main"]);
    assert_eq!(climbs, (1, "wallet_name_invalid".into()));

    let path = |name: &str| world.home.scratch().join(name).display().to_string();
    let (made, signed) = (path("made.psbt"), path("signed.psbt"));
    let to = world.sandbox_address();
    let create = [
        "onchain",
        "psbt",
        "create",
        &to,
        "40000sat",
        "--fee-rate",
        "3",
    ];
    world.json(&[&create[..], &["--wallet", "cold", "--out", &made]].concat());
    let early = world.error(&["onchain", "psbt", "broadcast", &made, "--wallet", "cold"]);
    assert_eq!(early, (1, "psbt_incomplete".into()));
    let view = world.json(&["onchain", "psbt", "sign", &made, "--out", &signed]);
    assert_eq!(view["is_complete"], true);
    let view = world.json(&["onchain", "psbt", "combine", &made, &signed]);
    assert_eq!(view["is_complete"], true);
    let sent = world.json(&["onchain", "psbt", "broadcast", &signed, "--wallet", "cold"]);
    assert_eq!(
        (&sent["state"], &sent["amount_sat"]),
        (&"sent".into(), &40_000.into())
    );
    assert_eq!(world.sandbox.mempool_txids().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn savings_are_swept_and_stop_where_they_must() {
    let world = World::new();
    world.receive(550_000);
    let own = world.json(&["onchain", "export"])["external"]
        .as_str()
        .unwrap()
        .to_owned();
    let refusal = world.error(&["savings", "set", &own, "--above", "200000sat"]);
    assert_eq!(refusal, (1, "descriptor_keys_are_here".into()));
    let set = [
        "savings",
        "set",
        &elsewhere(),
        "--above",
        "200000sat",
        "--fee-below",
        "5",
    ];
    assert_eq!(world.json(&set)["rule"]["above_sat"], 200_000);

    world.sandbox.set_fee_estimate_sat_per_vb(6.0);
    let attempt = world.json(&["savings", "now"]);
    assert_eq!(attempt["decision"]["reason"], "fees_too_high", "{attempt}");
    let text = world
        .home
        .ok(&["savings", "show", "--chain-esplora", &world.url]);
    assert!(
        text.contains("nothing was sent: a byte costs 6.0 sat/vB"),
        "{text}"
    );

    world.sandbox.set_fee_estimate_sat_per_vb(2.0);
    let attempt = world.json(&["savings", "now"]);
    assert_eq!(attempt["decision"]["action"], "sweep", "{attempt}");
    world.sandbox.mine(1).unwrap();
    let left_sat = world.confirmed_sat();
    assert!(
        (200_000..200_100).contains(&left_sat),
        "{left_sat} sat stay"
    );
    let attempt = world.json(&["savings", "now"]);
    assert_eq!(attempt["decision"]["action"], "wait", "{attempt}");
    assert!(world.sandbox.mempool_txids().is_empty());

    world.json(&["savings", "off"]);
    assert!(world.json(&["savings", "show"]).is_null());
    let off = world.error(&["savings", "now"]);
    assert_eq!(off, (1, "savings_off".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_chain_it_says_what_to_do_and_a_lost_one_is_no_loss() {
    let world = World::new();
    let (exit, error) = world.home.error(&["onchain", "balance"]);
    assert_eq!((exit, &error["error"]["code"]), (1, &"onchain_off".into()));
    world.receive(100_000);
    assert_eq!(world.confirmed_sat(), 100_000);
    world.sandbox.pause_api(true);
    let balance = world.json(&["onchain", "balance"]);
    assert_eq!(balance["confirmed_sat"], 100_000);
    assert!(
        balance["trouble"]
            .as_str()
            .unwrap()
            .contains("does not answer"),
        "{balance}"
    );
    let to = world.sandbox_address();
    let refusal = world.error(&["onchain", "send", &to, "30000sat"]);
    assert_eq!(refusal, (1, "chain_unreachable".into()));
    world.sandbox.pause_api(false);
    world.json(&["onchain", "send", &to, "30000sat"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_node_sweeps_by_itself_when_a_block_comes() {
    // A node that is up needs no model for that.
    let (sandbox, home) = (Sandbox::start().unwrap(), Home::without_model());
    let _node = Node::start_with(&home, &["--chain-esplora", &sandbox.url()]).await;
    let set = ["savings", "set", &elsewhere(), "--above", "200000sat"];
    home.json(&set);
    let address = home.json(&["onchain", "address"]);
    let address = read(address["address"].as_str().unwrap());
    sandbox.fund(address, 500_000).unwrap();
    sandbox.mine(1).unwrap();
    let deadline = Instant::now() + WITHIN;
    while sandbox.mempool_txids().is_empty() {
        assert!(
            Instant::now() < deadline,
            "{}",
            home.json(&["savings", "show"])
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sandbox.mine(1).unwrap();
    let left_sat = home.json(&["onchain", "balance"])["confirmed_sat"]
        .as_u64()
        .unwrap();
    assert!(
        (200_000..200_100).contains(&left_sat),
        "{left_sat} sat stay"
    );
}
