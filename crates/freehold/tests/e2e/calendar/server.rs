//! A calendar of the real program, in a home of its own.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Deserializer, Value};

use crate::common::{Home, PROGRAM, ended_by_term, loudly, waiting};

const DOWN_WITHIN: Duration = Duration::from_secs(15);
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// A running calendar. Killed on drop; its log is shown if the test failed.
pub struct Calendar {
    home: Home,
    args: Vec<String>,
    is_shielded: bool,
    child: Mutex<Child>,
    greeting: Value,
}

impl Calendar {
    /// Starts `freehold calendar` with short rounds and these arguments, and waits until it listens.
    pub fn start(args: &[&str]) -> Self {
        Self::new(args, false)
    }

    /// The same, not to be ended by the signal that says that a file is too large.
    pub fn shielded(args: &[&str]) -> Self {
        Self::new(args, true)
    }

    fn new(args: &[&str], is_shielded: bool) -> Self {
        let home = Home::without_model();
        let (listen, dir) = (home.address(), home.scratch().join("calendar"));
        let mut all = vec!["calendar", "--json", "--calendar-listen", &listen];
        all.extend(["--dir", dir.to_str().unwrap(), "--round", "0.2"]);
        // The last of a flag counts only if it stands once: a test may choose its own rounds.
        if args.contains(&"--round") {
            all.truncate(all.len() - 2);
        }
        all.extend(args);
        let args: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let mut child = spawn(&home, &args, is_shielded);
        let greeting = greeting(&mut child, &home);
        Self {
            home,
            args,
            is_shielded,
            child: Mutex::new(child),
            greeting,
        }
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.home.url()
    }

    /// What it printed when it first listened.
    pub fn greeting(&self) -> &Value {
        &self.greeting
    }

    /// A file of its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.home.scratch().join("calendar").join(name)
    }

    pub fn pid(&self) -> u32 {
        self.child().id()
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends it with SIGKILL, and waits until it is gone.
    pub fn kill9(&self) {
        let mut child = self.child();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Ends it with SIGTERM; it must go in time, and without an error.
    pub fn stop(&self) {
        let mut child = self.child();
        let status = ended_by_term(&mut child, DOWN_WITHIN);
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Starts it again where it was (it must be gone), and waits for nothing.
    pub fn respawn(&self) {
        let mut child = self.child();
        assert!(child.try_wait().unwrap().is_some(), "it is still up");
        *child = spawn(&self.home, &self.args, self.is_shielded);
    }

    /// Starts it again where it was, and waits until it listens.
    pub fn restart(&self) {
        self.respawn();
        greeting(&mut self.child(), &self.home);
    }

    /// `GET` of a path.
    pub async fn get(&self, path: &str) -> Response {
        let sent = http().get(format!("{}{path}", self.url())).send().await;
        sent.unwrap_or_else(|error| panic!("{path}: {error}\n{}", self.log()))
    }

    /// `POST /digest`.
    pub async fn post(&self, digest: Vec<u8>) -> Response {
        let request = http().post(format!("{}/digest", self.url())).body(digest);
        let sent = request.send().await;
        sent.unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// `GET /status`
    pub async fn status(&self) -> Value {
        self.get("/status").await.json().await.unwrap()
    }

    /// Waits until its status is such as this, and returns it.
    pub async fn until(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + ANSWER_WITHIN;
        loop {
            let status = self.status().await;
            if is_it(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "never: {what}: {status:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until an anchor holds everything.
    pub async fn until_anchored(&self) {
        let is_done = |status: &Value| status["pending"] == 0 && status["commitments"] != 0;
        self.until("everything is anchored", is_done).await;
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        fs::read_to_string(log_file(&self.home)).unwrap_or_default()
    }
}

impl Drop for Calendar {
    fn drop(&mut self) {
        {
            let mut child = self.child();
            // Already gone is fine.
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            loudly(&format!("--- the calendar's log\n{}---", self.log()));
        }
    }
}

/// A client that asks nobody's proxy.
pub fn http() -> Client {
    let builder = Client::builder().no_proxy().timeout(ANSWER_WITHIN);
    builder.build().unwrap()
}

fn log_file(home: &Home) -> PathBuf {
    home.scratch().join("calendar.log")
}

fn spawn(home: &Home, args: &[String], is_shielded: bool) -> Child {
    let log = File::options()
        .create(true)
        .append(true)
        .open(log_file(home))
        .unwrap();
    let mut command = home.command(args);
    if is_shielded {
        command = Command::new("sh");
        home.settle(&mut command);
        command.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", PROGRAM]);
        command.args(args);
    }
    command.stdout(Stdio::piped()).stderr(log).spawn().unwrap()
}

/// Waits for what it prints as soon as it listens.
fn greeting(child: &mut Child, home: &Home) -> Value {
    let stdout = child.stdout.take().unwrap();
    let said = waiting(|| Deserializer::from_reader(stdout).into_iter().next());
    match said {
        Some(Ok(greeting)) => greeting,
        other => panic!(
            "the calendar didn't start: {other:?}\n{}",
            fs::read_to_string(log_file(home)).unwrap_or_default()
        ),
    }
}
