//! The running node keeps its backup current, and says when it can't.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::{Home, Node, eventually};
use crate::recovery::house::{folder, phrase, typed_ok, wipe};

#[tokio::test(flavor = "multi_thread")]
async fn the_backup_and_its_copies_follow_the_books() {
    let other = tempfile::tempdir().unwrap();
    let copies = other.path().join("stick");
    let toml = format!(
        "[backup]\ninterval_s = 1\ncopies = ['{}']",
        copies.display()
    );
    let home = Home::without_model_on("play", &toml);
    let node = Node::start(&home).await;
    let status = || home.json(&["backup", "status"]);
    eventually("the first backup", async || {
        status()["written_ms"].is_number()
    })
    .await;

    // The stick isn't there: the node goes on, and says so.
    assert!(status()["copies"][0]["error"].is_string());
    let doctor = home.cli(&["doctor", "--json"]);
    let findings: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    let backup = findings
        .iter()
        .find(|finding| finding["check"] == "backup")
        .unwrap();
    assert_eq!(backup["ok"], false, "{backup}");

    fs::create_dir(&copies).unwrap();
    home.json(&["purse", "new", "scout"]);
    let copy = copies.join("freehold-play.age");
    let words = phrase(&home);
    let since = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_millis();
    eventually("a copy with the purse", async || {
        let written_ms = status()["copies"][0]["written_ms"].as_u64();
        written_ms.is_some_and(|written_ms| u128::from(written_ms) > since)
    })
    .await;
    let mode = fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    // Killed at any moment, there is a whole one.
    node.kill9();
    wipe(&folder(&home, "play"), &[]);
    typed_ok(&home, &["restore", copy.to_str().unwrap()], &words);
    assert_eq!(home.json(&["purse", "list"])[0]["name"], "scout");
}
