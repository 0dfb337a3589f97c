//! `freehold git verify`

use clap::Args;
use node::NodeError;
use node::stamps::{Found, Timestamp, upgrade_proof, verify_proof};

use super::proof_of;
use crate::cli::Context;
use crate::cli::ots::{ChainFlags, UPGRADE_TIMEOUT, WhitelistFlags, header_progress, report};
use crate::failure::Result;

/// What to check.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A commit or tag. Who signed it is for `git verify-commit` and `git verify-tag` to check
    #[arg(value_name = "REV", default_value = "HEAD")]
    rev: String,
    #[command(flatten)]
    flags: VerifyFlags,
}

/// Whom to ask about a timestamp.
#[derive(Debug, Args)]
pub struct VerifyFlags {
    #[command(flatten)]
    whitelist: WhitelistFlags,
    #[command(flatten)]
    chain: ChainFlags,
}

impl VerifyFlags {
    /// What a timestamp proves, with what calendars know by now.
    pub async fn check(
        &self,
        context: &Context,
        message: &[u8],
        mut timestamp: Timestamp,
    ) -> Result<Found> {
        if !self.chain.offline {
            let whitelist = self.whitelist.whitelist(&context.config);
            let asked = upgrade_proof(message, &mut timestamp, &[], &whitelist, UPGRADE_TIMEOUT);
            // What is there already counts whatever calendars say.
            asked.await.map_err(NodeError::from)?;
        }
        let options = self.chain.options(&context.config);
        let mut progress = header_progress(context.output);
        let found = verify_proof(message, &timestamp, &options, &mut progress);
        Ok(found.await.map_err(NodeError::from)?)
    }
}

pub async fn run(context: &Context, args: VerifyArgs) -> Result<()> {
    let (object, proof) = proof_of(args.rev).await?;
    let place = proof.place.name();
    let (kind, id) = (object.kind.name(), object.id);
    context
        .output
        .note(&format!("{kind} {id}, by the timestamp in its {place}:"));
    let found = args.flags.check(context, &proof.message, proof.timestamp);
    report(context.output, &found.await?)
}
