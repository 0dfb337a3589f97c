//! `freehold upgrade`

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::FalseyValueParser;
use node::NodeError;
use node::stamps::{read_proof, replace_proof, upgrade_proof};
use serde_json::{Value, json};

use super::flags::{UPGRADE_TIMEOUT, WAIT_PAUSE, WhitelistFlags};
use super::stamp::{answered, note_failures};
use crate::cli::Context;
use crate::failure::{Failure, Result};

/// Which proofs to complete.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// Proofs. The one from before the first change is kept as FILE.bak
    #[arg(value_name = "FILE.ots", required = true)]
    files: Vec<PathBuf>,
    /// A calendar to ask instead of those that the proof names. May be repeated
    #[arg(
        short,
        long,
        env = "FREEHOLD_UPGRADE_CALENDAR",
        hide_env = true,
        value_name = "URL"
    )]
    #[arg(value_delimiter = ',')]
    calendar: Vec<String>,
    /// Ask, and change nothing
    #[arg(short = 'n', long, env = "FREEHOLD_UPGRADE_DRY_RUN", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    dry_run: bool,
    /// Go on asking until all are complete
    #[arg(short, long, env = "FREEHOLD_UPGRADE_WAIT", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    wait: bool,
    #[command(flatten)]
    whitelist: WhitelistFlags,
}

pub async fn run(context: &Context, args: UpgradeArgs) -> Result<()> {
    let output = context.output;
    let (mut reports, mut incomplete, mut failure) = (Vec::new(), 0, None);
    for path in &args.files {
        match upgrade(context, path, &args).await {
            Ok((report, is_complete)) => {
                incomplete += usize::from(!is_complete);
                reports.push(report);
            }
            // One bad proof doesn't keep the others from being completed.
            Err(error) if args.files.len() > 1 => {
                output.note(&format!("{}: {}", path.display(), error.message));
                failure = Some(error);
            }
            Err(error) => return Err(error),
        }
    }
    if output.json {
        output.json(&json!({ "files": reports }))?;
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    match incomplete {
        0 => Ok(()),
        _ => Err(Failure::user(
            "not_complete",
            format!(
                "{incomplete} of {} proofs are not complete yet",
                args.files.len()
            ),
            "calendars anchor every few hours: ask again later",
        )),
    }
}

async fn upgrade(context: &Context, path: &Path, args: &UpgradeArgs) -> Result<(Value, bool)> {
    let output = context.output;
    let mut proof = read_proof(path).map_err(NodeError::from)?;
    let digest = proof.digest().to_vec();
    let whitelist = args.whitelist.whitelist(&context.config);
    loop {
        let upgraded = upgrade_proof(
            &digest,
            proof.timestamp_mut(),
            &args.calendar,
            &whitelist,
            UPGRADE_TIMEOUT,
        );
        let upgraded = upgraded.await.map_err(NodeError::from)?;
        note_failures(output, &upgraded.answers);
        if upgraded.is_changed && !args.dry_run {
            replace_proof(path, &proof).map_err(NodeError::from)?;
        }
        if args.wait && !upgraded.is_complete {
            tokio::time::sleep(WAIT_PAUSE).await;
            continue;
        }
        let state = match (upgraded.is_complete, upgraded.is_changed) {
            (true, _) => "complete",
            (false, true) => "more complete than before",
            (false, false) => "not complete yet",
        };
        if !output.json {
            output.line(&format!("{}: {state}", path.display()))?;
        }
        let report = json!({
            "file": path, "is_complete": upgraded.is_complete, "is_changed": upgraded.is_changed,
            "calendars": answered(&upgraded.answers),
        });
        return Ok((report, upgraded.is_complete));
    }
}
