//! The chain is looked at from time to time, and whenever there is a new block.

use std::time::{Duration, Instant};

use wallet::onchain::{Network, OnchainError, Tip};

use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// How often the source is asked for its last block; it is one small question.
const TICK: Duration = Duration::from_secs(15);
const TICK_REGTEST: Duration = Duration::from_millis(500);
/// How often wallets are brought up to date though there is no new block: for what waits for one.
const SYNC_AT_LEAST: Duration = Duration::from_secs(120);

impl Node {
    /// Keeps the wallets up to date, sends what is recorded, and sweeps savings, until it is stopped.
    pub(crate) async fn keep_onchain(&self) {
        let Ok(onchain) = self.onchain() else {
            return;
        };
        let tick = match onchain.chain.network() {
            Network::Regtest => TICK_REGTEST,
            _ => TICK,
        };
        let mut last: Option<(Tip, Instant)> = None;
        let mut trouble: Option<String> = None;
        loop {
            let now = match self.look_at_chain(last).await {
                Ok(seen) => {
                    last = Some(seen);
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            if let Some(why) = now.as_ref().filter(|why| trouble.as_ref() != Some(why)) {
                tracing::warn!(%why, "the chain can't be followed; what is recorded waits");
            }
            trouble = now;
            tokio::time::sleep(tick).await;
        }
    }

    async fn look_at_chain(&self, last: Option<(Tip, Instant)>) -> Result<(Tip, Instant)> {
        let onchain = self.onchain()?;
        let tip = onchain.chain.tip().await.map_err(OnchainError::from)?;
        if let Some((known, at)) = last
            && known == tip
            && at.elapsed() < SYNC_AT_LEAST
        {
            return Ok((known, at));
        }
        onchain.main.sync(now_ms()).await?;
        for name in onchain.watched_names()? {
            onchain.watched(&name).await?.sync(now_ms()).await?;
        }
        self.follow_onchain().await?;
        match self.sweep_savings().await {
            Ok(_) | Err(NodeError::Onchain(OnchainError::NoSavings)) => {}
            Err(error) => return Err(error),
        }
        Ok((tip, Instant::now()))
    }
}
