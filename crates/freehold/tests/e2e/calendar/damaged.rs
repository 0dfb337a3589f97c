//! Proofs that are cut off, too long, of another version, or made to do harm: each is refused by
//! name, at once, and left as it is.

use std::fs;
use std::time::{Duration, Instant};

use crate::calendar::server::Calendar;
use crate::calendar::user::User;

/// Where the version stands: behind the magic.
const VERSION_AT: usize = 31;
const AT_ONCE: Duration = Duration::from_secs(3);

/// Every command must refuse these bytes with this code.
fn check(user: &User, what: &str, bytes: &[u8], code: &str) {
    let file = user.file(what);
    fs::write(file.proof_name(), bytes).unwrap();
    for args in [
        &["info"][..],
        &["upgrade", "-l", "http://127.0.0.1:1"],
        &["verify", "--offline", "-f", file.name()],
        &["prune", "--offline"],
    ] {
        let start = Instant::now();
        let args = [args, &[file.proof_name()]].concat();
        let (exit, error) = user.error(&args);
        assert_eq!(exit, 1, "{what}: {args:?}: {error}");
        assert_eq!(error["error"]["code"], code, "{what}: {args:?}: {error}");
        assert!(start.elapsed() < AT_ONCE, "{what}: {args:?}");
        assert_eq!(file.proof_bytes(), bytes, "{what}: {args:?}");
        assert!(!file.backup().exists(), "{what}: {args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_proof_is_refused_by_name() {
    let (user, calendar) = (User::new(), Calendar::start(&[]));
    let good = user.stamped("good", &calendar).proof_bytes();
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    check(&user, "empty", b"", "not_a_proof");
    check(&user, "the magic cut off", &good[..20], "not_a_proof");
    check(&user, "another file", b"hello", "not_a_proof");
    check(&user, "the version cut off", &good[..31], "truncated");
    check(&user, "the digest cut off", &good[..40], "truncated");
    check(
        &user,
        "the end cut off",
        &good[..good.len() - 1],
        "truncated",
    );
    let long = [&good[..], b"x"].concat();
    check(&user, "something behind it", &long, "trailing_bytes");
    check(
        &user,
        "version 2",
        &changed(VERSION_AT, 2),
        "unsupported_version",
    );
    check(
        &user,
        "another digest",
        &changed(VERSION_AT + 1, 0x99),
        "unknown_digest",
    );
    check(
        &user,
        "another operation",
        &changed(VERSION_AT + 34, 0x99),
        "unknown_operation",
    );
    let huge = [&good[..], &vec![0; 4 << 20]].concat();
    check(&user, "over-long", &huge, "too_long");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_that_would_take_for_ever_is_refused_at_once() {
    let user = User::new();
    let head = |operations: &[u8]| {
        let magic = b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94\x01\x08";
        [&magic[..], &[7; 32], operations].concat()
    };
    let attestation = b"\x00\x05\x88\x96\x0d\x73\xd7\x19\x01\x01\x01";
    // The existing Rust crate takes 21 s and 526 MB for this one.
    let hexlify = [&[0xf3; 20][..], attestation].concat();
    check(
        &user,
        "hexlified again and again",
        &head(&hexlify),
        "message_too_long",
    );
    let deep = [&[0x08; 300][..], attestation].concat();
    check(&user, "deep", &head(&deep), "too_deep");
    // Each of many forks hashes 4 KiB many times.
    let mut forks = vec![0xf0, 0xe0, 0x1f];
    forks.extend([7; 4_064]);
    for _ in 0..20_000 {
        forks.extend([0xff, 0xf2, 0xf2, 0xf2, 0xf2]);
        forks.extend(attestation);
    }
    forks.extend([0x08]);
    forks.extend(attestation);
    check(&user, "work", &head(&forks), "too_much_work");
}
