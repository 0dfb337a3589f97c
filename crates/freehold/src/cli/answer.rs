//! `freehold verify FILE` for an answer of the node's model: whatever it says is in its log.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use node::NodeError;
use node::stamps::{Attestations, DetachedProof, StampError, verify_proof};
use serde_json::{Value, json};

use super::Context;
use super::ots::{ChainFlags, described, header_progress};
use super::receipt;
use crate::client::Client;
use crate::failure::{Failure, Result};

/// The longest answer that is looked for: no model says more.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;

pub async fn verify(context: &Context, file: &Path, chain: &ChainFlags) -> Result<()> {
    let mut answer = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(ANSWER_BYTES_MAX).read_to_end(&mut answer))
        .map_err(|error| Failure::file("read", file, &error))?;
    let client = Client::connect(&context.config).await?;
    let found = look_up(&client, &answer).await;
    let own = client.get("/api/receipt-key").await;
    client.close().await;
    let proof = found?.ok_or_else(|| unknown(file))?.to_string();
    let own = own?;
    let key = own["key"].as_str();
    let verified = node::verify_receipt(proof.as_bytes(), key, Some(&answer), None)?;
    let anchors = anchors(context, proof.as_bytes(), chain).await?;
    if context.output.json {
        return context
            .output
            .json(&json!({"receipt": verified, "anchors": anchors}));
    }
    let verdict = format!("{} is what this node's model said", file.display());
    context
        .output
        .line(&receipt::described(&verified, &verdict))?;
    for anchor in &anchors {
        context.output.line(&described(anchor))?;
    }
    Ok(())
}

/// The proof of the receipt about these bytes, if there is one.
async fn look_up(client: &Client, answer: &[u8]) -> Result<Option<Value>> {
    for digest in node::answer_digests(answer) {
        let path = format!("/api/receipts/by-answer/{digest}");
        match client.get(&path).await {
            Ok(proof) => return Ok(Some(proof)),
            Err(failure) if failure.code == "not_found" => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(None)
}

fn unknown(file: &Path) -> Failure {
    let file = file.display();
    Failure::user(
        "not_found",
        format!("there is no {file}.ots, and no answer of this node's model has these bytes"),
        "name the proof with `freehold verify PROOF.ots -f FILE`",
    )
}

/// What the log's anchor is worth, if it has one that can be checked.
async fn anchors(context: &Context, proof: &[u8], chain: &ChainFlags) -> Result<Vec<Attestations>> {
    let Ok(exported) = node::export_receipt(proof) else {
        return Ok(Vec::new());
    };
    let ots = DetachedProof::from_bytes(&exported.ots).map_err(StampError::from);
    let ots = ots.map_err(NodeError::from)?;
    let options = chain.options(&context.config);
    let mut progress = header_progress(context.output);
    let found = verify_proof(ots.digest(), ots.timestamp(), &options, &mut progress);
    Ok(found.await.map_err(NodeError::from)?.findings)
}
