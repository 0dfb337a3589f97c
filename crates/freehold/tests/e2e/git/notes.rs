//! Commits and tags that aren't signed: their proofs are in notes.

use std::fs;

use node::stamps::{Attestation, Digester};

use crate::calendar::chain::Chain;
use crate::calendar::server::Calendar;
use crate::common::{PROGRAM, programs, told};
use crate::git::repo::{Repo, proof};

const OBJECTS: [(&str, &str); 3] = [("commit", "HEAD"), ("commit", "HEAD~1"), ("tag", "v1")];

fn repo_with_tag() -> Repo {
    let repo = Repo::with_commits();
    repo.git(&["tag", "-a", "-m", "A tag", "v1", "HEAD~1"]);
    repo
}

/// The object as a file, and its note beside it, as the manual says.
fn as_files(repo: &Repo, kind: &str, rev: &str) -> String {
    let object = repo.run("git", &["cat-file", kind, rev]).stdout;
    let note = repo
        .run("git", &["notes", "--ref", "ots", "show", rev])
        .stdout;
    let file = repo.scratch().join("object");
    fs::write(&file, object).unwrap();
    fs::write(repo.scratch().join("object.ots"), note).unwrap();
    file.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_is_an_ordinary_proof() {
    let (repo, chain) = (repo_with_tag(), Chain::start());
    let url = chain.calendar.url();
    let said = repo.freehold(&["stamp", "HEAD", "HEAD~1", "v1", "main", "-c", &url]);
    assert_eq!(said.lines().count(), 3, "{said}");
    for rev in ["HEAD", "v1"] {
        assert_eq!(repo.error(&["stamp", rev, "-c", &url]), "stamped_already");
    }
    let list = ["-l", &url];
    assert_eq!(
        repo.error(&[&["upgrade"], &list[..]].concat()),
        "not_complete"
    );
    let height = chain.anchor().await;
    let by = chain.by_esplora();
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    let success = format!("Success! Bitcoin block {height} ");
    for (kind, rev) in OBJECTS {
        // Verifying asks the calendar too, and changes nothing.
        let said = repo.freehold(&[&["verify", rev], &list[..], &by].concat());
        assert!(said.starts_with(&success), "{said}");
        assert_eq!(
            repo.error(&[&["verify", rev, "--offline"], &by[..]].concat()),
            "not_verified"
        );
        repo.freehold(&[&["upgrade", rev], &list[..]].concat());
        // Any client can check it.
        let file = as_files(&repo, kind, rev);
        let said = repo.run(PROGRAM, &[&["verify", &file], &by[..]].concat());
        assert!(
            String::from_utf8_lossy(&said.stdout).starts_with(&success),
            "{}",
            told(&said)
        );
        verify_by_reference(&repo, &chain, &file, &success);
    }
}

fn verify_by_reference(repo: &Repo, chain: &Chain, file: &str, success: &str) {
    let Some(dir) = programs(&["venv/bin/ots"]) else {
        return;
    };
    let node = chain.sandbox.url().replace("//", "//user:password@");
    let proof = format!("{file}.ots");
    let args = [
        "--no-cache",
        "--btc-regtest",
        "--bitcoin-node",
        &node,
        "verify",
        &proof,
    ];
    let said = repo.run(dir.join("venv/bin/ots"), &args);
    assert!(
        String::from_utf8_lossy(&said.stderr).contains(success.trim_end()),
        "{}",
        told(&said)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_files_proof_is_extracted() {
    let (repo, chain) = (repo_with_tag(), Chain::start());
    let url = chain.calendar.url();
    repo.freehold(&["stamp", "HEAD", "-c", &url]);
    repo.freehold(&["stamp", "v1", "-c", &url]);
    chain.anchor().await;
    let by = chain.by_esplora();
    let by: Vec<&str> = by.iter().map(String::as_str).collect();
    for rev in ["HEAD", "v1"] {
        repo.freehold(&["upgrade", rev, "-l", &url]);
        let files = [
            "README",
            "src/main.rs",
            "src/lib/a b.rs",
            "src/lib/ä.rs",
            "one/file",
        ];
        for path in files {
            let content = repo.run("git", &["show", &format!("{rev}:{path}")]).stdout;
            let proof = repo.extract(rev, path);
            assert_eq!(
                proof.digest(),
                Digester::Sha256.digest(&content),
                "{rev} {path}"
            );
            let blocks = proof.attestations().unwrap();
            let is_block = |kind: &Attestation| matches!(kind, Attestation::Bitcoin { .. });
            assert!(
                blocks.iter().any(|(_, kind)| is_block(kind)),
                "{rev} {path}"
            );
        }
    }
    // The ordinary way, from within a folder: the proof goes beside the file.
    let output = repo.run_in(
        &repo.folder.join("src"),
        PROGRAM,
        &["git", "extract", "lib/../main.rs"],
    );
    assert!(output.status.success(), "{}", told(&output));
    let verified = repo.run(PROGRAM, &[&["verify", "src/main.rs"], &by[..]].concat());
    assert!(verified.status.success(), "{}", told(&verified));
    let whole = repo.folder.join("one/file");
    repo.freehold(&["extract", whole.to_str().unwrap()]);
    assert_eq!(repo.error(&["extract", "one/file"]), "proof_exists");
    // What isn't in the folder any more was in the commit.
    fs::remove_file(repo.folder.join("README")).unwrap();
    repo.freehold(&["extract", "README", "old.ots"]);
    assert_eq!(
        proof(repo.folder.join("old.ots")),
        repo.extract("HEAD", "README")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_pushed_and_fetched() {
    let (repo, calendar) = (repo_with_tag(), Calendar::start(&[]));
    repo.freehold(&["stamp", "-c", &calendar.url()]);
    let hub = repo.scratch().join("hub.git");
    let hub = hub.to_str().unwrap();
    repo.git(&["clone", "-q", "--bare", ".", hub]);
    repo.git(&["push", "-q", hub, "refs/notes/ots"]);
    let other = Repo::new();
    other.git(&["fetch", "-q", hub, "main:theirs"]);
    assert_eq!(other.error(&["verify", "theirs"]), "not_stamped");
    other.git(&["fetch", "-q", hub, "refs/notes/ots:refs/notes/ots"]);
    assert_eq!(
        other.error(&["verify", "theirs", "--offline"]),
        "not_verified"
    );
    let expected = repo.extract("main", "src/main.rs");
    assert_eq!(other.extract("theirs", "src/main.rs"), expected);
    // A bare repository has the same.
    let out = repo.scratch().join("bare.ots");
    let args = ["git", "extract", "src/main.rs", out.to_str().unwrap()];
    let output = repo.run_in(hub.as_ref(), PROGRAM, &args);
    assert!(output.status.success(), "{}", told(&output));
    assert_eq!(proof(out), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_with_sha256_is_stamped_too() {
    let calendar = Calendar::start(&[]);
    let repo = Repo::with(&["--object-format=sha256"]);
    repo.fill();
    repo.freehold(&["stamp", "-c", &calendar.url()]);
    let proof = repo.extract("HEAD", "src/main.rs");
    assert_eq!(proof.digest(), Digester::Sha256.digest(b"fn main() {}\n"));
}

/// Nothing but the hashes of trees is kept beside the notes, and a damaged file does no harm.
#[tokio::test(flavor = "multi_thread")]
async fn hashes_are_kept_and_may_be_lost() {
    let (repo, calendar) = (repo_with_tag(), Calendar::start(&[]));
    repo.freehold(&["stamp", "-c", &calendar.url()]);
    let kept = repo.folder.join(".git/ots/freehold-tree-hashes");
    let expected = repo.extract("HEAD", "src/main.rs");
    let bytes = fs::read(&kept).unwrap();
    for damaged in [
        &bytes[..bytes.len() / 2],
        b"",
        &[bytes.as_slice(), b"x"].concat(),
    ] {
        fs::write(&kept, damaged).unwrap();
        assert_eq!(repo.extract("HEAD", "src/main.rs"), expected);
        assert_eq!(fs::read(&kept).unwrap().len(), bytes.len());
    }
}

/// An empty commit has a time as well; there is just no file in it.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_tree_and_a_tag_of_a_file_are_stamped_without_files() {
    let (repo, calendar) = (Repo::new(), Calendar::start(&[]));
    repo.git(&["commit", "-q", "--allow-empty", "-m", "Nothing"]);
    let blob = repo.folder.join("blob");
    fs::write(&blob, "content").unwrap();
    let blob = repo.git(&["hash-object", "-w", "blob"]);
    repo.git(&["tag", "-a", "-m", "A file", "file", &blob]);
    for rev in ["HEAD", "file"] {
        repo.freehold(&["stamp", rev, "-c", &calendar.url()]);
        assert_eq!(repo.error(&["verify", rev, "--offline"]), "not_verified");
    }
    assert_eq!(repo.error(&["extract", "x"]), "git_no_such_path");
    assert_eq!(
        repo.error(&["extract", "x", "--commit", "file"]),
        "git_without_tree"
    );
}
