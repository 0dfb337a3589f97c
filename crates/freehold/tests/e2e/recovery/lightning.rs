//! A channel comes back: closed by the peer at its newest state, and swept.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{Home, Node, waiting};
use crate::recovery::house::{folder, phrase, typed_ok, wipe};

const PATIENCE: Duration = Duration::from_secs(120);
/// What closing and sweeping may cost.
const FEES_SAT_MAX: u64 = 10_000;
/// What the neighbour gives to whoever it has no channel with: again, if ours is closed before it looks.
const GIFT_SAT: u64 = 1_000_000;

fn until(what: &str, home: &Home, args: &[&str], is_so: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let shown = home.json(args);
        if is_so(&shown) {
            return shown;
        }
        assert!(start.elapsed() < PATIENCE, "never: {what}: {shown:#}");
        waiting(|| std::thread::sleep(Duration::from_millis(200)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_from_before_the_payments_restores_to_the_right_sum() {
    let home = Home::without_model_on("sandbox", "");
    let node = Node::start(&home).await;
    let status = ["lightning", "status"];
    until("a channel", &home, &status, |lightning| {
        // The books follow the chain a moment later.
        lightning["channels_usable"] == 1 && lightning["owner_sat"].as_u64() > Some(100_000)
    });
    // Kept by itself since the channel was opened.
    let kept = folder(&home, "sandbox").join("backup/freehold-sandbox.age");
    until("a backup", &home, &["backup", "status"], |view| {
        view["channels"] == 1
    });
    let early = home.scratch().join("early.age");
    std::fs::copy(&kept, &early).unwrap();
    let words = phrase(&home);
    for sat in ["30000", "5000", "7000"] {
        let invoice = home.json(&["sandbox", "invoice", "--sat", sat]);
        home.json(&["lightning", "pay", invoice["request"].as_str().unwrap()]);
    }
    let before = home.json(&status);
    let number = |shown: &Value, name: &str| shown[name].as_u64().unwrap();
    let had_sat = number(&before, "channels_sat") + number(&before, "onchain_sat");
    node.stop();

    wipe(&folder(&home, "sandbox"), &["chain", "neighbour"]);
    let restored = typed_ok(&home, &["restore", early.to_str().unwrap()], &words);
    assert_eq!(restored["channels"], 1, "{restored:#}");
    node.restart().await;
    until(
        "the channel is swept",
        &home,
        &["restore", "status"],
        |view| view["restore"]["progress"]["channels_done"] == true,
    );
    home.json(&["lightning", "sync"]);
    let after = until("the coins", &home, &status, |lightning| {
        number(lightning, "onchain_sat") > number(&before, "onchain_sat")
    });
    let has_sat = number(&after, "onchain_sat");
    let is_right = [0, GIFT_SAT].into_iter().any(|gift_sat| {
        let ours_sat = has_sat.saturating_sub(gift_sat);
        (had_sat - FEES_SAT_MAX..=had_sat).contains(&ours_sat)
    });
    assert!(is_right, "had {had_sat}, has {has_sat}: {after:#}");
    home.assert_ledger_sound();
}
