//! `freehold receipt`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};
use node::VerifiedReceipt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Context;
use super::table::{pairs, table};
use crate::client::{Client, escape};
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::{sse, when};

/// What to do with receipts.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// List the newest receipts, issued and received
    List {
        /// How many
        #[arg(
            long,
            env = "FREEHOLD_RECEIPT_LIMIT",
            hide_env = true,
            value_name = "COUNT"
        )]
        #[arg(default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Print a receipt's proof: the file to keep
    Show {
        /// A receipt's or a payment's
        id: String,
    },
    /// Write a receipt as two files that every OpenTimestamps client can check
    Export {
        /// A receipt's or a payment's
        id: String,
        /// Where to: `ID.txt` is the receipt's statement, `ID.txt.ots` its proof
        #[arg(default_value = ".")]
        dir: PathBuf,
    },
    /// Check a receipt; a file is checked without any node
    Verify(VerifyArgs),
}

/// What to check, and against what.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The proof's file (`-` for standard input), or the id of a receipt or payment of this node
    #[arg(value_name = "ID|FILE")]
    receipt: String,
    /// The identity that the seller must have, in its one line [default: none; for an id, this
    /// node's if it issued the receipt]
    #[arg(
        long,
        env = "FREEHOLD_RECEIPT_KEY",
        hide_env = true,
        value_name = "IDENTITY"
    )]
    key: Option<String>,
    /// Check that the receipt is about this answer: its text, or the body that `fetch -o` wrote
    #[arg(
        long,
        env = "FREEHOLD_RECEIPT_ANSWER",
        hide_env = true,
        value_name = "FILE"
    )]
    answer: Option<PathBuf>,
    /// Check that the receipt is about this request
    #[arg(
        long,
        env = "FREEHOLD_RECEIPT_REQUEST",
        hide_env = true,
        value_name = "FILE"
    )]
    request: Option<PathBuf>,
}

impl ReceiptCommand {
    /// Whether it needs no node.
    pub fn is_offline(&self) -> bool {
        match self {
            Self::Verify(args) => args.receipt == "-" || Path::new(&args.receipt).is_file(),
            _ => false,
        }
    }
}

pub fn offline(context: &Context, command: ReceiptCommand) -> Result<()> {
    let ReceiptCommand::Verify(args) = command else {
        return Ok(());
    };
    let proof = match args.receipt.as_str() {
        "-" => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().read_to_end(&mut bytes).map(|_| bytes);
            read.map_err(|e| Failure::file("read", Path::new("standard input"), &e))?
        }
        path => read(Path::new(path))?,
    };
    verify(context.output, &proof, &args, args.key.as_deref())
}

pub async fn run(output: Output, client: &Client, command: ReceiptCommand) -> Result<()> {
    match command {
        ReceiptCommand::List { limit } => {
            let receipts = client.get(&format!("/api/receipts?limit={limit}")).await?;
            output.show(receipts, listed)
        }
        // The proof is JSON either way.
        ReceiptCommand::Show { id } => output.json(&proof(client, &id).await?),
        ReceiptCommand::Export { id, dir } => export(output, &proof(client, &id).await?, &dir),
        ReceiptCommand::Verify(args) => {
            let proof = proof(client, &args.receipt)
                .await
                .map_err(|failure| hinted(failure, &args))?;
            let own = client.get("/api/receipt-key").await?;
            let is_own = proof["signed_receipt"]["receipt"]["node"] == own["key"];
            let own = own["key"].as_str().filter(|_| is_own);
            let key = args.key.as_deref().or(own);
            verify(output, proof.to_string().as_bytes(), &args, key)
        }
    }
}

async fn proof(client: &Client, id: &str) -> Result<Value> {
    client.get(&format!("/api/receipts/{}", escape(id))).await
}

fn export(output: Output, proof: &Value, dir: &Path) -> Result<()> {
    let exported = node::export_receipt(proof.to_string().as_bytes())?;
    let text = dir.join(format!("{}.txt", exported.name));
    let ots = dir.join(format!("{}.txt.ots", exported.name));
    write(&text, exported.statement.as_bytes())?;
    write(&ots, &exported.ots)?;
    if output.json {
        return output.json(&json!({"statement": text, "ots": ots, "anchor": exported.anchor}));
    }
    output.line(&format!(
        "{}\n{}\n\nthe anchor: {}",
        text.display(),
        ots.display(),
        exported.anchor
    ))
}

