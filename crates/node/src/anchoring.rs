//! The log's heads get anchored, in the background: nobody who gets an answer waits for it.

use std::time::Duration;

use timestamp::Hash;
use timestamp::ots::{Attestation, Timestamp};

use crate::config::{Config, Network};
use crate::error::Result;
use crate::node::{Node, now_ms};
use crate::receipts::PendingAnchor;
use crate::stamps::{self, Attestations, HeaderSources, VerifyOptions, Whitelist};

/// How long after a failure it is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// How often calendars are asked for what they owe.
const UPGRADE_PAUSE: Duration = Duration::from_secs(30 * 60);
/// How long a calendar may take.
const CALENDAR_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest way from a leaf to the root: that of a log of a billion.
const STEPS_BEFORE_ROOT_MAX: usize = 2 + 3 * 30;

/// Who vouches for the age of a root.
#[derive(Clone, Debug)]
enum Anchor {
    /// Nobody: on the play network, a stand-in that says so itself.
    StandIn,
    /// The calendars that the owner has named.
    Calendars(Vec<String>),
}

impl Anchor {
    fn of(config: &Config) -> Self {
        match (config.timestamp.calendars.as_slice(), config.network) {
            ([], Network::Play) => Self::StandIn,
            (named, _) => Self::Calendars(named.to_vec()),
        }
    }

    /// How long after a leaf the log is anchored, so that many leaves share an anchor: calendars
    /// belong to others, and are not to be asked for each word.
    fn batch(&self) -> Duration {
        match self {
            Self::StandIn => Duration::from_secs(2),
            Self::Calendars(_) => Duration::from_secs(60),
        }
    }

    /// Has a root stamped: the timestamp starts from it. The log's root says nothing about its
    /// leaves, so it needs no nonce.
    async fn stamp(&self, root: &Hash) -> Result<Timestamp> {
        match self {
            Self::StandIn => {
                let time_unix_s = now_unix_s();
                Ok(Timestamp::attested(Attestation::stand_in(time_unix_s)))
            }
            Self::Calendars(named) => {
                let (promises, _) = stamps::submit(
                    root.as_bytes(),
                    named,
                    1,
                    CALENDAR_TIMEOUT,
                    STEPS_BEFORE_ROOT_MAX,
                )
                .await?;
                Ok(promises)
            }
        }
    }
}

impl Node {
    /// Anchors the log whenever it has grown.
    pub(crate) async fn keep_anchoring(&self) {
        let anchor = Anchor::of(&self.inner.config);
        loop {
            if let Err(error) = self.anchor_log(&anchor).await {
                tracing::warn!(code = error.code(), "the log isn't anchored: {error}");
                tokio::time::sleep(RETRY).await;
                continue;
            }
            // What came while the log was being anchored is remembered.
            self.inner.log_grew.notified().await;
            tokio::time::sleep(anchor.batch()).await;
        }
    }

    /// Anchors the log's head, if that is new.
    async fn anchor_log(&self, anchor: &Anchor) -> Result<()> {
        let Some((tree_size, root)) = self.log_head_to_anchor().await? else {
            return Ok(());
        };
        let timestamp = anchor.stamp(&root).await?;
        self.keep_anchor(tree_size, &timestamp).await
    }

    /// Asks the calendars, now and then, for what they owe.
    pub(crate) async fn keep_upgrading(&self) {
        loop {
            match self.pending_anchors().await {
                Ok(pending) => {
                    for anchor in pending {
                        if let Err(error) = self.upgrade(anchor).await {
                            tracing::warn!(
                                code = error.code(),
                                "an anchor isn't complete: {error}"
                            );
                        }
                    }
                }
                Err(error) => tracing::warn!(code = error.code(), "{error}"),
            }
            tokio::time::sleep(UPGRADE_PAUSE).await;
        }
    }

    async fn upgrade(&self, pending: PendingAnchor) -> Result<()> {
        let config = &self.inner.config;
        let whitelist = Whitelist::new(&config.timestamp.calendars, true);
        let (root, mut timestamp) = (pending.root, pending.timestamp);
        let asked = stamps::upgrade_proof(
            root.as_bytes(),
            &mut timestamp,
            &[],
            &whitelist,
            CALENDAR_TIMEOUT,
        );
        if !asked.await?.is_changed {
            return Ok(());
        }
        // A calendar that lies is found out where there are headers; elsewhere by who verifies.
        let options = VerifyOptions {
            headers: HeaderSources::offline(config),
            now_unix_s: now_unix_s(),
        };
        let mut unseen = |_: &str, _: u32, _: u32| {};
        let found = stamps::verify_proof(root.as_bytes(), &timestamp, &options, &mut unseen);
        let is_false = |finding: &Attestations| matches!(finding, Attestations::False { .. });
        if found.await?.findings.iter().any(is_false) {
            tracing::warn!(%root, "a calendar claims a block that doesn't have the log's root");
            return Ok(());
        }
        self.upgrade_anchor(pending.tree_size, &timestamp).await
    }
}

fn now_unix_s() -> u64 {
    now_ms().max(0).unsigned_abs() / 1_000
}
