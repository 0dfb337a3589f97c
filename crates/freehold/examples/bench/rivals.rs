//! Other people's mints, measured in the same run with the same client.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::swaps;

const UP_WITHIN: Duration = Duration::from_secs(60);
/// Later releases of two of its dependencies break it.
const PACKAGES: [&str; 3] = ["cashu==0.19.2", "marshmallow<4", "limits<4"];

struct Mint(Child);

impl Drop for Mint {
    fn drop(&mut self) {
        // Already gone is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nutshell, from the Python package index, with its own fake backend.
pub async fn nutshell(scratch: &Path) -> Result<Value, String> {
    let place = scratch.join("nutshell");
    eprintln!("installing {} …", PACKAGES.join(", "));
    run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
    run(Command::new(place.join("bin/pip"))
        .args(["install", "--quiet"])
        .args(PACKAGES))?;

    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let port = listener
        .local_addr()
        .map_err(|error| error.to_string())?
        .port();
    drop(listener);
    let log = File::create(place.join("mint.log")).map_err(|error| error.to_string())?;
    let mint = Command::new(place.join("bin/mint"))
        .current_dir(&place)
        .env("HOME", &place)
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
    let mut mint = Mint(mint.map_err(|error| error.to_string())?);
    let url = format!("http://127.0.0.1:{port}");
    let deadline = Instant::now() + UP_WITHIN;
    let http = reqwest::Client::builder().no_proxy().build();
    let http = http.map_err(|error| error.to_string())?;
    while http.get(format!("{url}/v1/info")).send().await.is_err() {
        if Instant::now() > deadline || mint.0.try_wait().is_ok_and(|end| end.is_some()) {
            return Err("Nutshell doesn't start".into());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(swaps::measure(&url).await)
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.stdout(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("{command:?}: {other:?}")),
    }
}
