//! Commits and tags that are signed: their proofs are in the signatures.

use std::fs;

use crate::calendar::chain::Chain;
use crate::calendar::server::Calendar;
use crate::common::told;
use crate::git::key::Signer;

const SIGNED: [(&str, &str); 2] = [("verify-commit", "HEAD"), ("verify-tag", "v1")];

#[tokio::test(flavor = "multi_thread")]
async fn what_git_signs_is_stamped_and_verified() {
    let Some(signer) = Signer::new() else { return };
    let (repo, chain) = (&signer.0, Chain::start());
    let url = chain.calendar.url();
    let by = chain.by_esplora();
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let flags = [&["-c", &url, "-m", "1", "-l", &url], &by[..]].concat();
    let wrapper = repo.wrapper(&flags);
    signer.sign(&wrapper);
    for (command, rev) in SIGNED {
        let said = signer.verify(&wrapper, command, rev);
        assert!(
            said.contains("OpenTimestamps: ! promised by http://"),
            "{said}"
        );
        assert!(said.contains("Good signature"), "{said}");
        // Who doesn't know of timestamps sees a good signature too.
        assert!(
            signer
                .verify("gpg", command, rev)
                .contains("Good signature")
        );
        assert_eq!(repo.error(&["stamp", rev, "-c", &url]), "stamped_already");
        assert_eq!(repo.error(&["verify", rev, "--offline"]), "not_verified");
    }
    chain.anchor().await;
    let success = "Success! Bitcoin block ";
    for (command, rev) in SIGNED {
        let said = signer.verify(&wrapper, command, rev);
        assert!(said.contains(success), "{said}");
        let list = ["-l", &url];
        repo.freehold(&[&["upgrade", rev], &list[..]].concat());
        assert!(repo.freehold(&["upgrade", rev]).contains("complete"));
        // The calendar isn't needed any more.
        let said = repo.freehold(&[&["verify", rev, "--no-default-whitelist"], &by[..]].concat());
        assert!(said.starts_with(success), "{said}");
        let proof = repo.extract(rev, "src/main.rs");
        let out = repo.scratch().join("extracted.ots");
        let file = repo.folder.join("src/main.rs");
        let args = [
            "verify",
            out.to_str().unwrap(),
            "-f",
            file.to_str().unwrap(),
        ];
        let said = repo.run(crate::common::PROGRAM, &[&args, &by[..]].concat());
        assert!(said.status.success(), "{proof:?} {}", told(&said));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_is_not_good() {
    let Some(signer) = Signer::new() else { return };
    let (repo, calendar) = (&signer.0, Calendar::start(&[]));
    let url = calendar.url();
    let wrapper = repo.wrapper(&["-c", &url, "-l", &url]);
    signer.sign(&wrapper);
    let commit = repo.git(&["cat-file", "commit", "HEAD"]) + "\n";
    let store = |commit: &str| {
        let file = repo.scratch().join("commit");
        fs::write(&file, commit).unwrap();
        let args = ["hash-object", "-t", "commit", "-w", file.to_str().unwrap()];
        repo.git(&args)
    };
    let gpg = format!("gpg.program={wrapper}");
    let verify = |id: &str| repo.run("git", &["-c", &gpg, "verify-commit", id]);
    assert!(verify(&store(&commit)).status.success());
    let forged = store(&commit.replace("By a key", "By a kex"));
    let said = verify(&forged);
    assert_eq!(said.status.code(), Some(1), "{}", told(&said));
    assert!(String::from_utf8_lossy(&said.stderr).contains("BAD signature"));
    // The timestamp is of another message then, of which the calendar knows nothing.
    assert_eq!(
        repo.error(&["upgrade", &forged, "-l", &url]),
        "not_complete"
    );
    // A damaged timestamp leaves the signature good, and is told.
    let line = commit.split("GIT TIMESTAMP-----\n \n ").nth(1).unwrap();
    let damaged = store(&commit.replace(&line[..8], "!!!!!!!!"));
    let said = verify(&damaged);
    assert!(said.status.success(), "{}", told(&said));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(
        said.contains("OpenTimestamps: the timestamp in the signature is damaged"),
        "{said}"
    );
    assert_eq!(repo.error(&["verify", &damaged]), "git_bad_armor");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_signature_or_timestamp_there_is_no_commit() {
    let Some(signer) = Signer::new() else { return };
    let (repo, calendar) = (&signer.0, Calendar::start(&[]));
    let url = calendar.url();
    let head = repo.git(&["rev-parse", "HEAD"]);
    let commit = |wrapper: &str, key: &str| {
        let gpg = format!("gpg.program={wrapper}");
        let sign = format!("-S{key}");
        repo.run(
            "git",
            &["-c", &gpg, "commit", "--allow-empty", &sign, "-m", "x"],
        )
    };
    let key = "tester@example.com";
    let said = commit(&repo.wrapper(&["-c", "http://127.0.0.1:9"]), key);
    assert!(!said.status.success());
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("too_few_calendars"),
        "{}",
        told(&said)
    );
    let good = repo.wrapper(&["-c", &url]);
    let said = commit(&good, "nobody@example.com");
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("gpg_failed"),
        "{}",
        told(&said)
    );
    let said = commit(
        &repo.wrapper(&["-c", &url, "--gpg-program", "/nonexistent"]),
        key,
    );
    assert!(
        String::from_utf8_lossy(&said.stderr).contains("program_missing"),
        "{}",
        told(&said)
    );
    assert_eq!(repo.git(&["rev-parse", "HEAD"]), head);
    let good = repo.wrapper(&["-c", &url]);
    // Signed without us, and shown by us.
    let said = commit("gpg", key);
    assert!(said.status.success(), "{}", told(&said));
    assert!(
        signer
            .verify(&good, "verify-commit", "HEAD")
            .contains("there is no timestamp")
    );
    repo.freehold(&["stamp", "-c", &url]);
    assert_eq!(repo.error(&["verify", "--offline"]), "not_verified");
    // What isn't for us is gpg's.
    let listed = repo.try_freehold(&["gpg", "--", "--list-keys", key]);
    assert!(
        String::from_utf8_lossy(&listed.stdout).contains(key),
        "{}",
        told(&listed)
    );
}
