//! `freehold git upgrade`

use clap::Args;
use node::NodeError;
use node::stamps::upgrade_proof;
use serde_json::json;

use super::{here, proof_of};
use crate::cli::Context;
use crate::cli::ots::{UPGRADE_TIMEOUT, WhitelistFlags, answered, note_failures};
use crate::failure::{Failure, Result};

/// Which timestamp to complete.
#[derive(Debug, Args)]
pub struct UpgradeArgs {
    /// A commit or tag. A signature can't be changed: what completes its timestamp goes into the
    /// note
    #[arg(value_name = "REV", default_value = "HEAD")]
    rev: String,
    #[command(flatten)]
    whitelist: WhitelistFlags,
}

pub async fn run(context: &Context, args: UpgradeArgs) -> Result<()> {
    let output = context.output;
    let (object, mut proof) = proof_of(args.rev).await?;
    let (id, place) = (object.id.to_string(), proof.place.name());
    let message = proof.message;
    let whitelist = args.whitelist.whitelist(&context.config);
    let upgraded = upgrade_proof(
        &message,
        &mut proof.timestamp,
        &[],
        &whitelist,
        UPGRADE_TIMEOUT,
    );
    let upgraded = upgraded.await.map_err(NodeError::from)?;
    note_failures(output, &upgraded.answers);
    if upgraded.is_changed {
        here(move |repository| repository.replace_proof(&object, &proof)).await?;
    }
    if output.json {
        output.json(&json!({
            "id": id, "place": place, "is_complete": upgraded.is_complete,
            "is_changed": upgraded.is_changed, "calendars": answered(&upgraded.answers),
        }))?;
    } else if upgraded.is_complete {
        output.line(&format!("{id}: complete"))?;
    }
    match upgraded.is_complete {
        true => Ok(()),
        false => Err(Failure::user(
            "not_complete",
            format!("the timestamp of {id} is not complete yet"),
            "calendars anchor every few hours: ask again later",
        )),
    }
}
