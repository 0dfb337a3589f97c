//! Other people's programs against a real node: `@cashu/cashu-ts` pays for answers, OpenAI's Python
//! package chats, Alby's SDK connects to a purse and backs one, and `toll-booth` is paid. `scripts/compat-setup`
//! installs them.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crate::common::{Checks, Home, Node, at_home, programs, told, waiting, without_proxy};
use nostr_relay_builder::builder::RateLimit;
use nostr_relay_builder::{LocalRelay, RelayBuilder};
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn compat() {
    let needed = [
        "bin/node",
        "venv/bin/python",
        "node_modules/@cashu/cashu-ts",
        "node_modules/@getalby/sdk",
    ];
    let Some(dir) = programs(&needed) else { return };
    let Some(home) = Home::new() else { return };
    let node = Arc::new(Node::start(&home).await);
    let mut checks = Checks::new();
    checks
        .run("cashu_ts", cashu_ts(node.clone(), dir.clone()))
        .await;
    checks
        .run("alby_sdk", alby_sdk(node.clone(), dir.clone()))
        .await;
    checks
        .run("openai_python", openai_python(node.clone(), dir))
        .await;
    node.home().assert_ledger_sound();
    checks.finish();
}

/// A seller that speaks L402 and nothing else sells us what its own middleware guards.
#[tokio::test(flavor = "multi_thread")]
async fn toll_booth() {
    let Some(dir) = programs(&["bin/toll-booth-seller"]) else {
        return;
    };
    let home = Home::without_model_on("sandbox", "");
    let node = at_home(&home, Duration::from_secs(90)).await;
    let mut command = Command::new(dir.join("bin/toll-booth-seller"));
    without_proxy(&mut command);
    command
        .env("NODE_URL", node.url())
        .env("NODE_TOKEN", node.owner_token());
    let mut seller = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    let mut lines = BufReader::new(seller.stdout.take().unwrap());
    waiting(|| lines.read_line(&mut url)).unwrap();
    let url = format!("{}/greeting", url.trim());

    node.json(&["purse", "new", "guest"]);
    node.json(&["purse", "fund", "guest", "--sat", "200"]);
    // What was paid for is used up by one greeting; the next one is paid for again.
    for _ in 0..2 {
        let bought = node.json(&["fetch", &url, "--purse", "guest"]);
        assert_eq!(bought["body"], "hello from toll-booth", "{bought:#}");
        assert_eq!(bought["payment"]["protocol"], "l402");
    }
    let left = node.json(&["purse", "show", "guest"])["balance_sat"].as_u64();
    assert!((150..=176).contains(&left.unwrap()), "{left:?}");
    home.assert_ledger_sound();
    drop(seller.stdin.take());
    waiting(|| seller.wait()).unwrap();
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/compat")
        .join(name)
}

/// Runs one of the programs to its end, which must be a good one.
async fn run(mut command: Command, node: &Node) -> String {
    without_proxy(&mut command);
    command
        .env("NODE_URL", node.url())
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A program in JavaScript; its modules look for others beside themselves.
fn javascript(node: &Node, dir: &Path, name: &str) -> Command {
    let place = node.home().scratch().join(format!("{name}.d"));
    fs::create_dir(&place).unwrap();
    symlink(dir.join("node_modules"), place.join("node_modules")).unwrap();
    fs::copy(script(name), place.join(name)).unwrap();
    let mut command = Command::new(dir.join("bin/node"));
    command.arg(place.join(name));
    command
}

/// Alby's SDK is the wallet behind a purse, and the program that pays from it.
async fn alby_sdk(node: Arc<Node>, dir: PathBuf) {
    let relay = LocalRelay::new(RelayBuilder::default().rate_limit(RateLimit {
        max_reqs: 1_000,
        notes_per_minute: 10_000,
    }));
    relay.run().await.unwrap();
    let mut command = javascript(&node, &dir, "nwc.mjs");
    command
        .env("OWNER_TOKEN", node.owner_token())
        .env(
            "RELAY_URL",
            relay.url().await.as_str_without_trailing_slash(),
        )
        .env(
            "INVOICES",
            fs::read_to_string(script("invoices.json")).unwrap(),
        );
    assert_eq!(run(command, &node).await.trim(), "ok");
    let purse = node.json(&["purse", "show", "alby"]);
    assert_eq!(purse["reserved_sat"], 0);
    assert_eq!(
        purse["balance_sat"], 0,
        "what was drawn and not needed went back"
    );
}

async fn cashu_ts(node: Arc<Node>, dir: PathBuf) {
    let before = node.json(&["status"])["earned_sat"].as_u64().unwrap();
    let command = javascript(&node, &dir, "cashu.mjs");
    let said: Value = serde_json::from_str(&run(command, &node).await).unwrap();
    let spent = said["spent_sat"].as_u64().unwrap();
    assert!(spent > 0);
    assert_eq!(node.json(&["status"])["earned_sat"], before + spent);
    node.home().assert_ledger_sound();
}

async fn openai_python(node: Arc<Node>, dir: PathBuf) {
    let purse = |name: &str| {
        let new = node.json(&["purse", "new", name]);
        new["token"].as_str().unwrap().to_owned()
    };
    let (purse_token, empty_token) = (purse("python"), purse("empty"));
    node.json(&["purse", "fund", "python", "--sat", "500"]);
    let mut command = Command::new(dir.join("venv/bin/python"));
    command
        .arg(script("openai_client.py"))
        .env("OWNER_TOKEN", node.owner_token())
        .env("PURSE_TOKEN", purse_token)
        .env("EMPTY_TOKEN", empty_token)
        .env("ECASH", node.play_token(30).await);
    assert_eq!(run(command, &node).await.trim(), "ok");
    let settled = async || node.json(&["purse", "show", "python"])["reserved_sat"] == 0;
    crate::common::eventually("the stream that was left is settled", settled).await;
    let spent = node.json(&["purse", "show", "python"])["spent_total_sat"]
        .as_u64()
        .unwrap();
    assert!(spent > 0 && spent < 100, "{spent} sat");
    node.home().assert_ledger_sound();
}
