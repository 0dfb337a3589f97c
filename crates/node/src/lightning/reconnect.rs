//! Peers that went away are called again. The library does so once a minute, which is long for whoever waits for a
//! payment while the peer is back already.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures::future::join_all;
use wallet::lightning::{Lightning, Peer};

use crate::error::Result;
use crate::node::Node;

const TICK: Duration = Duration::from_secs(1);
/// How long a peer is left alone after the first call, and at most.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// An address that swallows everything is waited for no longer.
const CALL_TIME_MAX: Duration = Duration::from_secs(10);

/// Who is away, by address: when they are called next, and how long they are left alone after that.
#[derive(Default)]
struct Away(HashMap<String, (Instant, Duration)>);

impl Away {
    /// Whether to call now: at once, and then ever more seldom.
    fn is_due(&mut self, address: &str, now: Instant) -> bool {
        let (next, pause) = self.0.entry(address.to_owned()).or_insert((now, PAUSE_MIN));
        let is_due = *next <= now;
        if is_due {
            *next = now + *pause;
            *pause = (*pause * 2).min(PAUSE_MAX);
        }
        is_due
    }

    /// Forgets those that are back, or unknown by now.
    fn keep(&mut self, away: &[Peer]) {
        self.0
            .retain(|address, _| away.iter().any(|peer| peer.address == *address));
    }
}

impl Node {
    /// Keeps the connections to the peers whose addresses are known, until it is stopped.
    pub(crate) async fn keep_connected(&self) {
        let Ok(cashier) = self.cashier() else {
            return;
        };
        let mut away = Away::default();
        loop {
            if let Err(error) = call_again(cashier.lightning(), &mut away).await {
                tracing::debug!(code = error.code(), "peers: {error}");
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

async fn call_again(lightning: &Lightning, away: &mut Away) -> Result<()> {
    let mut peers = lightning.peers().await?;
    peers.retain(|peer| !peer.is_connected);
    away.keep(&peers);
    let now = Instant::now();
    peers.retain(|peer| away.is_due(&peer.address, now));
    let calls = peers.iter().map(|peer| {
        let call = lightning.connect(peer.node_id, &peer.address);
        tokio::time::timeout(CALL_TIME_MAX, call)
    });
    // Whoever doesn't answer is called again.
    join_all(calls).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_away_is_called_ever_more_seldom() {
        let start = Instant::now();
        let mut away = Away::default();
        let calls = (0..600)
            .filter(|s| away.is_due("a", start + Duration::from_secs(*s)))
            .collect::<Vec<_>>();
        assert_eq!(
            calls[..8],
            [0, 1, 3, 7, 15, 31, 63, 123],
            "then once a minute"
        );
        assert_eq!(calls.len(), 8 + (599 - 123) / 60);
        away.keep(&[]);
        assert!(away.is_due("a", start), "back, and away again");
    }
}
