//! Answering those who come back: what has become of a commitment.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use super::anchoring::{locked, tree};
use super::{AnchorLog, Commitment, Reader, Result, Secret, Submitted};
use crate::aggregate::Aggregate;
use crate::ots::{Op, Timestamp};

/// Trees kept in memory for the questions that are asked again and again.
const TREES_MAX: usize = 8;

/// What a calendar knows of a commitment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It isn't this calendar's.
    Nothing,
    /// It is in the journal.
    Pending {
        /// Whether an anchor was begun for it.
        is_under_way: bool,
    },
    /// The timestamp from the commitment to the anchor.
    Complete(Vec<u8>),
}

/// Looks commitments up. Nothing here waits for the network.
pub struct Answers {
    log: Arc<Mutex<AnchorLog>>,
    journal: Reader,
    secret: Secret,
    trees: Mutex<VecDeque<(u64, Arc<Aggregate>)>>,
}

impl Answers {
    /// Answers from these files.
    pub fn new(log: Arc<Mutex<AnchorLog>>, journal: Reader, secret: Secret) -> Self {
        Self {
            log,
            journal,
            secret,
            trees: Mutex::default(),
        }
    }

    /// What is known of a commitment.
    ///
    /// # Errors
    /// If the journal can't be read.
    pub fn timestamp(&self, commitment: &Commitment) -> Result<Known> {
        if !commitment.is_by(&self.secret) {
            return Ok(Known::Nothing);
        }
        let Some(index) = self.journal.find(commitment)? else {
            return Ok(Known::Nothing);
        };
        let held = {
            let log = locked(&self.log);
            match log.holding(index) {
                Some(held) => held.clone(),
                None => {
                    return Ok(Known::Pending {
                        is_under_way: log.under_way().iter().any(|sent| index < sent.to),
                    });
                }
            }
        };
        let Submitted { from, to, .. } = held.submitted;
        let place = usize::try_from(index - from).unwrap_or(usize::MAX);
        let path = std::iter::once(Op::SHA256).chain(self.tree(from, to)?.path(place));
        let rest = Timestamp::from_bytes(&held.timestamp, 32)?;
        Ok(Known::Complete(rest.after(path).to_bytes()?))
    }

    fn tree(&self, from: u64, to: u64) -> Result<Arc<Aggregate>> {
        let mut trees = self.trees.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(begin, tree): &&(u64, Arc<Aggregate>)| {
            *begin == from && tree.leaves().len() as u64 == to - from
        };
        if let Some((_, tree)) = trees.iter().find(is_it) {
            return Ok(tree.clone());
        }
        let tree = Arc::new(tree(&self.journal, from, to)?);
        trees.truncate(TREES_MAX - 1);
        trees.push_front((from, tree.clone()));
        Ok(tree)
    }
}
