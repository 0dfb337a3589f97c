//! Whatever is wrong with a backup, a phrase or the place: it is refused with a code, and nothing is changed.

use std::fs;

use crate::common::Home;
use crate::recovery::house::{folder, phrase, typed_fails, typed_ok, wipe};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let home = Home::without_model();
    home.json(&["purse", "new", "scout"]);
    home.json(&["purse", "fund", "scout", "--sat", "9"]);
    let words = phrase(&home);
    let file = |name: &str| home.scratch().join(name).to_str().unwrap().to_owned();
    let good = file("good.age");
    home.json(&["backup", &good]);
    let bytes = fs::read(&good).unwrap();

    typed_fails(&home, &["restore", &good], &words, "restore_not_empty");
    assert_eq!(home.json(&["purse", "show", "scout"])["balance_sat"], 9);

    let empty = Home::without_model();
    let mut flipped = bytes.clone();
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    for (name, bytes) in [
        ("flipped.age", flipped),
        ("short.age", bytes[..bytes.len() - 40].to_vec()),
        ("shorter.age", bytes[..100].to_vec()),
        ("nothing.age", Vec::new()),
        ("noise.age", vec![0x5a; 4_000]),
    ] {
        fs::write(file(name), bytes).unwrap();
        typed_fails(&empty, &["restore", &file(name)], &words, "backup_damaged");
    }
    let huge = fs::File::create(file("huge.age")).unwrap();
    huge.set_len(9 << 30).unwrap();
    typed_fails(
        &empty,
        &["restore", &file("huge.age")],
        &words,
        "backup_too_large",
    );
    typed_fails(
        &empty,
        &["restore", &file("none.age")],
        &words,
        "backup_file",
    );

    let stranger = phrase(&Home::without_model());
    typed_fails(
        &empty,
        &["restore", &good],
        &stranger,
        "backup_wrong_phrase",
    );
    typed_fails(
        &empty,
        &["restore", &good],
        "abandon about\n",
        "phrase_invalid",
    );
    let mut swapped: Vec<&str> = words.split(' ').collect();
    swapped.swap(3, 17);
    typed_fails(
        &empty,
        &["restore", &good],
        &swapped.join(" "),
        "phrase_invalid",
    );
    let args = ["restore", &good, "--network", "signet"];
    typed_fails(&empty, &args, &words, "backup_network");
    // Nothing that was refused left anything behind.
    for network in ["play", "signet"] {
        let left = fs::read_dir(folder(&empty, network)).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| name == "lock"), "{left:?}");
    }
    // The words on several lines, and in capitals.
    let lines = words.to_uppercase().replace(' ', "\n");
    let restored = typed_ok(&empty, &["restore", &good], &lines);
    assert_eq!(restored["ecash"]["purses_sat"], 9, "{restored:#}");
    assert_eq!(phrase(&empty), words);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_at_hand_is_not_overlooked_and_a_restore_that_was_cut_short_begins_anew() {
    let home = Home::without_model();
    home.json(&["purse", "new", "scout"]);
    let words = phrase(&home);
    home.json(&["backup"]);
    let dir = folder(&home, "play");
    wipe(&dir, &["backup"]);
    typed_fails(&home, &["restore"], &words, "restore_file_at_hand");
    let usual = dir.join("backup/freehold-play.age");

    // As a crash leaves it in the middle of moving things to their places.
    fs::create_dir(dir.join("restoring")).unwrap();
    fs::write(dir.join("freehold.db"), "half").unwrap();
    let (_, error) = home.error(&["status"]);
    assert_eq!(error["error"]["code"], "restore_unfinished");
    typed_ok(&home, &["restore", usual.to_str().unwrap()], &words);
    assert_eq!(home.json(&["purse", "list"])[0]["name"], "scout");
    assert!(!dir.join("restoring").exists());
    let output = home.typed(&["restore", usual.to_str().unwrap()], &words);
    assert!(!output.status.success(), "it was restored over a node");
}
