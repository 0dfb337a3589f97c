//! Other people's mints, measured in the same run with the same client.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const UP_WITHIN: Duration = Duration::from_secs(60);
/// Later releases of two of its dependencies break it.
const PACKAGES: [&str; 3] = ["cashu==0.19.2", "marshmallow<4", "limits<4"];

/// Nutshell's mint, at work.
pub struct Nutshell {
    child: Child,
    /// Where it is.
    pub url: String,
}

impl Drop for Nutshell {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Nutshell {
    /// From the Python package index, with its own fake backend.
    pub async fn start(scratch: &Path) -> Result<Self, String> {
        let place = scratch.join("nutshell");
        install(&place)?;
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = listener
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        drop(listener);
        let child = spawn(&place, port)?;
        let url = format!("http://127.0.0.1:{port}");
        let mut mint = Self { child, url };
        mint.wait().await?;
        Ok(mint)
    }

    async fn wait(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + UP_WITHIN;
        let http = reqwest::Client::builder().no_proxy().build();
        let http = http.map_err(|error| error.to_string())?;
        let info = format!("{}/v1/info", self.url);
        while http.get(&info).send().await.is_err() {
            if Instant::now() > deadline || self.child.try_wait().is_ok_and(|end| end.is_some()) {
                return Err("Nutshell doesn't start".into());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }
}

fn install(place: &Path) -> Result<(), String> {
    if place.join("bin/mint").exists() {
        return Ok(());
    }
    eprintln!("installing {} …", PACKAGES.join(", "));
    run(Command::new("python3").args(["-m", "venv"]).arg(place))?;
    run(Command::new(place.join("bin/pip"))
        .args(["install", "--quiet"])
        .args(PACKAGES))
}

fn spawn(place: &Path, port: u16) -> Result<Child, String> {
    let log = File::create(place.join("mint.log")).map_err(|error| error.to_string())?;
    let mint = Command::new(place.join("bin/mint"))
        .current_dir(place)
        .env("HOME", place)
        .env("MINT_BACKEND_BOLT11_SAT", "FakeWallet")
        .env("FAKEWALLET_BRR", "TRUE")
        .env("MINT_INPUT_FEE_PPK", "0")
        .env("MINT_PRIVATE_KEY", "bench")
        .env("MINT_DATABASE", place.join("data"))
        .env("MINT_LISTEN_HOST", "127.0.0.1")
        .env("MINT_LISTEN_PORT", port.to_string())
        .env("MINT_RATE_LIMIT", "FALSE")
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(|error| error.to_string())?)
        .stderr(log)
        .spawn();
    mint.map_err(|error| error.to_string())
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("{command:?}: {other:?}")),
    }
}
