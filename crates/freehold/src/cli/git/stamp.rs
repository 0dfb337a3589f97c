//! `freehold git stamp`

use clap::Args;
use node::NodeError;
use node::stamps::git::{Commitment, GitObject};
use node::stamps::{StampOptions, Subject, stamp};
use serde_json::{Value, json};

use super::here;
use crate::cli::Context;
use crate::cli::ots::{CalendarFlags, answered, complete, note_failures};
use crate::failure::Result;

/// What to stamp, and where.
#[derive(Debug, Args)]
pub struct StampArgs {
    /// Commits and tags. All are stamped with one request to each calendar
    #[arg(value_name = "REV", default_value = "HEAD")]
    revs: Vec<String>,
    #[command(flatten)]
    calendars: CalendarFlags,
}

pub async fn run(context: &Context, args: StampArgs) -> Result<()> {
    let output = context.output;
    let options = args.calendars.options(&context.config)?;
    let revs = args.revs.clone();
    let objects = here(move |repository| {
        let mut objects: Vec<(GitObject, Commitment)> = Vec::new();
        for rev in &revs {
            let object = repository.object(rev)?;
            // Several names may stand for one.
            if !objects.iter().any(|(known, _)| known.id == object.id) {
                let commitment = repository.unstamped(&object)?;
                objects.push((object, commitment));
            }
        }
        Ok(objects)
    });
    let objects = objects.await?;
    let answers = stamp_all(context, objects.clone(), &options, args.calendars.wait).await?;
    let stamped = objects.iter().map(|(object, _)| object);
    if output.json {
        let objects =
            stamped.map(|object| json!({"id": object.id.to_string(), "kind": object.kind.name()}));
        return output.json(&json!({
            "objects": objects.collect::<Vec<Value>>(),
            "calendars": answers,
            "is_complete": args.calendars.wait,
        }));
    }
    for object in stamped {
        output.line(&format!("{} {}", object.kind.name(), object.id))?;
    }
    let next = match args.calendars.wait {
        true => "",
        false => "`freehold git upgrade` completes it in a few hours; ",
    };
    output.note(&format!(
        "the proof is in the note: {next}`git push origin refs/notes/ots` shares it"
    ));
    Ok(())
}

/// Stamps, and keeps the proofs. What the calendars said.
async fn stamp_all(
    context: &Context,
    objects: Vec<(GitObject, Commitment)>,
    options: &StampOptions,
    is_awaited: bool,
) -> Result<Vec<Value>> {
    let subject = |(_, commitment): &(GitObject, Commitment)| {
        Subject::new(commitment.digest(), rand::random())
    };
    let subjects = objects.iter().map(subject).collect();
    let stamped = stamp(subjects, options).await.map_err(NodeError::from)?;
    note_failures(context.output, &stamped.answers);
    let mut proofs = Vec::new();
    for (index, (object, commitment)) in objects.into_iter().enumerate() {
        let proof = stamped.proof(index).map_err(NodeError::from)?;
        let mut timestamp = commitment.timestamp(proof.timestamp().clone());
        let message = *commitment.message();
        if is_awaited {
            complete(context.output, &message, &mut timestamp, options).await?;
        }
        proofs.push((object, message, timestamp));
    }
    let keep = here(move |repository| {
        for (object, message, timestamp) in proofs {
            repository.add_proof(&object, message, timestamp)?;
        }
        Ok(())
    });
    keep.await?;
    Ok(answered(&stamped.answers))
}
