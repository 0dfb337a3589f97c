//! `freehold git`: timestamps of commits and tags.
//!
//! `gpg` works as the reference's `ots-git-gpg-wrapper`, in the same format; the others keep
//! proofs of what isn't signed in git's notes.

mod extract;
mod gpg;
mod stamp;
mod upgrade;
mod verify;
mod wrapper;

use std::path::Path;

use clap::Subcommand;
use node::NodeError;
use node::stamps::StampError;
use node::stamps::git::{GitError, GitObject, GitProof, Repository, with_repository};

use super::Context;
use crate::failure::{Failure, Result};

/// What can be done with a repository.
#[derive(Debug, Subcommand)]
pub enum GitCommand {
    /// Timestamp a commit or tag that exists already; the proof goes into its note
    Stamp(stamp::StampArgs),
    /// Complete the timestamp of a commit or tag with what the calendars have made of it
    Upgrade(upgrade::UpgradeArgs),
    /// Check the timestamp of a commit or tag, in its signature or in its note
    Verify(verify::VerifyArgs),
    /// Write the proof of a single file of a timestamped commit or tag
    Extract(extract::ExtractArgs),
    /// Stand in for gpg: timestamp what git has signed, check it when git has it verified
    Gpg(gpg::GpgArgs),
    /// Print the script that `git config gpg.program` is to name
    Wrapper(wrapper::WrapperArgs),
}

pub async fn run(context: &Context, command: GitCommand) -> Result<()> {
    match command {
        GitCommand::Stamp(args) => stamp::run(context, args).await,
        GitCommand::Upgrade(args) => upgrade::run(context, args).await,
        GitCommand::Verify(args) => verify::run(context, args).await,
        GitCommand::Extract(args) => extract::run(context, args).await,
        GitCommand::Gpg(args) => gpg::run(context, args).await,
        GitCommand::Wrapper(args) => wrapper::run(context.output, &args),
    }
}

/// Does something with the repository that we are in.
async fn here<T: Send + 'static>(
    work: impl FnOnce(&mut Repository) -> std::result::Result<T, GitError> + Send + 'static,
) -> Result<T> {
    with_repository(Path::new("."), work).await.map_err(failure)
}

/// An object, and the proof of it.
async fn proof_of(rev: String) -> Result<(GitObject, GitProof)> {
    here(move |repository| {
        let object = repository.object(&rev)?;
        let proof = repository.proof(&object)?;
        Ok((object, proof))
    })
    .await
}

fn failure(error: GitError) -> Failure {
    NodeError::from(StampError::from(error)).into()
}
