//! What a calendar's tip is anchored in, seen from the calendar.

use async_trait::async_trait;
use serde_json::Value;

use super::AnchorError;
use crate::Hash;
use crate::ots::{Attestation, Timestamp};

/// Something that a digest can be anchored in.
#[async_trait]
pub trait Anchor: Send + Sync {
    /// What it is, for people.
    fn name(&self) -> String;

    /// Makes all that is needed to anchor this tip, and sends nothing: what comes back is made
    /// durable first. With `replaces`, the earlier ticket is to be replaced by one that costs more.
    async fn prepare(&self, tip: &Hash, replaces: Option<&Value>) -> Result<Prepared, AnchorError>;

    /// Sends what was prepared. May be called again, after a crash or when it got lost.
    async fn send(&self, ticket: &Value) -> Result<(), AnchorError>;

    /// How far it is.
    async fn poll(&self, tip: &Hash, ticket: &Value) -> Result<Progress, AnchorError>;
}

/// An anchor that is ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// What [`Anchor::send`] and [`Anchor::poll`] need.
    pub ticket: Value,
}

/// How far an anchor is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Nothing to do but wait.
    Waiting,
    /// It could have happened meanwhile and hasn't: if there is more to anchor by now, or it
    /// pays too little by now, it is to be replaced.
    Overdue {
        /// Whether fees have risen above what it pays.
        underpays: bool,
    },
    /// Nobody knows of it: it must be sent again.
    Lost,
    /// It can't happen any more: another one was taken instead.
    Dead,
    /// It is in a block.
    Anchored {
        /// From the tip to the attestation.
        timestamp: Timestamp,
        /// How many blocks there are from that block on; `None` where nothing can undo it.
        confirmations: Option<u32>,
    },
}

/// The anchor of networks whose money is play: it says so, and proves nothing.
pub struct StandIn<C> {
    /// The time in Unix seconds.
    pub clock: C,
}

#[async_trait]
impl<C: Fn() -> u64 + Send + Sync> Anchor for StandIn<C> {
    fn name(&self) -> String {
        "a stand-in that proves nothing".to_owned()
    }

    async fn prepare(&self, _: &Hash, _: Option<&Value>) -> Result<Prepared, AnchorError> {
        Ok(Prepared {
            ticket: (self.clock)().into(),
        })
    }

    async fn send(&self, _: &Value) -> Result<(), AnchorError> {
        Ok(())
    }

    async fn poll(&self, _: &Hash, ticket: &Value) -> Result<Progress, AnchorError> {
        let time_unix_s = ticket.as_u64().unwrap_or(0);
        Ok(Progress::Anchored {
            timestamp: Timestamp::attested(Attestation::stand_in(time_unix_s)),
            confirmations: None,
        })
    }
}
