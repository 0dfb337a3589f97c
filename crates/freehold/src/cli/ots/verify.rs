//! `freehold verify`

use std::fs::File;
use std::path::{Path, PathBuf};

use clap::Args;
use node::NodeError;
use node::stamps::{
    Attestations, DetachedProof, Found, StampError, read_proof, upgrade_proof, verify_proof,
};
use serde_json::json;

use super::flags::{ChainFlags, UPGRADE_TIMEOUT, WhitelistFlags, header_progress};
use crate::cli::{Context, answer};
use crate::failure::{Failure, Result};
use crate::output::Output;
use crate::when;

/// What to check.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// A proof (FILE.ots), a file that has one beside it, or an answer of this node's model
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file that was stamped [default: the proof's name without .ots]
    #[arg(
        short = 'f',
        long = "target",
        env = "FREEHOLD_VERIFY_FILE",
        hide_env = true
    )]
    #[arg(value_name = "FILE", conflicts_with = "digest")]
    target: Option<PathBuf>,
    /// The digest that was stamped, in hex
    #[arg(
        short = 'd',
        long = "hash",
        env = "FREEHOLD_VERIFY_DIGEST",
        hide_env = true
    )]
    #[arg(value_name = "HEX")]
    digest: Option<String>,
    #[command(flatten)]
    whitelist: WhitelistFlags,
    #[command(flatten)]
    chain: ChainFlags,
}

pub async fn run(context: &Context, args: VerifyArgs) -> Result<()> {
    let is_proof = args.file.extension().is_some_and(|end| end == "ots");
    let beside = with_ots(&args.file);
    let (proof, target) = if is_proof {
        (args.file.clone(), args.file.with_extension(""))
    } else if beside.exists() {
        (beside, args.file.clone())
    } else if args.target.is_some() || args.digest.is_some() {
        // With the stamped file named, this must be the proof, whatever it is called.
        (args.file.clone(), PathBuf::new())
    } else {
        return answer::verify(context, &args.file, &args.chain).await;
    };
    let mut proof = read_proof(&proof).map_err(NodeError::from)?;
    check_target(&proof, &args, &target)?;
    if !args.chain.offline {
        let digest = proof.digest().to_vec();
        let whitelist = args.whitelist.whitelist(&context.config);
        let asked = upgrade_proof(
            &digest,
            proof.timestamp_mut(),
            &[],
            &whitelist,
            UPGRADE_TIMEOUT,
        );
        // What is in the file counts whatever calendars say.
        asked.await.map_err(NodeError::from)?;
    }
    let options = args.chain.options(&context.config);
    let mut progress = header_progress(context.output);
    let found = verify_proof(proof.digest(), proof.timestamp(), &options, &mut progress);
    let found = found.await.map_err(NodeError::from)?;
    report(context.output, &found)
}

fn with_ots(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".ots");
    name.into()
}

/// Checks that the proof is about what the user has.
fn check_target(proof: &DetachedProof, args: &VerifyArgs, target: &Path) -> Result<()> {
    let digest = match &args.digest {
        Some(text) => hex::decode(text.trim())
            .map_err(|_| NodeError::from(StampError::BadDigest(text.clone())))?,
        None => {
            let path = args.target.as_deref().unwrap_or(target);
            let read =
                File::open(path).and_then(|mut file| proof.digester().digest_reader(&mut file));
            read.map_err(|error| {
                let hint = "name the file that was stamped with -f FILE, or its digest with -d HEX";
                let failure = Failure::file("read", path, &error);
                Failure {
                    hint: hint.into(),
                    ..failure
                }
            })?
        }
    };
    if digest != proof.digest() {
        let error = StampError::OtherFile {
            algorithm: proof.digester().name(),
            found: hex::encode(digest),
            expected: hex::encode(proof.digest()),
        };
        return Err(NodeError::from(error).into());
    }
    Ok(())
}

/// Says what was found. Success is a Bitcoin block, and nothing less.
pub fn report(output: Output, found: &Found) -> Result<()> {
    if output.json {
        output.json(&json!({"is_verified": found.best().is_some(), "findings": found.findings}))?;
    } else {
        for finding in &found.findings {
            output.line(&described(finding))?;
        }
    }
    if found.best().is_some() {
        return Ok(());
    }
    let is_false = |finding: &Attestations| matches!(finding, Attestations::False { .. });
    let is_promise = |finding: &Attestations| matches!(finding, Attestations::Pending { .. });
    Err(match found.trouble() {
        Some(why) if found.findings.iter().any(is_false) => Failure::user(
            "timestamp_false",
            why,
            "don't rely on it: the proof claims what isn't so",
        ),
        Some(why) => Failure::user(
            "not_verified",
            why,
            "name a source of block headers: --bitcoin-node, --esplora, --peer or --headers",
        ),
        None if !found.findings.iter().any(is_promise) => Failure::user(
            "not_verified",
            "nothing in this proof can be checked: no block attests it, and no calendar promised one",
            "stamp it at a calendar that anchors in Bitcoin",
        ),
        None => Failure::user(
            "not_verified",
            "no block attests it yet",
            "`freehold upgrade` asks the calendars; they anchor every few hours",
        ),
    })
}

pub fn described(finding: &Attestations) -> String {
    let utc = |time_unix_s: u64| when::utc(i64::try_from(time_unix_s * 1000).unwrap_or(i64::MAX));
    match finding {
        Attestations::Bitcoin {
            height,
            time_unix_s,
            block_hash,
            confirmations,
            by,
        } => format!(
            "Success! Bitcoin block {height} attests existence as of {}\n  \
             block {block_hash}, at least {confirmations} deep, by {by}",
            utc(*time_unix_s)
        ),
        Attestations::False { height, why } => format!("✗ Bitcoin block {height}: {why}"),
        Attestations::Unchecked { height, why } => format!("! Bitcoin block {height}: {why}"),
        Attestations::Pending { calendar } => format!("! promised by {calendar}"),
        Attestations::StandIn { time_unix_s } => format!(
            "! a stand-in of a play network, made {}: it proves nothing",
            utc(*time_unix_s)
        ),
        Attestations::Other { attestation } => format!("! can't be checked here: {attestation}"),
    }
}
