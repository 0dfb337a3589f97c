//! A data directory of the program's own, with the model in its place.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::{env, process};

use serde_json::Value;
use tokio::runtime::{Handle, RuntimeFlavor};

use super::loudly;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_freehold");
const MODEL_FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// A fresh data directory, and the address of the node that will live in it. Cheap to clone;
/// removed with the last clone.
#[derive(Clone)]
pub struct Home(Arc<Inner>);

struct Inner {
    dir: tempfile::TempDir,
    port: u16,
    network: &'static str,
}

impl Home {
    /// A home with the default settings, or `None` (loudly) if there's no model to be had.
    pub fn new() -> Option<Self> {
        Self::with_config("")
    }

    /// The same, with more lines for its configuration file, such as `[engine]\nparallel = 1`.
    pub fn with_config(toml: &str) -> Option<Self> {
        Self::on("play", toml)
    }

    /// The same on another network.
    pub fn on(network: &'static str, toml: &str) -> Option<Self> {
        let home = Self::configured(network, toml);
        install_model(&home, &models_dir())?;
        Some(home)
    }

    /// A home for what needs no model, such as timestamps.
    pub fn without_model() -> Self {
        Self::configured("play", "")
    }

    /// The same on another network, with more lines for its configuration file.
    pub fn without_model_on(network: &'static str, toml: &str) -> Self {
        Self::configured(network, toml)
    }

    fn configured(network: &'static str, toml: &str) -> Self {
        let home = Self(Arc::new(Inner {
            dir: tempfile::tempdir().unwrap(),
            port: free_port(),
            network,
        }));
        let text = format!(
            "network = '{network}'\nlisten = '{}'\nmodels_dir = '{}'\n{toml}\n",
            home.address(),
            models_dir().display()
        );
        fs::write(home.config_file(), text).unwrap();
        home
    }

    /// Where its node listens: `127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }

    /// Where its node is reached: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// A folder for files of the test; it goes away with the home.
    pub fn scratch(&self) -> &Path {
        self.0.dir.path()
    }

    /// What `--data-dir` says.
    pub fn data_dir(&self) -> PathBuf {
        self.0.dir.path().join("data")
    }

    /// Where its network's databases are.
    pub fn network_dir(&self) -> PathBuf {
        self.data_dir().join(self.0.network)
    }

    pub fn config_file(&self) -> PathBuf {
        self.0.dir.path().join("config.toml")
    }

    /// The owner's token. It is there once a node has been up.
    pub fn owner_token(&self) -> String {
        let path = self.network_dir().join("owner.token");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        text.trim().to_owned()
    }

    /// Runs the program with something to read on its standard input.
    pub fn typed(&self, args: &[&str], input: &str) -> Output {
        let mut command = self.command(args);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Whoever refuses early doesn't read.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        waiting(|| child.wait_with_output().unwrap())
    }

    /// Points `command` at this home and nowhere else.
    pub fn settle(&self, command: &mut Command) {
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("FREEHOLD_") {
                command.env_remove(name);
            }
        }
        command
            .env("FREEHOLD_DATA_DIR", self.data_dir())
            .env("FREEHOLD_CONFIG", self.config_file())
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG")
            .stdin(Stdio::null());
    }

    /// The program with these arguments, in this home; to be spawned.
    pub fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = Command::new(PROGRAM);
        self.settle(&mut command);
        command.args(args);
        command
    }

    /// Runs the program to its end.
    pub fn cli<A: AsRef<OsStr>>(&self, args: &[A]) -> Output {
        let mut command = self.command(args);
        waiting(|| command.output().unwrap())
    }

    /// Runs the program, which must succeed; what it wrote to standard output.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(
            output.status.success(),
            "freehold {args:?}: {}",
            told(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program with `--json`, which must succeed.
    pub fn json(&self, args: &[&str]) -> Value {
        let text = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("freehold {args:?}: {e}: {text}"))
    }

    /// Runs the program with `--json`, which must fail: its exit code, and the error that it
    /// printed on standard error.
    pub fn error(&self, args: &[&str]) -> (i32, Value) {
        let output = self.cli(&[args, &["--json"]].concat());
        let code = output.status.code().unwrap_or(-1);
        assert_ne!(code, 0, "freehold {args:?} succeeded: {}", told(&output));
        let text = String::from_utf8_lossy(&output.stderr);
        let error = text
            .lines()
            .rev()
            .find_map(|line| serde_json::from_str(line).ok());
        let error: Option<Value> = error.or_else(|| serde_json::from_str(&text).ok());
        let error = error.unwrap_or_else(|| panic!("freehold {args:?}: {}", told(&output)));
        (code, error)
    }

    /// Fails unless `freehold ledger check` finds the books sound and nothing under way.
    /// Works with a running node and without.
    pub fn assert_ledger_sound(&self) {
        let audit = self.json(&["ledger", "check"]);
        let is_sound = audit["sound"] == true && audit["sum_msat"] == 0;
        let is_settled = audit["in_flight"] == 0 && audit["pending"] == 0;
        let is_backed = audit["ecash_booked_sat"] == audit["ecash_held_sat"];
        assert!(is_sound && is_settled && is_backed, "{audit:#}");
    }
}

/// Waits for something without async, and lets the runtime's other tasks go on.
pub fn waiting<T>(wait: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(wait),
        _ => wait(),
    }
}

/// An exit status with both outputs, for messages.
pub fn told(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A port that nobody listens on, below those that the kernel gives to outgoing connections, so
/// that a node that was killed finds it free again.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id() % 1_000).unwrap() * 10;
    for _ in 0..10_000 {
        let port = 20_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("there's no free port");
}

/// All tests read one copy of the model: it is large.
fn models_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("e2e-models")
}

fn install_model(home: &Home, models: &Path) -> Option<()> {
    let Some(file) = model_file() else {
        loudly(&format!(
            "skipped: {MODEL_FILE} isn't here; run `freehold model pull`, or set FREEHOLD_TEST_MODEL to its path"
        ));
        return None;
    };
    fs::create_dir_all(models).unwrap();
    let lock = File::create(models.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    home.ok(&["model", "pull", "--from", file.to_str().unwrap()]);
    Some(())
}

fn model_file() -> Option<PathBuf> {
    let below = |variable: &str, default: &str, path: &str| {
        let dir = env::var_os(variable).map(PathBuf::from);
        let dir = dir.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(default)));
        dir.map(|dir| dir.join(path))
    };
    let cached = format!("freehold/models/{MODEL_FILE}");
    let stored = "freehold/models/smollm2-135m-instruct/model.gguf";
    [
        env::var_os("FREEHOLD_TEST_MODEL").map(PathBuf::from),
        below("XDG_CACHE_HOME", ".cache", &cached),
        below("XDG_DATA_HOME", ".local/share", stored),
    ]
    .into_iter()
    .flatten()
    .find(|path| path.is_file())
}
