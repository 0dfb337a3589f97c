//! Completing proofs: asking the calendars that promised.

use std::time::Duration;

use futures::stream::{self, StreamExt};
use timestamp::calendar::RemoteCalendar;
use timestamp::ots::{Attestation, Timestamp, Uri};

use super::file::readable;
use super::{CalendarAnswer, StampError, Whitelist};

use crate::boxed;

/// How many questions are under way at a time.
const PARALLEL: usize = 8;
/// The most promises of a proof that are followed up.
const PROMISES_MAX: usize = 64;

/// What upgrading has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upgraded {
    /// Whether the timestamp says more than before.
    pub is_changed: bool,
    /// Whether it has an attestation that isn't a promise.
    pub is_complete: bool,
    /// What each calendar did. One that has nothing new yet did nothing wrong.
    pub answers: Vec<CalendarAnswer>,
}

/// Asks the calendars that promised something, or, if any are named, only these.
///
/// # Errors
/// If the timestamp can't be computed. Calendars' failures are among the answers.
#[boxed]
pub async fn upgrade_proof(
    message: &[u8],
    timestamp: &mut Timestamp,
    named: &[String],
    whitelist: &Whitelist,
    timeout: Duration,
) -> Result<Upgraded, StampError> {
    let mut questions: Vec<(Uri, Vec<u8>)> = Vec::new();
    let mut answers = Vec::new();
    for (commitment, attestation) in timestamp.attestations(message)? {
        let Attestation::Pending(promised) = attestation else {
            continue;
        };
        if named.is_empty() && !whitelist.has(&promised) {
            answers.push(CalendarAnswer {
                calendar: promised.to_string(),
                error: Some("it isn't on the whitelist; `-l URL` adds it".to_owned()),
            });
        } else if named.is_empty() {
            questions.push((promised, commitment.clone()));
        }
        for address in named {
            questions.push((Uri::new(address.clone())?, commitment.clone()));
        }
    }
    questions.truncate(PROMISES_MAX);
    let mut asked = stream::iter(questions)
        .map(|(uri, commitment)| async move {
            let found = ask(&uri, &commitment, timeout).await;
            (uri, commitment, found)
        })
        .buffer_unordered(PARALLEL);
    let mut is_changed = false;
    while let Some((uri, commitment, found)) = asked.next().await {
        let error = match found {
            Ok(Some(found)) => match upgraded(timestamp, message, &commitment, &found) {
                Ok(None) => None,
                Ok(Some(more)) => {
                    (*timestamp, is_changed) = (more, true);
                    None
                }
                // What one calendar sends must not keep the others' from being used.
                Err(error) => Some(format!("its answer makes no proof: {error}")),
            },
            Ok(None) => None,
            Err(error) => Some(error),
        };
        let calendar = uri.to_string();
        answers.push(CalendarAnswer { calendar, error });
    }
    drop(asked);
    let is_complete = is_complete(timestamp, message)?;
    Ok(Upgraded {
        is_changed,
        is_complete,
        answers,
    })
}

/// The timestamp with what was found, if that is new, and if the whole can be read again.
fn upgraded(
    timestamp: &Timestamp,
    message: &[u8],
    commitment: &[u8],
    found: &Timestamp,
) -> Result<Option<Timestamp>, timestamp::ots::Error> {
    let mut more = timestamp.clone();
    if !more.upgrade(message, commitment, found)? {
        return Ok(None);
    }
    readable(&more, message.len())?;
    Ok(Some(more))
}

/// Whether a chain attests it: then no promise is needed any more.
pub(super) fn is_complete(timestamp: &Timestamp, message: &[u8]) -> Result<bool, StampError> {
    let mut is_complete = false;
    timestamp.replay(message, &mut |_, attestation| {
        is_complete |= matches!(attestation, Attestation::Bitcoin { .. })
            || attestation.stand_in_time_unix_s().is_some();
    })?;
    Ok(is_complete)
}

async fn ask(uri: &Uri, commitment: &[u8], timeout: Duration) -> Result<Option<Timestamp>, String> {
    let answer = async {
        RemoteCalendar::new(uri, timeout)?
            .timestamp(commitment)
            .await
    };
    match tokio::time::timeout(timeout, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer within {} s", timeout.as_secs_f32())),
    }
}
