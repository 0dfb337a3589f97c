//! Calendars that lie, flood or fall silent: nothing of the user's is lost by it, and honest
//! calendars beside them are of use all the same.

use std::fs;
use std::time::{Duration, Instant};

use node::stamps::{Attestation, Timestamp};

use crate::calendar::chain::Chain;
use crate::calendar::liar::{Liar, Trick};
use crate::calendar::server::Calendar;
use crate::calendar::user::{File, User};

/// More than the buffers of a connection on the way hold, and far less than a flood.
const CUT_WITHIN_BYTES: u64 = 16 << 20;

/// A timestamp that is well-formed, and deeper than it can be below anything else.
fn deep() -> Vec<u8> {
    let attestation = b"\x00\x05\x88\x96\x0d\x73\xd7\x19\x01\x01\x01";
    [&[0x08; 254][..], attestation].concat()
}

/// That it was in a block, which it wasn't.
fn claim(height: u64) -> Vec<u8> {
    let claim = Timestamp::attested(Attestation::Bitcoin { height });
    claim.to_bytes().unwrap()
}

/// Stamping at this calendar alone must fail, in time, and leave no file.
fn no_stamp(user: &User, trick: Trick, why: &str) {
    let (liar, file) = (Liar::start(trick), user.file("file"));
    let start = Instant::now();
    let args = ["stamp", file.name(), "-c", &liar.url(), "--timeout", "2"];
    let (exit, error) = user.error(&args);
    assert!(start.elapsed() < Duration::from_secs(6), "{why}");
    assert_eq!(
        (exit, &error["error"]["code"]),
        (1, &"too_few_calendars".into())
    );
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains(why), "{message}");
    assert!(liar.sent_bytes() < CUT_WITHIN_BYTES, "{why}");
    let left: Vec<_> = fs::read_dir(user.folder()).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proof_is_made_of_what_is_none() {
    let user = User::new();
    let say = |body: &[u8]| Trick::Say(200, body.to_vec());
    no_stamp(&user, say(b""), "cut off");
    no_stamp(&user, say(b"hello"), "unknown kind 0x68");
    no_stamp(
        &user,
        say(&[&claim(1)[..], b"x"].concat()),
        "1 bytes follow",
    );
    no_stamp(&user, say(&[0xf0; 9_999]), "cut off");
    no_stamp(&user, say(&[7; 10_001]), "longer than 10000 bytes");
    no_stamp(&user, say(&deep()), "nested more than 255 operations deep");
    no_stamp(
        &user,
        Trick::Say(500, b"\x1b[2Jgo away".to_vec()),
        "answered 500: __2Jgo away",
    );
    no_stamp(&user, Trick::Say(404, Vec::new()), "answered 404");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_floods_or_falls_silent_is_cut_off() {
    let user = User::new();
    no_stamp(&user, Trick::Flood, "longer than 10000 bytes");
    no_stamp(&user, Trick::FloodInChunks, "longer than 10000 bytes");
    no_stamp(&user, Trick::Silence, "no answer within 2 s");
    no_stamp(&user, Trick::Drip, "no answer within 2 s");
    let elsewhere = Liar::start(Trick::Say(200, claim(1)));
    let redirect = Trick::Redirect(format!("{}/digest", elsewhere.url()));
    no_stamp(&user, redirect, "answered 307");
    assert_eq!(elsewhere.served(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_calendars_are_of_use_beside_others() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let tricks = [
        Trick::Say(200, deep()),
        Trick::Say(200, b"hello".to_vec()),
        Trick::Flood,
    ];
    for (number, trick) in tricks.into_iter().enumerate() {
        let liar = Liar::start(trick);
        let file = user.file(&number.to_string());
        let both = [
            "stamp",
            file.name(),
            "-c",
            &calendar.url(),
            "-c",
            &liar.url(),
        ];
        let (exit, error) = user.error(&both);
        assert_eq!(
            (exit, &error["error"]["code"]),
            (1, &"too_few_calendars".into())
        );
        let said = user.json(&[&both[..], &["-m", "1"]].concat());
        let answers = said["calendars"].as_array().unwrap();
        let good = answers.iter().filter(|answer| answer["error"].is_null());
        assert_eq!(good.count(), 1, "{answers:?}");
        let attested = file.attested();
        assert!(
            matches!(attested.as_slice(), [Attestation::Pending(_)]),
            "{attested:?}"
        );
    }
}

/// An upgrade by this calendar must fail, in time, and change nothing.
fn no_upgrade(user: &User, file: &File, trick: Trick) {
    let (liar, before) = (Liar::start(trick), file.proof_bytes());
    let start = Instant::now();
    let (exit, error) = user.error(&["upgrade", file.proof_name(), "-c", &liar.url()]);
    assert!(start.elapsed() < Duration::from_secs(14));
    assert_eq!((exit, &error["error"]["code"]), (1, &"not_complete".into()));
    assert_eq!(liar.served(), 1);
    assert!(liar.sent_bytes() < CUT_WITHIN_BYTES);
    assert_eq!(file.proof_bytes(), before);
    let left: Vec<_> = fs::read_dir(user.folder()).unwrap().collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_stays_as_it_is_when_a_calendar_lies() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let file = user.stamped("file", &calendar);
    for trick in [
        Trick::Say(200, b"hello".to_vec()),
        Trick::Say(200, deep()),
        Trick::Say(200, vec![7; 10_001]),
        Trick::Say(404, b"\x1b[2J".to_vec()),
        Trick::Flood,
        Trick::FloodInChunks,
        Trick::Drip,
    ] {
        no_upgrade(&user, &file, trick);
    }
    // After all of that, the honest one completes it.
    user.complete(&file, &calendar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calendar_that_lies_does_not_keep_others_answers_out() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let file = user.stamped("file", &calendar);
    calendar.until_anchored().await;
    let liar = Liar::start(Trick::Say(200, deep()));
    user.ok(&[
        "upgrade",
        file.proof_name(),
        "-c",
        &liar.url(),
        "-c",
        &calendar.url(),
    ]);
    assert_eq!(file.attested().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_calendar_claims_counts_only_if_the_chain_says_so() {
    let (user, chain) = (User::new(), Chain::start());
    let file = user.stamped("file", &chain.calendar);
    let before = file.proof_bytes();
    // A proof for something else: this block has never heard of the file.
    let liar = Liar::start(Trick::Say(200, [&[0x08][..], &claim(5)].concat()));
    user.ok(&["upgrade", file.proof_name(), "-c", &liar.url()]);
    assert_eq!(fs::read(file.backup()).unwrap(), before);
    let by = chain.by_node();
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let verify = [&["verify", file.proof_name()], &by[..]].concat();
    let (exit, error) = user.error(&verify);
    assert_eq!(
        (exit, &error["error"]["code"]),
        (1, &"timestamp_false".into())
    );
    let (exit, error) = user.error(&[&["prune", file.proof_name()], &by[..]].concat());
    assert_eq!((exit, &error["error"]["code"]), (1, &"not_verified".into()));
    // The truth finds its place beside the lie.
    chain.anchor().await;
    user.ok(&["upgrade", file.proof_name(), "-l", &chain.calendar.url()]);
    assert!(user.ok(&verify).contains("Success!"));
}