/// What isn't found may have been meant as a file.
fn hinted(failure: Failure, args: &VerifyArgs) -> Failure {
    if failure.code != "not_found" {
        return failure;
    }
    let hint = format!(
        "`freehold receipt list` shows them; there's no file {} either",
        args.receipt
    );
    Failure { hint, ..failure }
}

fn verify(output: Output, proof: &[u8], args: &VerifyArgs, key: Option<&str>) -> Result<()> {
    let answer = args.answer.as_deref().map(read).transpose()?;
    let answer = answer.map(|body| spoken(&body).map_or(body, String::into_bytes));
    let request = args.request.as_deref().map(read).transpose()?;
    let verified = node::verify_receipt(proof, key, answer.as_deref(), request.as_deref())?;
    if output.json {
        return output.json(&json!(verified));
    }
    let verdict = match key {
        Some(_) => "the receipt is genuine",
        None => "the receipt is whole; --key tells whether it is the right node's",
    };
    output.line(&described(&verified, verdict))
}

pub(super) fn described(verified: &VerifiedReceipt, verdict: &str) -> String {
    let time_ms = i64::try_from(verified.time_unix_ms).unwrap_or(i64::MAX);
    let head = pairs(&[
        ("receipt", verified.id.clone()),
        ("model", verified.model.clone()),
        ("price", format!("{} sat", verified.price_sat)),
        ("time", when::utc(time_ms)),
        ("node", verified.node.clone()),
        ("anchor", verified.anchoring.words()),
    ]);
    let checks = verified.checks.iter().map(|check| format!("\n✓ {check}"));
    let warnings = verified
        .warnings
        .iter()
        .map(|warning| format!("\n! {warning}"));
    let lines: String = checks.chain(warnings).collect();
    format!("{head}\n{lines}\n\n{verdict}")
}

/// A line of the list.
#[derive(Debug, Deserialize)]
struct Line {
    id: String,
    model: String,
    price_sat: u64,
    time_unix_ms: i64,
    received: bool,
}

fn listed(receipts: Vec<Line>) -> String {
    if receipts.is_empty() {
        return "no receipts yet".into();
    }
    let row = |receipt: &Line| {
        [
            receipt.id.clone(),
            when::utc(receipt.time_unix_ms),
            receipt.price_sat.to_string(),
            receipt.model.clone(),
            if receipt.received {
                "received"
            } else {
                "issued"
            }
            .to_owned(),
        ]
    };
    let rows = receipts.iter().map(row).collect();
    table(["id", "time", "sat", "model", "kind"], rows)
}

/// The text in a whole or a streamed chat completion: what a receipt speaks of, in whatever form
/// the answer was sent.
fn spoken(body: &[u8]) -> Option<String> {
    if let Ok(whole) = serde_json::from_slice::<Value>(body) {
        return whole["choices"][0]["message"]["content"]
            .as_str()
            .map(str::to_owned);
    }
    let chunks = sse::Reader::default().push(&Bytes::copy_from_slice(body));
    let chunks: Vec<Value> = chunks
        .iter()
        .filter_map(|chunk| serde_json::from_str(chunk).ok())
        .collect();
    let texts = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    (!chunks.is_empty()).then(|| texts.collect())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).map_err(|error| Failure::file("write", path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_in_whatever_form_it_was_sent() {
        let whole = br#"{"choices":[{"message":{"content":"Hi you"}}]}"#;
        let streamed = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hi \"}}]}\n\n\
            data: {\"choices\":[{\"delta\":{\"content\":\"you\"}}]}\n\n\
            data: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n";
        assert_eq!(spoken(whole).as_deref(), Some("Hi you"));
        assert_eq!(spoken(streamed).as_deref(), Some("Hi you"));
        assert_eq!(spoken(b"Hi you"), None);
        assert_eq!(spoken(b"{}"), None);
    }
}
