//! A chain of the sandbox's, and a calendar whose wallet anchors in it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sandbox::Sandbox;
use sandbox::bitcoin::{Address, Transaction, Txid};

use crate::calendar::server::Calendar;

const WITHIN: Duration = Duration::from_secs(20);
const FUNDS_SAT: u64 = 100_000;

/// Both, with money in the calendar's wallet.
pub struct Chain {
    pub sandbox: Sandbox,
    pub calendar: Calendar,
}

impl Chain {
    /// Proofs are given out after one confirmation.
    pub fn start() -> Self {
        Self::with(&["--confirmations", "1"])
    }

    /// The same with other arguments.
    pub fn with(args: &[&str]) -> Self {
        let sandbox = Sandbox::start().unwrap();
        let url = sandbox.url();
        let mut all = vec!["--wallet", &url, "--calendar-chain", "regtest"];
        all.extend(["--interval", "1", "--tick", "0.1"]);
        all.extend(args);
        let calendar = Calendar::start(&all);
        let address = calendar.greeting()["status"]["address"].as_str().unwrap();
        let address: Address<_> = address.parse().unwrap();
        sandbox.fund(address.assume_checked(), FUNDS_SAT).unwrap();
        sandbox.mine(1).unwrap();
        Self { sandbox, calendar }
    }

    /// Arguments that have a proof checked against this chain's Esplora server.
    pub fn by_esplora(&self) -> Vec<String> {
        self.checked_by("--esplora")
    }

    /// The same with its Bitcoin RPC.
    pub fn by_node(&self) -> Vec<String> {
        self.checked_by("--bitcoin-node")
    }

    fn checked_by(&self, flag: &str) -> Vec<String> {
        let url = self.sandbox.url();
        ["--chain", "regtest", flag, &url]
            .map(str::to_owned)
            .to_vec()
    }

    /// What waits in the mempool, which must be one transaction and none of these.
    pub async fn next_tx(&self, known: &[Txid]) -> Transaction {
        let known: BTreeSet<&Txid> = known.iter().collect();
        let deadline = Instant::now() + WITHIN;
        loop {
            if let [only] = self.sandbox.mempool_txids().as_slice()
                && !known.contains(only)
            {
                return self.sandbox.transaction(only).unwrap();
            }
            assert!(
                Instant::now() < deadline,
                "no new transaction: {:?}",
                self.sandbox.mempool_txids()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for the calendar's transaction, has it mined, and goes on until nothing is pending; the
    /// height at the end.
    pub async fn anchor(&self) -> u32 {
        self.next_tx(&[]).await;
        let deadline = Instant::now() + WITHIN;
        loop {
            if !self.sandbox.mempool_txids().is_empty() {
                self.sandbox.mine(1).unwrap();
            }
            let status = self.calendar.status().await;
            if status["pending"] == 0 {
                return self.sandbox.tip().height;
            }
            assert!(Instant::now() < deadline, "never anchored: {status:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What a transaction pays for, which is what the rest of its money doesn't go to.
    pub fn fee_sat(&self, tx: &Transaction) -> u64 {
        let spent = tx.input.iter().map(|input| {
            let from = input.previous_output;
            let before = self.sandbox.transaction(&from.txid).unwrap();
            before.output[from.vout as usize].value.to_sat()
        });
        let paid = tx.output.iter().map(|output| output.value.to_sat());
        spent.sum::<u64>() - paid.sum::<u64>()
    }
}
