//! `freehold stamp`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;
use node::stamps::{
    CalendarAnswer, Digester, StampOptions, Subject, read_proof, replace_proof, stamp, stamp_files,
    write_proof,
};
use serde_json::{Value, json};

use super::calendars::{CalendarFlags, complete};
use super::flags::bar;
use crate::cli::Context;
use crate::failure::{Failure, Result};
use crate::output::Output;

/// What to stamp, and where.
#[derive(Debug, Args)]
pub struct StampArgs {
    /// Files, or folders with files; `-` for standard input. Each proof is written beside its
    /// file as FILE.ots
    #[arg(value_name = "FILE", required_unless_present = "digest")]
    files: Vec<PathBuf>,
    /// Stamp this SHA-256 (64 hex digits) instead of a file
    #[arg(
        short,
        long,
        env = "FREEHOLD_STAMP_DIGEST",
        hide_env = true,
        value_name = "HEX"
    )]
    #[arg(conflicts_with = "files")]
    digest: Option<String>,
    /// Where the proof of a digest or of standard input goes [default: standard output]
    #[arg(
        short,
        long,
        env = "FREEHOLD_STAMP_OUTPUT",
        hide_env = true,
        value_name = "FILE"
    )]
    output: Option<PathBuf>,
    #[command(flatten)]
    calendars: CalendarFlags,
}

pub async fn run(context: &Context, args: StampArgs) -> Result<()> {
    let options = args.calendars.options(&context.config)?;
    let subject = match (&args.digest, args.files.as_slice()) {
        (Some(hex), _) => Some(digest_named(hex)?),
        (None, [only]) if only.as_os_str() == "-" => Some(digest_of_input()?),
        _ => None,
    };
    match subject {
        Some(digest) => stamp_one(context.output, &args, &options, digest).await,
        None => stamp_all(context.output, &args, &options).await,
    }
}

async fn stamp_all(output: Output, args: &StampArgs, options: &StampOptions) -> Result<()> {
    let bar = bar(output, "reading");
    let progress = |done: usize, all: usize| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
    };
    let (files, answers) = stamp_files(&args.files, options, rand::random, progress)
        .await
        .map_err(node::NodeError::from)?;
    bar.finish_and_clear();
    note_failures(output, &answers);
    if files.is_empty() {
        output.note("there is nothing to stamp: every file there has a proof");
    }
    if args.calendars.wait {
        for file in &files {
            wait_for(output, &file.proof(), options).await?;
        }
    }
    if output.json {
        let files = files
            .iter()
            .map(|f| json!({"file": f.file, "proof": f.proof()}));
        return output.json(&json!({
            "files": files.collect::<Vec<Value>>(),
            "calendars": answered(&answers),
            "is_complete": args.calendars.wait,
        }));
    }
    for file in &files {
        output.line(&file.proof().display().to_string())?;
    }
    let next = if args.calendars.wait {
        ""
    } else {
        "; `freehold upgrade` completes them in a few hours"
    };
    output.note(&format!("{} files stamped{next}", files.len()));
    Ok(())
}

async fn stamp_one(
    output: Output,
    args: &StampArgs,
    options: &StampOptions,
    digest: [u8; 32],
) -> Result<()> {
    let subject = Subject::new(digest, rand::random());
    let stamped = stamp(vec![subject], options)
        .await
        .map_err(node::NodeError::from)?;
    note_failures(output, &stamped.answers);
    let mut proof = stamped.proof(0).map_err(node::NodeError::from)?;
    if args.calendars.wait {
        let digest = proof.digest().to_vec();
        complete(output, &digest, proof.timestamp_mut(), options).await?;
    }
    let bytes = proof.to_bytes().map_err(node::stamps::StampError::from);
    let bytes = bytes.map_err(node::NodeError::from)?;
    match &args.output {
        Some(path) => {
            write_proof(path, &proof).map_err(node::NodeError::from)?;
            output.note(&format!("the proof is in {}", path.display()));
            Ok(())
        }
        None if std::io::IsTerminal::is_terminal(&std::io::stdout()) => Err(Failure::user(
            "output_missing",
            "a proof isn't for the terminal",
            "name a file with -o FILE, or send standard output to one",
        )),
        None => output.bytes(&bytes),
    }
}

/// Asks until the proof in this file is complete.
async fn wait_for(output: Output, path: &Path, options: &StampOptions) -> Result<()> {
    let mut proof = read_proof(path).map_err(node::NodeError::from)?;
    let digest = proof.digest().to_vec();
    complete(output, &digest, proof.timestamp_mut(), options).await?;
    Ok(replace_proof(path, &proof).map_err(node::NodeError::from)?)
}

fn digest_named(text: &str) -> Result<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text.trim(), &mut digest).map_err(|_| {
        let error = node::stamps::StampError::BadDigest(text.to_owned());
        Failure::from(node::NodeError::from(error))
    })?;
    Ok(digest)
}

fn digest_of_input() -> Result<[u8; 32]> {
    let mut digest = [0; 32];
    let bytes = Digester::Sha256
        .digest_reader(&mut std::io::stdin().lock().by_ref())
        .map_err(|error| Failure::file("read", Path::new("standard input"), &error))?;
    digest.copy_from_slice(&bytes);
    Ok(digest)
}

/// Enough calendars answered; which ones didn't may still be of interest.
pub fn note_failures(output: Output, answers: &[CalendarAnswer]) {
    for answer in answers {
        if let Some(error) = &answer.error {
            output.note(&format!("{}: {error}", answer.calendar));
        }
    }
}

pub fn answered(answers: &[CalendarAnswer]) -> Vec<Value> {
    let each = answers
        .iter()
        .map(|answer| json!({"calendar": answer.calendar, "error": answer.error}));
    each.collect()
}
