//! A repository, somebody at home in it, and the commands that are run there.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use node::stamps::DetachedProof;
use serde_json::Value;

use crate::common::{Home, PROGRAM, told, waiting, without_proxy};

pub struct Repo {
    home: Home,
    pub folder: PathBuf,
}

impl Repo {
    /// An empty one.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// The same, with more arguments for `git init`.
    pub fn with(args: &[&str]) -> Self {
        let home = Home::without_model();
        let folder = home.scratch().join("repo");
        fs::create_dir(&folder).unwrap();
        let repo = Self { home, folder };
        repo.git(&[&["init", "-q", "-b", "main"], args].concat());
        repo.git(&["config", "user.name", "Tester"]);
        repo.git(&["config", "user.email", "tester@example.com"]);
        repo
    }

    /// One with folders, a link and a submodule, and two commits.
    pub fn with_commits() -> Self {
        let repo = Self::new();
        repo.fill();
        repo
    }

    pub fn fill(&self) {
        for (path, text) in [
            ("README", "read me\n"),
            ("src/main.rs", "fn main() {}\n"),
            ("src/lib/a b.rs", ""),
            ("src/lib/ä.rs", "// ä\n"),
            ("one/file", "alone\n"),
        ] {
            self.write(path, text);
        }
        symlink("README", self.folder.join("link")).unwrap();
        self.git(&["add", "."]);
        let commit = "1".repeat(self.git(&["hash-object", "README"]).len());
        let module = format!("160000,{commit},module");
        self.git(&["update-index", "--add", "--cacheinfo", &module]);
        self.git(&["commit", "-q", "-m", "First"]);
        self.write("README", "read me too\n");
        // Not all that has changed: the submodule's folder isn't there.
        self.git(&["add", "README"]);
        self.git(&["commit", "-q", "-m", "Second\n\nWith more to say.\n"]);
    }

    /// A folder for files that aren't in it.
    pub fn scratch(&self) -> &Path {
        self.home.scratch()
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Runs a program here, at home in this home.
    pub fn run(&self, program: impl AsRef<OsStr>, args: &[&str]) -> Output {
        self.run_in(&self.folder, program, args)
    }

    pub fn run_in(&self, folder: &Path, program: impl AsRef<OsStr>, args: &[&str]) -> Output {
        let mut command = Command::new(program);
        self.home.settle(&mut command);
        without_proxy(&mut command);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("GIT_") {
                command.env_remove(name);
            }
        }
        command
            .args(args)
            .current_dir(folder)
            .env("HOME", self.home.scratch())
            .env("GNUPGHOME", self.gnupg())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1");
        waiting(|| command.output().unwrap())
    }

    pub fn gnupg(&self) -> PathBuf {
        self.home.scratch().join("gnupg")
    }

    /// Runs git, which must succeed; what it wrote, without the line's end.
    pub fn git(&self, args: &[&str]) -> String {
        let output = self.run("git", args);
        assert!(output.status.success(), "git {args:?}: {}", told(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim_end().to_owned()
    }

    /// Runs `freehold git`.
    pub fn try_freehold(&self, args: &[&str]) -> Output {
        self.run(PROGRAM, &[&["git"], args].concat())
    }

    /// The same, which must succeed; what it wrote to standard output.
    pub fn freehold(&self, args: &[&str]) -> String {
        let output = self.try_freehold(args);
        assert!(output.status.success(), "{args:?}: {}", told(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same, which must fail; the code of the error.
    pub fn error(&self, args: &[&str]) -> String {
        self.error_in(&self.folder, args)
    }

    pub fn error_in(&self, folder: &Path, args: &[&str]) -> String {
        let output = self.run_in(folder, PROGRAM, &[&["--json", "git"], args].concat());
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", told(&output));
        let said = String::from_utf8_lossy(&output.stderr);
        let error = said
            .lines()
            .find_map(|line| serde_json::from_str::<Value>(line).ok());
        let error = error.unwrap_or_else(|| panic!("{args:?}: {}", told(&output)));
        assert_ne!(error["error"]["hint"], "", "{error}");
        error["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Writes a script that git can be told to run.
    pub fn script(&self, name: &str, text: &str) -> String {
        let path = self.scratch().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The script that has us stand in for gpg.
    pub fn wrapper(&self, flags: &[&str]) -> String {
        let script = self.freehold(&[&["wrapper", "--"], flags].concat());
        self.script("freehold-gpg", &script)
    }

    /// The proof of a file in a commit, by us.
    pub fn extract(&self, rev: &str, path: &str) -> DetachedProof {
        let out = self.scratch().join("extracted.ots");
        let _ = fs::remove_file(&out);
        let out = out.to_str().unwrap();
        self.freehold(&["extract", path, out, "--commit", rev]);
        proof(out)
    }
}

/// Reads a proof.
pub fn proof(path: impl AsRef<Path>) -> DetachedProof {
    DetachedProof::from_bytes(&fs::read(path).unwrap()).unwrap()
}
