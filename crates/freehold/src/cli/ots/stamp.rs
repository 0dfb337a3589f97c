//! `freehold stamp`

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use clap::builder::FalseyValueParser;
use node::stamps::{
    CalendarAnswer, DEFAULT_CALENDARS, DetachedProof, Digester, StampOptions, Subject, Whitelist,
    read_proof, replace_proof, stamp, stamp_files, upgrade_proof,
};
use serde_json::{Value, json};

use super::flags::{UPGRADE_TIMEOUT, WAIT_PAUSE, bar};
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
    /// A calendar to stamp at, instead of the four public ones. May be repeated
    #[arg(
        short,
        long,
        env = "FREEHOLD_STAMP_CALENDAR",
        hide_env = true,
        value_name = "URL"
    )]
    #[arg(value_delimiter = ',')]
    calendar: Vec<String>,
    /// How many calendars have to answer [default: 2, or all if fewer are named]
    #[arg(short, env = "FREEHOLD_STAMP_M", hide_env = true, value_name = "COUNT")]
    m: Option<usize>,
    /// Seconds that a calendar may take
    #[arg(
        long,
        env = "FREEHOLD_STAMP_TIMEOUT",
        hide_env = true,
        value_name = "SECONDS"
    )]
    #[arg(default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    timeout: u64,
    /// Wait until the proofs are complete, which takes hours
    #[arg(short, long, env = "FREEHOLD_STAMP_WAIT", hide_env = true)]
    #[arg(value_parser = FalseyValueParser::new())]
    wait: bool,
}

impl StampArgs {
    fn options(&self) -> Result<StampOptions> {
        let calendars = match self.calendar.is_empty() {
            true => DEFAULT_CALENDARS.map(str::to_owned).to_vec(),
            false => self.calendar.clone(),
        };
        let needed = self.m.unwrap_or(calendars.len().min(2));
        if needed == 0 || needed > calendars.len() {
            return Err(Failure::user(
                "usage",
                format!(
                    "-m {needed} of {} calendars makes no sense",
                    calendars.len()
                ),
                "-m is at least 1, and at most the number of calendars",
            ));
        }
        Ok(StampOptions {
            calendars,
            needed,
            timeout: Duration::from_secs(self.timeout),
        })
    }
}

pub async fn run(context: &Context, args: StampArgs) -> Result<()> {
    let options = args.options()?;
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
    if args.wait {
        for file in &files {
            wait_for(output, &file.proof, options).await?;
        }
    }
    if output.json {
        let files = files
            .iter()
            .map(|f| json!({"file": f.file, "proof": f.proof}));
        return output.json(&json!({
            "files": files.collect::<Vec<Value>>(),
            "calendars": answered(&answers),
            "is_complete": args.wait,
        }));
    }
    for file in &files {
        output.line(&file.proof.display().to_string())?;
    }
    let next = if args.wait {
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
    if args.wait {
        complete(output, &mut proof, options).await?;
    }
    let bytes = proof.to_bytes().map_err(node::stamps::StampError::from);
    let bytes = bytes.map_err(node::NodeError::from)?;
    match &args.output {
        Some(path) => {
            let mut file = std::fs::File::create_new(path)
                .map_err(|error| Failure::file("create", path, &error))?;
            std::io::Write::write_all(&mut file, &bytes)
                .and_then(|()| file.sync_all())
                .map_err(|error| Failure::file("write", path, &error))?;
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
    complete(output, &mut proof, options).await?;
    Ok(replace_proof(path, &proof).map_err(node::NodeError::from)?)
}

async fn complete(output: Output, proof: &mut DetachedProof, options: &StampOptions) -> Result<()> {
    // The promises are by those who were asked, under whatever name they give themselves.
    let whitelist = Whitelist::new(&options.calendars, true);
    let digest = proof.digest().to_vec();
    loop {
        let upgraded = upgrade_proof(
            &digest,
            proof.timestamp_mut(),
            &[],
            &whitelist,
            UPGRADE_TIMEOUT,
        );
        let upgraded = upgraded.await.map_err(node::NodeError::from)?;
        if upgraded.is_complete {
            return Ok(());
        }
        output.note("not yet; asking again in a while");
        tokio::time::sleep(WAIT_PAUSE).await;
    }
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
pub(super) fn note_failures(output: Output, answers: &[CalendarAnswer]) {
    for answer in answers {
        if let Some(error) = &answer.error {
            output.note(&format!("{}: {error}", answer.calendar));
        }
    }
}

pub(super) fn answered(answers: &[CalendarAnswer]) -> Vec<Value> {
    let each = answers
        .iter()
        .map(|answer| json!({"calendar": answer.calendar, "error": answer.error}));
    each.collect()
}
