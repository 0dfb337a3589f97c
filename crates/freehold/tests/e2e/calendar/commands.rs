//! The commands around a proof's life, as a user types them.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use node::stamps::DetachedProof;
use serde_json::Value;

use crate::calendar::server::Calendar;
use crate::calendar::user::User;
use crate::common::waiting;

const DIGEST: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn refused(user: &User, args: &[&str], code: &str) {
    let (exit, error) = user.error(args);
    assert_eq!(
        (exit, &error["error"]["code"]),
        (1, &code.into()),
        "{args:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_and_a_folder_take_one_request() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let url = calendar.url();
    let single = [user.file("a"), user.file("b")];
    let nested = [
        user.file("in/c"),
        user.file("in/deep/d"),
        user.file("in/.hidden"),
    ];
    let folder = user.folder().join("in");
    let folder = folder.to_str().unwrap();
    let args = [
        "stamp",
        single[0].name(),
        single[1].name(),
        folder,
        "-c",
        &url,
    ];
    let said = user.json(&args);
    let stamped = said["files"].as_array().unwrap();
    let files: Vec<&str> = stamped
        .iter()
        .map(|each| each["file"].as_str().unwrap())
        .collect();
    let expected = [&single[0], &single[1], &nested[0], &nested[1]].map(|file| file.name());
    assert_eq!(files, expected);
    assert_eq!(said["calendars"][0]["error"], Value::Null);
    assert_eq!(calendar.status().await["commitments"], 1);
    for file in single.iter().chain(&nested[..2]) {
        assert_eq!(file.proof().attestations().unwrap().len(), 1);
    }
    assert!(!Path::new(nested[2].proof_name()).exists());
    // What has a proof is left out of a folder, and refused by name.
    let again = user.json(&["stamp", folder, "-c", &url]);
    assert_eq!(again["files"], Value::Array(Vec::new()));
    let before = single[0].proof_bytes();
    refused(
        &user,
        &["stamp", single[0].name(), "-c", &url],
        "proof_exists",
    );
    assert_eq!(single[0].proof_bytes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_and_standard_input_are_stamped_without_a_file() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let url = calendar.url();
    let out = user.folder().join("digest.ots");
    user.ok(&[
        "stamp",
        "-d",
        DIGEST,
        "-c",
        &url,
        "-o",
        out.to_str().unwrap(),
    ]);
    let piped = user.cli(&["stamp", "-d", DIGEST, "-c", &url]).stdout;
    let mut command = user.command(&["stamp", "-", "-c", &url]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"hello").unwrap();
    let typed = waiting(|| child.wait_with_output().unwrap()).stdout;
    for bytes in [fs::read(&out).unwrap(), piped, typed] {
        let proof = DetachedProof::from_bytes(&bytes).unwrap();
        // It is the SHA-256 of "hello".
        assert_eq!(hex::encode(proof.digest()), DIGEST);
        assert_eq!(proof.attestations().unwrap().len(), 1);
    }
    refused(&user, &["stamp", "-d", "abc", "-c", &url], "bad_digest");
    refused(
        &user,
        &[
            "stamp",
            "-d",
            DIGEST,
            "-c",
            &url,
            "-o",
            out.to_str().unwrap(),
        ],
        "proof_exists",
    );
    refused(&user, &["stamp", "/nowhere", "-c", &url], "file_error");
    refused(
        &user,
        &["stamp", "-d", DIGEST, "-c", &url, "-m", "2"],
        "usage",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_keeps_the_proof_from_before_it() {
    let (user, calendar) = (User::new(), Calendar::start(&["--tick", "2"]));
    let url = calendar.url();
    let file = user.stamped("file", &calendar);
    let before = file.proof_bytes();
    let args = ["upgrade", file.proof_name(), "-l", &url];
    refused(&user, &args, "not_complete");
    assert!(!file.backup().exists() && file.proof_bytes() == before);
    calendar.until_anchored().await;
    // Nobody is asked whom the user doesn't know.
    refused(&user, &args[..2], "not_complete");
    let dry = user.json(&[&args[..], &["-n"]].concat());
    assert_eq!(dry["files"][0]["is_complete"], true);
    assert_eq!(file.proof_bytes(), before);
    let done = user.json(&args);
    assert_eq!(done["files"][0]["is_changed"], true);
    assert_eq!(fs::read(file.backup()).unwrap(), before);
    let after = file.proof_bytes();
    assert!(after.len() > before.len());
    // Again does nothing.
    let again = user.json(&args);
    assert_eq!(again["files"][0]["is_changed"], false);
    assert_eq!(
        (file.proof_bytes(), fs::read(file.backup()).unwrap()),
        (after, before)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_proof_does_not_keep_others_from_being_completed() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let (bad, good) = (
        user.stamped("bad", &calendar),
        user.stamped("good", &calendar),
    );
    fs::write(bad.proof_name(), b"nonsense").unwrap();
    calendar.until_anchored().await;
    let args = [
        "upgrade",
        bad.proof_name(),
        good.proof_name(),
        "-l",
        &calendar.url(),
    ];
    refused(&user, &args, "not_a_proof");
    assert_eq!(good.attested().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_is_what_is_in_the_proof() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let file = user.stamped("file", &calendar);
    let digest = hex::encode(file.proof().digest());
    let shown = user.json(&["info", file.proof_name()]);
    assert_eq!(
        (&shown["algorithm"], &shown["digest"]),
        (&"sha256".into(), &digest.clone().into())
    );
    assert_eq!(shown["attestations"][0]["kind"], "pending");
    assert_eq!(shown["attestations"][0]["calendar"], calendar.url());
    let text = user.ok(&["info", file.proof_name()]);
    assert!(
        text.starts_with(&format!("File sha256 hash: {digest}\nTimestamp:\n")),
        "{text}"
    );
    let more = user.ok(&["info", "-v", file.proof_name()]);
    assert!(more.len() > text.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_a_block_is_success() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let file = user.stamped("file", &calendar);
    let pending = ["verify", file.proof_name(), "--offline"];
    refused(&user, &pending, "not_verified");
    user.complete(&file, &calendar).await;
    for name in [file.proof_name(), file.name()] {
        let said = user.cli(&["verify", name, "--offline"]);
        let text = String::from_utf8(said.stdout).unwrap();
        assert_eq!(said.status.code(), Some(1));
        assert!(
            text.contains("stand-in") && text.contains("proves nothing"),
            "{text}"
        );
    }
    let other = user.file("other");
    refused(
        &user,
        &["verify", file.proof_name(), "-f", other.name()],
        "other_file",
    );
    refused(
        &user,
        &["verify", file.proof_name(), "-d", DIGEST],
        "other_file",
    );
    refused(
        &user,
        &["verify", file.proof_name(), "-d", "no hex"],
        "bad_digest",
    );
    fs::remove_file(file.path()).unwrap();
    refused(&user, &["verify", file.proof_name()], "file_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pruned_proof_has_only_what_proves() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let file = user.stamped("file", &calendar);
    let before = file.proof_bytes();
    refused(&user, &["prune", file.proof_name()], "nothing_left");
    assert_eq!(file.proof_bytes(), before);
    user.complete(&file, &calendar).await;
    let complete = file.attested();
    let report = user.json(&["prune", file.proof_name()]);
    assert_eq!(report["bytes"], file.proof_bytes().len());
    let left = file.attested();
    assert_eq!((complete.len(), left.len()), (2, 1));
    assert!(left[0].stand_in_time_unix_s().is_some());
    refused(&user, &["prune", file.proof_name()], "nothing_to_prune");
}
