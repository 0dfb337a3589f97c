//! The chain, in a process of its own: `freehold-sandbox`, which stands beside this program.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use crate::boxed;
use crate::error::{NodeError, Result};

const PROGRAM: &str = "freehold-sandbox";
/// Replaying the blocks of a long story takes a while.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Mining a thousand blocks takes seconds.
const CALL_TIME_MAX: Duration = Duration::from_secs(60);
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
const URL_BYTES_MAX: u64 = 200;

/// A running chain. It ends when this is dropped, and also when this process is killed: it reads what nobody writes.
pub(super) struct Chain {
    process: Mutex<Child>,
    http: reqwest::Client,
    url: String,
}

impl Chain {
    /// Starts the chain in a folder, or goes on with the one that is there.
    #[boxed]
    pub async fn open(folder: &Path) -> Result<Self> {
        let program = std::env::current_exe().map_err(NodeError::file("finding this program"))?;
        let program = program.with_file_name(PROGRAM);
        let mut process = Command::new(&program)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(NodeError::file(format!("starting {}", program.display())))?;
        let silent = || NodeError::Sandbox("it didn't start".into());
        let output = process.stdout.take().ok_or_else(silent)?;
        let mut url = String::new();
        let mut lines = BufReader::new(output.take(URL_BYTES_MAX));
        let line = tokio::time::timeout(START_TIME_MAX, lines.read_line(&mut url)).await;
        line.map_err(|_| silent())?
            .map_err(NodeError::file(format!("starting {}", program.display())))?;
        if url.is_empty() {
            return Err(silent());
        }
        Ok(Self {
            process: Mutex::new(process),
            // A proxy has no business between two processes of one machine.
            http: reqwest::Client::builder()
                .no_proxy()
                .timeout(CALL_TIME_MAX)
                .build()
                .map_err(|error| NodeError::Sandbox(error.to_string()))?,
            url: url.trim().to_owned(),
        })
    }

    /// Where its Esplora server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends it, and waits until it is gone.
    #[boxed]
    pub async fn stop(&self) {
        let mut process = self.process.lock().await;
        drop(process.stdin.take());
        // If it doesn't go by itself, it is killed when this is dropped.
        let _ = tokio::time::timeout(STOP_TIME_MAX, process.wait()).await;
    }

    #[boxed]
    pub async fn height(&self) -> Result<u32> {
        let height = self.call("getblockcount", json!([])).await?;
        Ok(height.as_u64().and_then(|n| n.try_into().ok()).unwrap_or(0))
    }

    /// Whether anything waits for a block.
    #[boxed]
    pub async fn is_waiting(&self) -> Result<bool> {
        let waiting = self.call("getrawmempool", json!([])).await?;
        Ok(waiting
            .as_array()
            .is_some_and(|waiting| !waiting.is_empty()))
    }

    #[boxed]
    pub async fn mine(&self, blocks: u32) -> Result<()> {
        self.call("sandbox_mine", json!([blocks])).await.map(drop)
    }

    #[boxed]
    pub async fn reorg(&self, depth_blocks: u32) -> Result<()> {
        let params = json!([depth_blocks]);
        self.call("sandbox_reorg", params).await.map(drop)
    }

    /// Pays to an address; the transaction, which waits for a block.
    #[boxed]
    pub async fn fund(&self, address: &str, amount_sat: u64) -> Result<String> {
        let txid = self
            .call("sandbox_fund", json!([address, amount_sat]))
            .await?;
        Ok(txid.as_str().unwrap_or_default().to_owned())
    }

    async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let failed = |error: reqwest::Error| NodeError::Sandbox(error.to_string());
        let call = json!({"id": 0, "method": method, "params": params});
        let answer = self.http.post(&self.url).json(&call).send().await;
        let mut answer: Value = answer.map_err(failed)?.json().await.map_err(failed)?;
        match answer["error"]["message"].as_str() {
            Some(message) => Err(NodeError::Sandbox(message.to_owned())),
            None => Ok(answer["result"].take()),
        }
    }
}
