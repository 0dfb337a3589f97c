//! `freehold git gpg`

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use node::NodeError;
use node::stamps::git::{Armored, MAX_OBJECT_BYTES, run_gpg, sign, signed_message};
use node::stamps::{StampError, StampOptions, Subject, stamp};

use super::verify::VerifyFlags;
use super::{failure, here};
use crate::cli::Context;
use crate::cli::ots::{CalendarFlags, complete, described, note_failures};
use crate::failure::{Failure, Result};

/// What git wants of gpg, and what we do about it.
#[derive(Debug, Args)]
pub struct GpgArgs {
    /// The gpg that signs and verifies
    #[arg(long, env = "FREEHOLD_GIT_GPG_PROGRAM", hide_env = true)]
    #[arg(value_name = "PROGRAM", default_value = "gpg")]
    gpg_program: PathBuf,
    /// Gpg's arguments. `-bsau KEY` signs standard input, `--verify FILE -` verifies it, and all
    /// others are for gpg alone
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<OsString>,
    #[command(flatten)]
    calendars: CalendarFlags,
    #[command(flatten)]
    verify: VerifyFlags,
}

pub async fn run(context: &Context, args: GpgArgs) -> Result<()> {
    if args.args.iter().any(|arg| arg == "-bsau") {
        return sign_and_stamp(context, args).await;
    }
    let payload = match file_to_verify(&args.args) {
        None => None,
        Some(file) => {
            let payload = all_of(std::io::stdin().lock(), Path::new("standard input"))?;
            // Whoever asks for the signature gets to hear of it, whatever the timestamp is worth.
            if let Err(failure) = tell(context, &args, Path::new(file), &payload).await {
                context
                    .output
                    .note(&format!("OpenTimestamps: {}", failure.message));
            }
            Some(payload)
        }
    };
    blocking(move || Ok(run_gpg(&args.gpg_program, &args.args, payload.as_deref())?)).await
}

/// The file after `--verify`, if what was signed is standard input.
fn file_to_verify(args: &[OsString]) -> Option<&OsString> {
    let at = args.iter().position(|arg| arg == "--verify")?;
    match args.get(at + 1..)? {
        [file, input] if input == "-" => Some(file),
        _ => None,
    }
}

async fn sign_and_stamp(context: &Context, args: GpgArgs) -> Result<()> {
    let options = args.calendars.options(&context.config)?;
    let payload = all_of(std::io::stdin().lock(), Path::new("standard input"))?;
    let (program, gpg_args) = (args.gpg_program, args.args);
    let signed = blocking(move || {
        let signature = sign(&program, &gpg_args, &payload)?;
        Ok((payload, signature))
    });
    let (payload, mut signature) = signed.await?;
    // Git also has pushes signed, and those have no place for a timestamp.
    if payload.starts_with(b"tree ") || payload.starts_with(b"object ") {
        let is_awaited = args.calendars.wait;
        signature.extend(text_for(context, payload, &signature, &options, is_awaited).await?);
    } else {
        let note = "neither a commit nor a tag: signed, but not timestamped";
        context.output.note(note);
    }
    context.output.bytes(&signature)
}

/// The timestamp of an object and its signature, to stand behind it.
async fn text_for(
    context: &Context,
    payload: Vec<u8>,
    signature: &[u8],
    options: &StampOptions,
    is_awaited: bool,
) -> Result<Vec<u8>> {
    let message = signed_message(&payload, signature);
    let commitment = here(move |repository| repository.commitment(message, &payload)).await?;
    let subject = Subject::new(commitment.digest(), rand::random());
    let stamped = stamp(vec![subject], options).await;
    let stamped = stamped.map_err(NodeError::from)?;
    note_failures(context.output, &stamped.answers);
    let proof = stamped.proof(0).map_err(NodeError::from)?;
    let mut timestamp = commitment.timestamp(proof.timestamp().clone());
    if is_awaited {
        complete(context.output, &message, &mut timestamp, options).await?;
    }
    let armored = Armored {
        minor_version: commitment.minor_version(),
        timestamp,
    };
    armored.to_text().map_err(|error| failure(error.into()))
}

/// Says what the timestamp in a signature proves. Standard output is gpg's.
async fn tell(context: &Context, args: &GpgArgs, file: &Path, payload: &[u8]) -> Result<()> {
    let output = context.output;
    let signature = File::open(file).map_err(|error| Failure::file("read", file, &error))?;
    let signature = all_of(signature, file)?;
    let found = Armored::read(payload, &signature).map_err(|error| failure(error.into()))?;
    let Some((message, armored)) = found else {
        output.note("OpenTimestamps: there is no timestamp");
        return Ok(());
    };
    let found = args.verify.check(context, &message, armored.timestamp);
    let found = found.await?;
    for finding in &found.findings {
        output.note(&format!("OpenTimestamps: {}", described(finding)));
    }
    if found.best().is_none() {
        output.note("OpenTimestamps: the time isn't proved");
    }
    Ok(())
}

fn all_of(input: impl Read, path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    input
        .take(MAX_OBJECT_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::file("read", path, &error))?;
    match bytes.len() <= MAX_OBJECT_BYTES {
        true => Ok(bytes),
        false => Err(failure(node::stamps::git::GitError::TooLong {
            what: path.display().to_string(),
            max: MAX_OBJECT_BYTES,
        })),
    }
}

/// Gpg may wait for a passphrase.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::result::Result<T, StampError> + Send + 'static,
) -> Result<T> {
    let result = tokio::task::spawn_blocking(work).await;
    let result = result.map_err(|error| Failure::ours("task_failed", error.to_string()))?;
    Ok(result.map_err(NodeError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &str, expected: Option<&str>) {
        let args: Vec<OsString> = args.split(' ').map(OsString::from).collect();
        assert_eq!(file_to_verify(&args), expected.map(OsString::from).as_ref());
    }

    #[test]
    fn what_git_wants_verified_is_found() {
        check(
            "--keyid-format=long --status-fd=1 --verify /tmp/x -",
            Some("/tmp/x"),
        );
        check("--verify /tmp/x", None);
        check("--verify /tmp/x /tmp/y", None);
        check("--list-keys", None);
    }
}
