//! The reference's `ots-git-gpg-wrapper` and `ots git-extract` on what we have signed, and we on
//! what it has signed.

use std::fs;
use std::path::PathBuf;

use crate::calendar::server::Calendar;
use crate::common::{loudly, programs, told};
use crate::git::key::Signer;
use crate::git::repo::proof;

const SIGNED: [(&str, &str); 2] = [("verify-commit", "HEAD"), ("verify-tag", "v1")];
const FILES: [&str; 5] = [
    "README",
    "src/main.rs",
    "src/lib/a b.rs",
    "src/lib/ä.rs",
    "one/file",
];

/// Whose wrapper signs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    Us,
    Them,
}

struct World {
    signer: Signer,
    calendar: Calendar,
    ots: PathBuf,
    theirs: String,
    ours: String,
}

impl World {
    fn new() -> Option<Self> {
        let bin = programs(&["venv/bin/ots", "venv/bin/ots-git-gpg-wrapper"])?.join("venv/bin");
        let signer = Signer::new()?;
        let calendar = Calendar::start(&[]);
        let (repo, url) = (&signer.0, calendar.url());
        let program = bin.join("ots-git-gpg-wrapper").display().to_string();
        let help = repo.run(&program, &["--help"]);
        if !help.status.success() {
            loudly(&format!(
                "skipped: the reference's wrapper doesn't run: {}",
                told(&help)
            ));
            return None;
        }
        let theirs = repo.script(
            "ots-gpg",
            &format!(
                "#!/bin/sh\nexec {program} --no-cache --no-default-whitelist -l {url} --no-bitcoin \
                 -c {url} -m 1 -g \"$(command -v gpg)\" -- \"$@\"\n"
            ),
        );
        let ours = repo.wrapper(&["-c", &url, "-l", &url]);
        let ots = bin.join("ots");
        Some(Self {
            signer,
            calendar,
            ots,
            theirs,
            ours,
        })
    }

    fn signed_by(by: By) -> Option<Self> {
        let world = Self::new()?;
        let wrapper = match by {
            By::Us => &world.ours,
            // It asks its four calendars as well, for `-c` adds to them; one answer is enough.
            By::Them => &world.theirs,
        };
        world.signer.sign(wrapper);
        Some(world)
    }
}

fn each_verifies(by: By) {
    let Some(world) = World::signed_by(by) else {
        return;
    };
    let (signer, url) = (&world.signer, world.calendar.url());
    for (command, rev) in SIGNED {
        let said = signer.verify(&world.theirs, command, rev);
        let is_seen = !said.contains("No timestamp found") && !said.contains("Bad timestamp");
        assert!(
            is_seen && said.contains("Good signature"),
            "{by:?} {rev}: {said}"
        );
        let is_judged = said.contains("Could not verify timestamp!");
        assert!(is_judged, "{by:?} {rev}: {said}");
        let said = signer.verify(&world.ours, command, rev);
        let is_seen = said.contains("OpenTimestamps: ! promised by http://127.0.0.1:")
            || said.contains("OpenTimestamps: ! a stand-in");
        assert!(
            is_seen && said.contains("Good signature"),
            "{by:?} {rev}: {said}"
        );
        // From the signature's promise to the calendar's answer: the same message was stamped.
        let mut upgraded = world.signer.0.try_freehold(&["upgrade", rev, "-l", &url]);
        for _ in 0..50 {
            if upgraded.status.success() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(200));
            upgraded = world.signer.0.try_freehold(&["upgrade", rev, "-l", &url]);
        }
        assert!(
            upgraded.status.success(),
            "{by:?} {rev}: {}",
            told(&upgraded)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_verify_what_we_signed() {
    each_verifies(By::Us);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_verify_what_they_signed() {
    each_verifies(By::Them);
}

/// Byte for byte the same proofs of files, whoever has signed.
#[tokio::test(flavor = "multi_thread")]
async fn both_extract_the_same() {
    for by in [By::Us, By::Them] {
        let Some(world) = World::signed_by(by) else {
            return;
        };
        let repo = &world.signer.0;
        for path in FILES {
            let theirs = repo.scratch().join("theirs.ots");
            let _ = fs::remove_file(&theirs);
            let args = ["git-extract", path, theirs.to_str().unwrap(), "HEAD"];
            let said = repo.run(&world.ots, &args);
            assert!(said.status.success(), "{by:?} {path}: {}", told(&said));
            assert_eq!(repo.extract("HEAD", path), proof(&theirs), "{by:?} {path}");
        }
    }
}
