//! `freehold info`

use std::path::PathBuf;

use clap::Args;
use node::NodeError;
use node::stamps::{Attestation, StampError, Style, read_proof};
use serde_json::{Value, json};

use crate::cli::Context;
use crate::failure::Result;

/// Which proof to show.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// The proof. With -v, each operation's result is shown too
    #[arg(value_name = "FILE.ots")]
    file: PathBuf,
}

pub fn run(context: &Context, args: &InfoArgs) -> Result<()> {
    let proof = read_proof(&args.file).map_err(NodeError::from)?;
    let shown = |error| NodeError::from(StampError::from(error));
    if context.output.json {
        let attestations = proof.attestations().map_err(shown)?;
        let each = attestations
            .iter()
            .map(|(message, attestation)| described(message, attestation));
        return context.output.json(&json!({
            "algorithm": proof.digester().name(),
            "digest": hex::encode(proof.digest()),
            "attestations": each.collect::<Vec<Value>>(),
        }));
    }
    let style = Style {
        shows_results: context.verbose > 0,
    };
    let text = proof.describe(style).map_err(shown)?;
    context.output.line(text.trim_end())
}

fn described(message: &[u8], attestation: &Attestation) -> Value {
    let message = hex::encode(message);
    match attestation {
        Attestation::Pending(uri) => {
            json!({"kind": "pending", "calendar": uri.as_str(), "commitment": message})
        }
        Attestation::Bitcoin { height } => {
            json!({"kind": "bitcoin", "height": height, "merkle_root": message})
        }
        Attestation::Litecoin { height } => {
            json!({"kind": "litecoin", "height": height, "merkle_root": message})
        }
        Attestation::Ethereum { height } => {
            json!({"kind": "ethereum", "height": height, "message": message})
        }
        Attestation::Unknown { tag, payload } => json!({
            "kind": "unknown", "tag": hex::encode(tag), "payload": hex::encode(payload),
            "message": message,
        }),
    }
}
