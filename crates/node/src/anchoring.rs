//! The log's heads get anchored, in the background: nobody who gets an answer waits for it.

use std::time::Duration;

use timestamp::Hash;
use timestamp::ots::{Attestation, Timestamp};

use crate::config::Network;
use crate::error::Result;
use crate::node::{Node, now_ms};

/// How long after a leaf the log is anchored, so that many leaves share an anchor.
const BATCH: Duration = Duration::from_secs(2);
/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(30);

/// Who vouches for the age of a root. Remote calendars have their place here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anchor {
    /// Nobody: on the play network, a stand-in that says so itself.
    StandIn,
}

impl Anchor {
    /// The one for a network.
    pub const fn of(network: Network) -> Self {
        match network {
            Network::Play => Self::StandIn,
        }
    }

    /// Has a root stamped: the timestamp starts from it.
    #[allow(clippy::unused_async, reason = "calendars have to be asked")]
    async fn stamp(self, _root: &Hash) -> Result<Timestamp> {
        match self {
            Self::StandIn => {
                let time_unix_s = now_ms().max(0).unsigned_abs() / 1_000;
                Ok(Timestamp::attested(Attestation::stand_in(time_unix_s)))
            }
        }
    }
}

impl Node {
    /// Anchors the log whenever it has grown.
    pub(crate) async fn keep_anchoring(&self) {
        let anchor = Anchor::of(self.inner.config.network);
        loop {
            if let Err(error) = self.anchor_log(anchor).await {
                tracing::warn!(code = error.code(), "the log isn't anchored: {error}");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            // What came while the log was being anchored is remembered.
            self.inner.log_grew.notified().await;
            tokio::time::sleep(BATCH).await;
        }
    }

    /// Anchors the log's head, if that is new.
    async fn anchor_log(&self, anchor: Anchor) -> Result<()> {
        let Some((tree_size, root)) = self.log_head_to_anchor().await? else {
            return Ok(());
        };
        let timestamp = anchor.stamp(&root).await?;
        self.keep_anchor(tree_size, &timestamp).await
    }
}
