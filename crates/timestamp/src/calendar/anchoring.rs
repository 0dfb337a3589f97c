//! Driving anchors: when to begin one, when to replace it, and when it holds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Anchor, AnchorLog, Anchored, Commitment, Error, Progress, Reader, Result, Submitted};
use crate::Hash;
use crate::aggregate::Aggregate;
use crate::ots::Timestamp;

/// How patient the calendar is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The shortest time between two anchors.
    pub interval_s: u64,
    /// From how many confirmations on an anchor is given out.
    pub confirmations: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            interval_s: 6 * 60 * 60,
            confirmations: 6,
        }
    }
}

/// Beyond this depth nothing is looked at again.
const DEEP_CONFIRMATIONS: u32 = 144;

/// The anchors of a calendar.
pub struct Anchoring {
    log: Arc<Mutex<AnchorLog>>,
    journal: Reader,
    policy: Policy,
    is_last_deep: bool,
}

impl Anchoring {
    /// Composes the files.
    pub fn new(log: Arc<Mutex<AnchorLog>>, journal: Reader, policy: Policy) -> Self {
        Self {
            log,
            journal,
            policy,
            is_last_deep: false,
        }
    }

    /// Does what is to be done now. An error is for the log: what was begun is recorded, and the
    /// next call goes on.
    ///
    /// # Errors
    /// If a file can't be written, or the anchor can't be had now.
    pub async fn tick(&mut self, anchor: &dyn Anchor, now_unix_s: u64) -> Result<()> {
        self.check_last(anchor).await?;
        let under_way = locked(&self.log).under_way().to_vec();
        let mut newest = Progress::Dead;
        for submitted in &under_way {
            // An earlier one may get into a block too, but nobody needs to send it again.
            newest = anchor.poll(&submitted.tip, &submitted.ticket).await?;
            if let Progress::Anchored {
                timestamp,
                confirmations,
            } = &newest
            {
                if confirmations.is_none_or(|count| count >= self.policy.confirmations) {
                    self.hold(submitted.clone(), timestamp)?;
                }
                // In a block, but not deep enough yet: nothing may replace it.
                return Ok(());
            }
        }
        let last = under_way.last();
        match newest {
            Progress::Lost => match last {
                Some(lost) => Ok(anchor.send(&lost.ticket).await?),
                None => Ok(()),
            },
            Progress::Overdue { underpays }
                if underpays || last.is_some_and(|last| last.to < self.journal.len()) =>
            {
                self.submit(anchor, last, now_unix_s).await
            }
            Progress::Dead if self.is_due(now_unix_s) => {
                self.submit(anchor, None, now_unix_s).await
            }
            _ => Ok(()),
        }
    }

    /// Whether a new anchor may begin. One that was begun and died is owed at once.
    fn is_due(&self, now_unix_s: u64) -> bool {
        let log = locked(&self.log);
        let last = log.anchored().last().map(|a| a.submitted.time_unix_s);
        let has_waited = last.is_none_or(|last| now_unix_s >= last + self.policy.interval_s);
        log.next() < self.journal.len() && (has_waited || !log.under_way().is_empty())
    }

    async fn submit(
        &mut self,
        anchor: &dyn Anchor,
        replaces: Option<&Submitted>,
        time_unix_s: u64,
    ) -> Result<()> {
        let (from, to) = (locked(&self.log).next(), self.journal.len());
        let tip = Hash(*tree(&self.journal, from, to)?.root());
        let ticket = replaces.map(|submitted| &submitted.ticket);
        let prepared = anchor.prepare(&tip, ticket).await?;
        let submitted = Submitted {
            from,
            to,
            tip,
            ticket: prepared.ticket,
            time_unix_s,
        };
        locked(&self.log).submit(submitted.clone())?;
        Ok(anchor.send(&submitted.ticket).await?)
    }

    fn hold(&mut self, submitted: Submitted, timestamp: &Timestamp) -> Result<()> {
        let timestamp = timestamp.to_bytes()?;
        self.is_last_deep = false;
        locked(&self.log).hold(Anchored {
            submitted,
            timestamp,
        })
    }

    /// Whether the chain still has the newest anchor, until it is so deep that it always will.
    async fn check_last(&mut self, anchor: &dyn Anchor) -> Result<()> {
        let last = locked(&self.log).anchored().last().cloned();
        let Some(last) = last.filter(|_| !self.is_last_deep) else {
            return Ok(());
        };
        let Submitted { tip, ticket, .. } = &last.submitted;
        match anchor.poll(tip, ticket).await? {
            Progress::Anchored {
                timestamp,
                confirmations,
            } => {
                self.is_last_deep = confirmations.is_none_or(|count| count >= DEEP_CONFIRMATIONS);
                if timestamp.to_bytes()? != last.timestamp {
                    // The same transaction, in another block.
                    locked(&self.log).revert_last()?;
                }
            }
            _ => locked(&self.log).revert_last()?,
        }
        Ok(())
    }
}

/// The tree over a part of the journal.
pub(super) fn tree(journal: &Reader, from: u64, to: u64) -> Result<Aggregate> {
    let leaves = journal.range(from, to)?;
    let leaves = leaves.iter().map(Commitment::leaf).collect();
    Aggregate::new(leaves).ok_or(Error::Closed)
}

/// The list of anchors, held for a moment.
pub(super) fn locked(log: &Mutex<AnchorLog>) -> MutexGuard<'_, AnchorLog> {
    // A panic in between would have left the list as it was: each event is taken in at once.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
