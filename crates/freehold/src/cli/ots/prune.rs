//! `freehold prune`

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use node::NodeError;
use node::stamps::{Discard, Pruned, StampError, Uri, read_proof, replace_proof, verify_proof};
use serde_json::json;

use super::flags::{ChainFlags, header_progress};
use crate::cli::Context;
use crate::failure::{Failure, Result};

/// Which proof to make smaller, and what may go.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// The proof. The one from before is kept as FILE.bak
    #[arg(value_name = "FILE.ots")]
    file: PathBuf,
    /// What may go: pending:*, pending:URL, btc, ltc or unknown. May be repeated
    #[arg(
        long,
        env = "FREEHOLD_PRUNE_DISCARD",
        hide_env = true,
        value_name = "NOTARY"
    )]
    #[arg(default_value = "pending:*", value_delimiter = ',', value_parser = discard)]
    discard: Vec<Discard>,
    /// Don't check Bitcoin's attestations first
    #[arg(long, env = "FREEHOLD_PRUNE_NO_VERIFY", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    no_verify: bool,
    #[command(flatten)]
    chain: ChainFlags,
}

fn discard(text: &str) -> Result<Discard, String> {
    match text {
        "btc" => Ok(Discard::Bitcoin),
        "ltc" => Ok(Discard::Litecoin),
        "unknown" => Ok(Discard::Unknown),
        "pending:*" => Ok(Discard::AllPending),
        other => other
            .strip_prefix("pending:")
            .and_then(|uri| Uri::new(uri).ok())
            .map(Discard::Pending)
            .ok_or_else(|| "one of pending:*, pending:URL, btc, ltc and unknown".to_owned()),
    }
}

pub async fn run(context: &Context, args: PruneArgs) -> Result<()> {
    let output = context.output;
    let mut proof = read_proof(&args.file).map_err(NodeError::from)?;
    if !args.no_verify {
        let options = args.chain.options(&context.config);
        let mut progress = header_progress(output);
        let found = verify_proof(proof.digest(), proof.timestamp(), &options, &mut progress);
        let found = found.await.map_err(NodeError::from)?;
        // All of them: what is pruned relies on the heights that the proof claims.
        if let Some(why) = found.trouble() {
            return Err(Failure::user(
                "not_verified",
                format!("an attestation can't be relied on: {why}"),
                "--no-verify prunes all the same",
            ));
        }
    }
    let refuse = |code: &'static str, why: &str, hint: &str| Err(Failure::user(code, why, hint));
    match proof.timestamp_mut().prune(&args.discard) {
        Pruned::Nothing => refuse(
            "nothing_left",
            "nothing would be left of the proof",
            "`freehold upgrade` it first, or discard less",
        ),
        Pruned::Unchanged => refuse(
            "nothing_to_prune",
            "there is nothing to leave out",
            "the proof is as small as it gets",
        ),
        Pruned::Smaller => {
            let bytes = proof
                .to_bytes()
                .map_err(StampError::from)
                .map_err(NodeError::from)?;
            replace_proof(&args.file, &proof).map_err(NodeError::from)?;
            let report = json!({"file": args.file, "bytes": bytes.len()});
            output.show(report, |_: serde_json::Value| {
                format!("{}: {} bytes now", args.file.display(), bytes.len())
            })
        }
    }
}
