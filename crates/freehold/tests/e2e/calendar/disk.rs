//! A disk that fills up in the middle, played by a limit on the size of files: beyond it, writes
//! fail half-way as they do when there is no room.

use std::fs;
use std::process::{Command, Output};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::calendar::promise::{Promise, check_all, check_journal};
use crate::calendar::server::{Calendar, http};
use crate::calendar::user::User;
use crate::common::{PROGRAM, told, waiting};

/// Runs the program with so much room in each file.
fn cramped(user: &User, room_bytes: u64, args: &[&str]) -> Output {
    let blocks = room_bytes / 512;
    // The signal would end it before the write could fail.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut command = Command::new("sh");
    user.settle(&mut command);
    command.args(["-c", &script, PROGRAM]).args(args);
    waiting(|| command.output().unwrap())
}

fn refused(output: &Output) {
    assert_eq!(output.status.code(), Some(1), "{}", told(output));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("file_error") && said.contains("free space"),
        "{said}"
    );
}

fn names(user: &User) -> Vec<String> {
    let entries = fs::read_dir(user.folder()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_stays_as_it_is_when_there_is_no_room_for_more() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    // So many files make proofs that end beyond the limit.
    let files: Vec<_> = (0..300)
        .map(|number| user.file(&number.to_string()))
        .collect();
    let folder = user.folder();
    user.ok(&["stamp", folder.to_str().unwrap(), "-c", &calendar.url()]);
    calendar.until_anchored().await;
    let (file, before, all) = (&files[0], files[0].proof_bytes(), names(&user));
    for room_bytes in [0, 512] {
        let args = ["upgrade", file.proof_name(), "-l", &calendar.url()];
        refused(&cramped(&user, room_bytes, &args));
        assert_eq!(file.proof_bytes(), before);
        assert_eq!(names(&user), all, "something is left behind");
    }
    user.complete(file, &calendar).await;
    assert!(file.proof_bytes().len() > 512);
    let before = (file.proof_bytes(), names(&user));
    refused(&cramped(&user, 0, &["prune", file.proof_name()]));
    assert_eq!((file.proof_bytes(), names(&user)), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_half_proof_is_left_when_there_is_no_room_for_it() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let (file, out) = (user.file("file"), user.folder().join("out.ots"));
    let (url, out) = (calendar.url(), out.to_str().unwrap());
    refused(&cramped(&user, 0, &["stamp", file.name(), "-c", &url]));
    assert_eq!(names(&user), ["file"]);
    let digest = "00".repeat(32);
    let output = cramped(&user, 0, &["stamp", "-d", &digest, "-c", &url, "-o", out]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert_eq!(names(&user), ["file"]);
    // With room, both work at once.
    user.ok(&["stamp", file.name(), "-c", &url]);
    user.ok(&["stamp", "-d", &digest, "-c", &url, "-o", out]);
}

/// How much a running calendar may write into each file.
fn set_room(calendar: &Calendar, room_bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(calendar.pid()).unwrap());
    let limit = Rlimit {
        current: room_bytes,
        maximum: None,
    };
    prlimit(pid, Resource::Fsize, limit).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_without_room_promises_nothing_and_goes_on_when_there_is_some() {
    let calendar = Calendar::shielded(&["--round", "0.05", "--tick", "0.1"]);
    let (http, url) = (http(), calendar.url());
    let mut promises = vec![Promise::get(&http, &url).await.unwrap()];
    // Eleven records, and a part of the twelfth.
    set_room(&calendar, Some(512));
    let failed = loop {
        let reply = calendar.post(vec![7; 32]).await;
        match reply.status().as_u16() {
            200 => assert!(promises.len() < 12),
            status => break (status, reply.text().await.unwrap()),
        }
        if let Some(promise) = Promise::unless_refused(&http, &url).await {
            promises.push(promise);
        }
    };
    assert_eq!(failed.0, 500);
    assert!(
        failed.1.contains("journal can't be written"),
        "{}",
        failed.1
    );
    let length = fs::metadata(calendar.file("journal")).unwrap().len();
    assert_eq!(length % 44, 0, "a part of a record is left");
    // The list of anchors has no room either.
    let has_trouble = |status: &Value| {
        let trouble = status["trouble"].as_str().unwrap_or_default();
        trouble.contains("list of anchors can't be written")
    };
    calendar
        .until("no anchor can be recorded", has_trouble)
        .await;
    set_room(&calendar, None);
    promises.push(Promise::get(&http, &url).await.unwrap());
    calendar.until_anchored().await;
    check_all(&calendar, &promises).await;
    calendar.kill9();
    calendar.restart();
    check_all(&calendar, &promises).await;
    check_journal(&calendar).await;
}
