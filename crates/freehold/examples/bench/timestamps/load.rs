//! A calendar on one core, and a thousand clients on another.
//!
//! Rounds last a second, so a client that waits for its answer before it asks again asks once a
//! second: each client has a dozen requests under way, on as many connections. More than these
//! twelve thousand a second can't come of that, whatever the calendar bears; so the same is done
//! with rounds so short that nobody waits for them. The clients are this program once more, in a
//! process of their own.

use std::env;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Deserializer, Value, json};

use super::commands::peak;
use super::pinned;
use crate::house;
use crate::programs::{json_of, on_core};

pub const CLIENTS: usize = 1_000;
/// Requests that each client has under way.
const EACH: usize = 12;
const SECONDS: usize = 30;
/// A round that is too short to wait for, in seconds, and how long that is done.
const SHORT_ROUND: &str = "0.05";
const SHORT_SECONDS: usize = 10;

/// `freehold calendar` on the first core, killed when dropped.
pub struct Server {
    child: Child,
    url: String,
}

impl Server {
    pub fn start(program: &Path, dir: &Path, round_s: &str) -> Result<Self, String> {
        let mut command = house::settled(pinned(program), dir);
        command.args(["calendar", "--json", "--calendar-listen", "127.0.0.1:0"]);
        command.args(["--connections", "20000", "--round", round_s, "--dir"]);
        command.arg(dir);
        let child = command.stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("{command:?}: {error}"))?;
        let said = child
            .stdout
            .take()
            .and_then(|said| Deserializer::from_reader(said).into_iter().next());
        let mut server = Self {
            child,
            url: String::new(),
        };
        match said {
            Some(Ok::<Value, _>(said)) => {
                server.url = said["url"].as_str().unwrap_or_default().to_owned();
                Ok(server)
            }
            other => Err(format!("the calendar doesn't start: {other:?}")),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn measure(program: &Path, dir: &Path) -> Result<Value, String> {
    let mut seen = load(program, &dir.join("loaded"), "1", SECONDS)?;
    let short = load(program, &dir.join("rushed"), SHORT_ROUND, SHORT_SECONDS)?;
    seen["clients"] = json!(CLIENTS);
    seen["requests_each"] = json!(EACH);
    seen["short_rounds"] = short;
    Ok(seen)
}

fn load(program: &Path, dir: &Path, round_s: &str, seconds: usize) -> Result<Value, String> {
    let server = Server::start(program, dir, round_s)?;
    let address = server.url().trim_start_matches("http://");
    let itself = env::current_exe().map_err(|error| error.to_string())?;
    let mut crowd: Command = on_core(1, &itself);
    crowd.args(["--crowd", address]);
    for number in [CLIENTS * EACH, seconds, server.child.id() as usize] {
        crowd.arg(number.to_string());
    }
    let mut seen = json_of(&mut crowd)?;
    seen["round_s"] = json!(round_s);
    seen["peak_mib"] = json!(f64::from(peak(server.child.id()).unwrap_or(0)) / 1_024.0);
    Ok(seen)
}
