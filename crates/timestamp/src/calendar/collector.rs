//! Gathers what comes in during a round, and answers when its commitment is on the disk.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Commitment, Error, Journal, NONCE_BYTES, Result, Round, Secret, Submission};
use crate::ots::Uri;

/// What bounds a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long a round lasts.
    pub round: Duration,
    /// The most digests in a round; it ends early when it is full.
    pub digests_max: usize,
}

impl Default for Limits {
    /// A second, and a tree of at most 32 MiB.
    fn default() -> Self {
        Self {
            round: Duration::from_secs(1),
            digests_max: 1 << 17,
        }
    }
}

type Answer = oneshot::Sender<Result<Vec<u8>>>;

/// Takes digests from any number of tasks.
#[derive(Debug, Clone)]
pub struct Collector {
    queue: mpsc::Sender<(Submission, Answer)>,
}

impl Collector {
    /// Starts the task that ends rounds. It ends when all collectors are gone, after answering
    /// everybody, and gives the journal back.
    pub fn start(
        journal: Journal,
        secret: Secret,
        calendar: Uri,
        limits: Limits,
        clock: impl Fn() -> u32 + Send + Sync + 'static,
    ) -> (Self, tokio::task::JoinHandle<Journal>) {
        let (queue, waiting) = mpsc::channel(limits.digests_max);
        let mut rounds = Rounds {
            waiting,
            journal,
            secret,
            calendar,
            limits,
        };
        let task = tokio::spawn(async move {
            while rounds.next(&clock).await {}
            rounds.journal
        });
        (Self { queue }, task)
    }

    /// Hands a digest in, and waits for the promise: the bytes of a timestamp that begins at it.
    ///
    /// # Errors
    /// `DigestLength`, `Busy`, `Closed`, or a file error, after which nothing was promised.
    pub async fn submit(&self, digest: &[u8], nonce: [u8; NONCE_BYTES]) -> Result<Vec<u8>> {
        let submission = Submission::new(digest, nonce)?;
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send((submission, answer))
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Error::Busy,
                mpsc::error::TrySendError::Closed(_) => Error::Closed,
            })?;
        answered.await.map_err(|_| Error::Closed)?
    }
}

struct Rounds {
    waiting: mpsc::Receiver<(Submission, Answer)>,
    journal: Journal,
    secret: Secret,
    calendar: Uri,
    limits: Limits,
}

impl Rounds {
    /// Gathers and ends one round. Whether there will be another.
    async fn next(&mut self, clock: &impl Fn() -> u32) -> bool {
        // A round begins with its first digest: an idle calendar does nothing.
        let Some((submission, answer)) = self.waiting.recv().await else {
            return false;
        };
        let (mut submissions, mut answers) = (vec![submission], vec![answer]);
        let mut end = interval_at(Instant::now() + self.limits.round, self.limits.round);
        end.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut goes_on = true;
        while goes_on && submissions.len() < self.limits.digests_max {
            tokio::select! {
                biased;
                _ = end.tick() => break,
                next = self.waiting.recv() => match next {
                    Some((submission, answer)) => {
                        submissions.push(submission);
                        answers.push(answer);
                    }
                    None => goes_on = false,
                },
            }
        }
        self.end(&submissions, answers, clock());
        goes_on
    }

    fn end(&mut self, submissions: &[Submission], answers: Vec<Answer>, now_unix_s: u32) {
        // The others of this runtime go on meanwhile.
        tokio::task::block_in_place(|| {
            let Some(round) = Round::new(submissions) else {
                return;
            };
            let time_unix_s = self.journal.next_time_unix_s(now_unix_s);
            let commitment = round.commitment(time_unix_s, &self.secret);
            let durable = self.journal.append(&commitment);
            for (index, answer) in answers.into_iter().enumerate() {
                // Who has gone needs no answer.
                let _ = answer.send(match &durable {
                    Ok(_) => self.answer(&round, &commitment, index),
                    Err(error) => Err(error.again()),
                });
            }
        });
    }

    fn answer(&self, round: &Round, commitment: &Commitment, index: usize) -> Result<Vec<u8>> {
        round.promise(commitment, &self.calendar).answer(index)
    }
}
