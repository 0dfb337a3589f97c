//! What can't be done, and what is said about it.

use std::fs;

use crate::calendar::server::Calendar;
use crate::common::PROGRAM;
use crate::git::repo::Repo;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_repository_and_no_revision_is_refused() {
    let repo = Repo::with_commits();
    for command in ["stamp", "upgrade", "verify"] {
        let error = repo.error_in(repo.scratch(), &[command]);
        assert_eq!(error, "not_a_repository", "{command}");
        for rev in [
            "nothing",
            "",
            "HEAD~9",
            "a\nb",
            "HEAD HEAD",
            &"x".repeat(5000),
        ] {
            assert_eq!(
                repo.error(&[command, rev]),
                "unknown_revision",
                "{command} {rev}"
            );
        }
        assert_eq!(repo.error(&[command, "--", "--help"]), "unknown_revision");
        assert_eq!(repo.error(&[command, "HEAD:README"]), "git_unknown_object");
        assert_eq!(repo.error(&[command, "HEAD^{tree}"]), "git_unknown_object");
    }
    for command in ["upgrade", "verify"] {
        assert_eq!(repo.error(&[command]), "not_stamped");
    }
    let empty = Repo::new();
    assert_eq!(empty.error(&["stamp"]), "unknown_revision");
}

#[tokio::test(flavor = "multi_thread")]
async fn git_has_to_be_there() {
    let repo = Repo::with_commits();
    let args = ["PATH=/nonexistent", PROGRAM, "git", "verify", "--json"];
    let output = repo.run("/usr/bin/env", &args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("program_missing") && said.contains("install it"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_files_have_proofs() {
    let (repo, calendar) = (Repo::with_commits(), Calendar::start(&[]));
    repo.freehold(&["stamp", "-c", &calendar.url()]);
    let check = |path: &str, code: &str| assert_eq!(repo.error(&["extract", path]), code, "{path}");
    check("nothing", "git_no_such_path");
    check("src/lib/nothing", "git_no_such_path");
    check("README/x", "git_no_such_path");
    check("src", "git_not_a_file");
    check("link", "git_not_a_file");
    check("module", "git_not_a_file");
    check("..", "outside_repository");
    check("src/../../x", "outside_repository");
    check("/etc/passwd", "outside_repository");
    check(".", "git_no_such_path");
    assert_eq!(
        repo.error(&["extract", "README", "--commit", "HEAD~1"]),
        "not_stamped"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_that_is_no_proof_of_it_is_refused() {
    let (repo, calendar) = (Repo::with_commits(), Calendar::start(&[]));
    let note = |args: &[&str]| repo.git(&[&["notes", "--ref", "ots"], args].concat());
    note(&["add", "-m", "just text", "HEAD"]);
    assert_eq!(repo.error(&["verify"]), "not_a_proof");
    note(&["remove", "HEAD"]);
    repo.freehold(&["stamp", "HEAD~1", "-c", &calendar.url()]);
    note(&["copy", "HEAD~1", "HEAD"]);
    for command in ["verify", "upgrade", "stamp"] {
        assert_eq!(repo.error(&[command]), "other_note", "{command}");
    }
    let long = repo.scratch().join("long");
    fs::write(&long, vec![b'x'; 5 * 1024 * 1024]).unwrap();
    note(&["add", "-f", "-F", long.to_str().unwrap(), "HEAD"]);
    assert_eq!(repo.error(&["verify"]), "too_long");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_calendar_nothing_is_kept() {
    let repo = Repo::with_commits();
    let nobody = "http://127.0.0.1:9";
    assert_eq!(repo.error(&["stamp", "-c", nobody]), "too_few_calendars");
    assert_eq!(repo.error(&["verify"]), "not_stamped");
}
