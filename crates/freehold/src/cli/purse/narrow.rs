//! `freehold purse narrow`: makes a token that may do less. Needs no node.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::policy::NarrowFlags;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// More than any token has.
const TOKEN_BYTES_MAX: u64 = 16 * 1_024;

/// What to take away from a token.
#[derive(Debug, Args)]
pub struct NarrowArgs {
    /// The file with the token; `-` reads it from standard input
    #[arg(long, env = "FREEHOLD_PURSE_TOKEN_FILE", hide_env = true)]
    #[arg(value_name = "FILE", default_value = "-")]
    token_file: PathBuf,
    #[command(flatten)]
    flags: NarrowFlags,
}

pub fn run(output: Output, args: &NarrowArgs) -> Result<()> {
    let token = read(&args.token_file)?;
    let token = node::narrow_token(token.trim(), &args.flags.narrowed())?;
    if output.json {
        return output.json(&json!({ "token": token }));
    }
    output.line(&token)
}

fn read(path: &Path) -> Result<String> {
    let failed = |error: io::Error| Failure::file("read", path, &error);
    let source: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(failed)?),
    };
    let mut text = String::new();
    source
        .take(TOKEN_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}
