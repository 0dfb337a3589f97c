//! A key that signs for the length of a test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::common::{loudly, told};
use crate::git::repo::Repo;

const USER: &str = "Tester <tester@example.com>";

/// A repository whose owner has a key. Its agent ends with it.
pub struct Signer(pub Repo);

impl Signer {
    /// `None` (loudly) where gpg can't make a key.
    pub fn new() -> Option<Self> {
        if Command::new("gpg").arg("--version").output().is_err() {
            loudly("skipped: gpg isn't installed, so nothing can be signed");
            return None;
        }
        let signer = Self(Repo::with_commits());
        let repo = &signer.0;
        fs::create_dir(repo.gnupg()).unwrap();
        fs::set_permissions(repo.gnupg(), fs::Permissions::from_mode(0o700)).unwrap();
        let quick = [
            "--batch",
            "--passphrase",
            "",
            "--quick-gen-key",
            USER,
            "ed25519",
            "sign",
        ];
        let made = repo.run("gpg", &quick);
        if !made.status.success() {
            loudly(&format!("skipped: gpg can't make a key: {}", told(&made)));
            return None;
        }
        repo.git(&["config", "user.signingKey", "tester@example.com"]);
        Some(signer)
    }

    /// Signs a commit and a tag, with this in gpg's place.
    pub fn sign(&self, program: &str) {
        let repo = &self.0;
        let gpg = format!("gpg.program={program}");
        repo.write("src/signed", program);
        repo.git(&["add", "."]);
        repo.git(&["-c", &gpg, "commit", "-q", "-S", "-m", "Signed\n\nBy a key"]);
        repo.git(&[
            "-c",
            &gpg,
            "tag",
            "-f",
            "-s",
            "-m",
            "Signed too\n\nindeed",
            "v1",
        ]);
    }

    /// Has git verify the signature, with this in gpg's place: it must be good. What was said.
    pub fn verify(&self, program: &str, command: &str, rev: &str) -> String {
        let gpg = format!("gpg.program={program}");
        let output = self.0.run("git", &["-c", &gpg, command, "-v", rev]);
        assert!(
            output.status.success(),
            "{command} {rev}: {}",
            told(&output)
        );
        String::from_utf8(output.stderr).unwrap()
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // It is of this folder, and of no other.
        let _ = self.0.run("gpgconf", &["--kill", "gpg-agent"]);
    }
}
