//! The program as a node that is up.

use std::fs::{self, File};
use std::future::Future;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::home::waiting;
use super::{Home, Outsider, loudly};

/// Loading a model on a busy machine takes a while.
const UP_WITHIN: Duration = Duration::from_secs(60);
/// Answers under way may take ten seconds to finish.
const DOWN_WITHIN: Duration = Duration::from_secs(30);

/// A running node. Killed on drop; its log is shown if the test failed.
pub struct Node {
    home: Home,
    child: Mutex<Child>,
    args: Vec<String>,
}

impl Node {
    /// Starts `freehold up` in `home` and waits until it answers.
    pub async fn start(home: &Home) -> Self {
        Self::start_with(home, &[]).await
    }

    /// The same, with more arguments.
    pub async fn start_with(home: &Home, args: &[&str]) -> Self {
        let address = home.address();
        let args = [&["up", "--listen", &address], args].concat();
        let args: Vec<String> = args.into_iter().map(str::to_owned).collect();
        let node = Self {
            child: Mutex::new(spawn(home, &args)),
            home: home.clone(),
            args,
        };
        node.wait_until_up().await;
        node
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.home.url()
    }

    pub fn owner_token(&self) -> String {
        self.home.owner_token()
    }

    /// Runs the program to its end, in the node's home.
    pub fn cli(&self, args: &[&str]) -> Output {
        self.home.cli(args)
    }

    /// Runs the program with `--json`, which must succeed.
    pub fn json(&self, args: &[&str]) -> Value {
        self.home.json(args)
    }

    /// A purse's token, narrowed for somebody else, as anybody can do without the node.
    pub fn narrow(&self, token: &str, flags: &[&str]) -> String {
        let file = self.home.scratch().join("purse.token");
        fs::write(&file, token).unwrap();
        let narrow = ["purse", "narrow", "--token-file", file.to_str().unwrap()];
        let narrowed = self.json(&[&narrow[..], flags].concat());
        narrowed["token"].as_str().unwrap().to_owned()
    }

    /// A `cashuB` token of the node's mint, made by an outsider's wallet just for this.
    pub async fn play_token(&self, sat: u64) -> String {
        let outsider = Outsider::at(&self.url()).await;
        outsider.fund(sat).await;
        outsider.token(sat).await
    }

    /// The node's process.
    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Ends the node with SIGKILL, and waits until it is gone.
    pub fn kill9(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Starts the node again where it was (it must be gone: see [`Self::kill9`] and
    /// [`Self::stop`]), and waits until it answers.
    pub async fn restart(&self) {
        self.respawn();
        self.wait_until_up().await;
    }

    /// Starts the node again and waits for nothing.
    pub fn respawn(&self) {
        let mut child = self.child.lock().unwrap();
        assert!(child.try_wait().unwrap().is_some(), "the node is still up");
        *child = spawn(&self.home, &self.args);
    }

    /// Ends the node with SIGTERM; it must go in time, and without an error.
    pub fn stop(&self) {
        let mut child = self.child.lock().unwrap();
        let status = ended_by_term(&mut child, DOWN_WITHIN);
        assert!(status.success(), "the node stopped with {status}");
    }

    /// Waits until `/healthz` says that all is well.
    pub async fn wait_until_up(&self) {
        let url = format!("{}/healthz", self.url());
        let http = self.http();
        let deadline = Instant::now() + UP_WITHIN;
        loop {
            if let Ok(reply) = http.get(&url).send().await
                && reply.status().is_success()
            {
                return;
            }
            if let Some(status) = self.child.lock().unwrap().try_wait().unwrap() {
                panic!("the node ended at once: {status}\n{}", self.log());
            }
            assert!(
                Instant::now() < deadline,
                "the node isn't up\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    }

    /// What the node wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(log_file(&self.home)).unwrap_or_default()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(|e| e.into_inner());
        // Already gone is fine.
        let _ = child.kill();
        let _ = child.wait();
        if thread::panicking() {
            loudly(&format!("--- the node's log\n{}---", self.log()));
        }
    }
}

fn log_file(home: &Home) -> PathBuf {
    home.scratch().join("node.log")
}

fn spawn(home: &Home, args: &[String]) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_file(home))
        .unwrap();
    let mut command = home.command(args);
    command.env(
        "FREEHOLD_LOG",
        "warn,freehold=info,node=info,inference=info,wallet=info",
    );
    command
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Sends a signal to one process. `std` knows only SIGKILL.
pub fn signal(name: &str, pid: u32) {
    let status = Command::new("kill")
        .args([format!("-{name}"), pid.to_string()])
        .status();
    assert!(status.unwrap().success(), "kill -{name} {pid}");
}

/// Asks again and again until `condition` holds, for ten seconds at most.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut condition: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// Ends a program of ours with SIGTERM, in time; how it ended.
pub fn ended_by_term(child: &mut Child, within: Duration) -> ExitStatus {
    signal("TERM", child.id());
    let deadline = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "it doesn't stop");
        waiting(|| thread::sleep(Duration::from_millis(10)));
    }
}
