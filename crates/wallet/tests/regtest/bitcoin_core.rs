//! `bitcoind -regtest`, driven by its own RPC: the chain's wallet is the miner.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sandbox::bitcoin::consensus::encode::deserialize_hex;
use sandbox::bitcoin::{Address, Amount, BlockHash, Transaction, Txid};
use serde_json::{Value, json};

use super::Tip;
use super::relay::{Relay, ask};

const USER: &str = "tester";
const PASSWORD: &str = "only-on-loopback";
const PATIENCE: Duration = Duration::from_secs(60);

pub struct BitcoinCore {
    pub relay: Relay,
    /// The miner's address.
    miner: String,
    port: u16,
    process: Mutex<Child>,
    folder: tempfile::TempDir,
}

impl BitcoinCore {
    /// A chain of 101 blocks, so that the miner has something to spend.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let process = spawn(&folder, port);
        std::fs::write(folder.path().join("login"), format!("{USER}:{PASSWORD}")).unwrap();
        let mut core = Self {
            relay: Relay::start(port),
            miner: String::new(),
            port,
            process: Mutex::new(process),
            folder,
        };
        core.until_up();
        core.ask("createwallet", json!(["miner"])).unwrap();
        let miner = core.ask("getnewaddress", json!([])).unwrap();
        core.miner = miner.as_str().unwrap().to_owned();
        core.mine(101).unwrap();
        core
    }

    /// The relay's address; the node's own is nobody's business.
    pub fn url(&self) -> String {
        self.relay.url()
    }

    /// A file with its `user:password`.
    pub fn login(&self) -> PathBuf {
        self.folder.path().join("login")
    }

    pub fn url_with_login(&self) -> String {
        format!("http://{USER}:{PASSWORD}@127.0.0.1:{}", self.relay.port())
    }

    pub fn tip(&self) -> Tip {
        let info = self.ask("getblockchaininfo", json!([])).unwrap();
        Tip {
            height: u32::try_from(info["blocks"].as_u64().unwrap()).unwrap(),
            hash: info["bestblockhash"].as_str().unwrap().parse().unwrap(),
        }
    }

    pub fn mine(&self, blocks: u32) -> Result<Vec<BlockHash>, String> {
        self.generate(&self.miner, blocks)
    }

    pub fn mine_to(&self, to: Address, blocks: u32) -> Result<Vec<BlockHash>, String> {
        self.generate(&to.to_string(), blocks)
    }

    fn generate(&self, to: &str, blocks: u32) -> Result<Vec<BlockHash>, String> {
        let mined = self.ask("generatetoaddress", json!([blocks, to]))?;
        let hashes = mined.as_array().into_iter().flatten();
        Ok(hashes.map(read).collect())
    }

    pub fn fund(&self, to: Address, amount_sat: u64) -> Result<Txid, String> {
        let amount_btc = Amount::from_sat(amount_sat).to_btc();
        let named = json!({
            "address": to.to_string(),
            "amount": amount_btc,
            "fee_rate": 2,
        });
        Ok(read(&self.ask("sendtoaddress", named)?))
    }

    /// What was in the abandoned blocks waits again.
    pub fn reorg(&self, depth: u32) -> Result<Vec<BlockHash>, String> {
        let first = self.tip().height + 1 - depth;
        let first = self.ask("getblockhash", json!([first]))?;
        self.ask("invalidateblock", json!([first]))?;
        let empty = || {
            let block = self.ask("generateblock", json!([self.miner, []]))?;
            Ok(read(&block["hash"]))
        };
        (0..=depth).map(|_| empty()).collect()
    }

    /// A node forgets all that waits when it starts anew.
    pub fn evict(&self, txid: &Txid) -> bool {
        let was_there = self.mempool_txids().contains(txid);
        self.ask("stop", json!([])).unwrap();
        let mut process = self.process.lock().unwrap();
        process.wait().unwrap();
        *process = spawn(&self.folder, self.port);
        drop(process);
        self.until_up();
        self.ask("loadwallet", json!(["miner"])).unwrap();
        was_there
    }

    pub fn mempool_txids(&self) -> Vec<Txid> {
        let waiting = self.ask("getrawmempool", json!([])).unwrap();
        waiting.as_array().into_iter().flatten().map(read).collect()
    }

    pub fn transaction(&self, txid: &Txid) -> Option<Transaction> {
        let raw = self.ask("getrawtransaction", json!([txid.to_string()]));
        deserialize_hex(raw.ok()?.as_str()?).ok()
    }

    pub fn confirmations(&self, txid: &Txid) -> Option<u32> {
        let shown = self.ask("getrawtransaction", json!([txid.to_string(), true]));
        let confirmations = shown.ok()?["confirmations"].as_u64();
        u32::try_from(confirmations.unwrap_or(0)).ok()
    }

    fn until_up(&self) {
        let start = Instant::now();
        while let Err(why) = self.ask("getblockcount", json!([])) {
            assert!(start.elapsed() < PATIENCE, "bitcoind doesn't answer: {why}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        let call = json!({"jsonrpc": "1.0", "id": 0, "method": method, "params": params});
        let (_, reply) = ask(self.port, USER, PASSWORD, call.to_string().as_bytes())?;
        let mut reply: Value = serde_json::from_slice(&reply).map_err(|why| why.to_string())?;
        match reply["error"].take() {
            Value::Null => Ok(reply["result"].take()),
            error => Err(error.to_string()),
        }
    }
}

impl Drop for BitcoinCore {
    fn drop(&mut self) {
        let process = self.process.get_mut().unwrap();
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn spawn(folder: &tempfile::TempDir, port: u16) -> Child {
    Command::new("bitcoind")
        .arg("-regtest")
        .arg(format!("-datadir={}", folder.path().display()))
        .arg(format!("-rpcport={port}"))
        .arg(format!("-rpcuser={USER}"))
        .arg(format!("-rpcpassword={PASSWORD}"))
        .args(["-server=1", "-listen=0", "-dnsseed=0", "-txindex=1"])
        .args([
            "-persistmempool=0",
            "-fallbackfee=0.00002",
            "-printtoconsole=0",
        ])
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn read<T: std::str::FromStr>(text: &Value) -> T
where
    T::Err: std::fmt::Debug,
{
    text.as_str().unwrap().parse().unwrap()
}
