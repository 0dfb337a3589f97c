//! `freehold git extract`

use std::path::PathBuf;

use clap::Args;
use node::NodeError;
use node::stamps::write_proof;
use serde_json::json;

use super::here;
use crate::cli::Context;
use crate::failure::Result;

/// Of which file to write the proof.
#[derive(Debug, Args)]
pub struct ExtractArgs {
    /// The file, as it was in the commit
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// Where the proof goes [default: PATH.ots]
    #[arg(value_name = "OUT.ots")]
    proof: Option<PathBuf>,
    /// The timestamped commit or tag
    #[arg(long, env = "FREEHOLD_GIT_COMMIT", hide_env = true, value_name = "REV")]
    #[arg(default_value = "HEAD")]
    commit: String,
}

pub async fn run(context: &Context, args: ExtractArgs) -> Result<()> {
    let output = context.output;
    let (rev, path) = (args.commit, args.path.clone());
    let proof = here(move |repository| repository.file_proof(&rev, &path)).await?;
    let beside = || {
        let mut name = args.path.clone().into_os_string();
        name.push(".ots");
        PathBuf::from(name)
    };
    let path = args.proof.unwrap_or_else(beside);
    write_proof(&path, &proof).map_err(NodeError::from)?;
    if output.json {
        let digest = hex::encode(proof.digest());
        return output.json(&json!({"file": args.path, "proof": path, "digest": digest}));
    }
    output.line(&path.display().to_string())
}
