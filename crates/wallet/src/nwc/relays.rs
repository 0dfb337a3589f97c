//! The relays of a service or a client, within bounds.

use std::collections::HashSet;
use std::time::Duration;

use nostr_sdk::pool::monitor::{Monitor, MonitorNotification};
use nostr_sdk::pool::pool::RelayPoolBuilder;
use nostr_sdk::pool::relay::limits::{RelayEventLimits, RelayLimits, RelayMessageLimits};
use nostr_sdk::{
    Event, Filter, RelayOptions, RelayPool, RelayPoolNotification, RelayPoolOptions, RelayStatus,
    RelayUrl, SubscribeOptions, SubscriptionId,
};
use tokio::sync::broadcast::Receiver;

use super::error::NwcError;
use super::limits::{
    EVENT_BYTES_MAX, MESSAGE_BYTES_MAX, PUBLISH_PAUSES, QUEUE_MAX, RECONNECT_PAUSE, TAGS_MAX,
};

use crate::boxed;

/// A pool of relays that reconnects by itself. Events that don't match a subscription, are too long,
/// or aren't signed by their author never get out of it.
#[derive(Clone, Debug)]
pub(super) struct Relays {
    pool: RelayPool,
    monitor: Monitor,
}

impl Relays {
    /// A pool without relays.
    pub fn new() -> Self {
        let monitor = Monitor::new(QUEUE_MAX);
        // Nobody is logged in at a relay: each connection has a key of its own.
        let options = RelayPoolOptions::new()
            .automatic_authentication(false)
            .notification_channel_size(QUEUE_MAX);
        let pool = RelayPoolBuilder::new()
            .monitor(monitor.clone())
            .opts(options)
            .build();
        Self { pool, monitor }
    }

    /// What the relays say from now on, repetitions included.
    pub fn messages(&self) -> Receiver<RelayPoolNotification> {
        self.pool.notifications()
    }

    /// Which relays come and go from now on.
    pub fn changes(&self) -> Receiver<MonitorNotification> {
        self.monitor.subscribe()
    }

    /// Makes these the pool's relays, and begins to connect to those that are new.
    ///
    /// # Errors
    /// [`NwcError::Relays`] if the pool was shut down.
    #[boxed]
    pub async fn set(&self, wanted: &HashSet<RelayUrl>) -> Result<(), NwcError> {
        let known = self.pool.all_relays().await;
        for url in known.keys().filter(|url| !wanted.contains(*url)) {
            self.pool.force_remove_relay(url).await.map_err(failed)?;
        }
        for url in wanted.iter().filter(|url| !known.contains_key(*url)) {
            self.pool.add_relay(url, options()).await.map_err(failed)?;
            self.pool.connect_relay(url).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Asks `relays` for what matches `filter`, now and whenever they come back.
    #[boxed]
    pub async fn subscribe(&self, relays: Vec<RelayUrl>, id: &str, filter: Filter) {
        let id = SubscriptionId::new(id);
        let asked = self
            .pool
            .subscribe_with_id_to(relays, id, filter, SubscribeOptions::default())
            .await;
        // A relay that can't be asked now is asked when it is there.
        if let Err(error) = asked {
            tracing::debug!(%error, "a relay can't be asked");
        }
    }

    /// Those of `relays` that are connected.
    #[boxed]
    pub async fn connected(&self, relays: &[RelayUrl]) -> Vec<RelayUrl> {
        let known = self.pool.all_relays().await;
        let is_connected =
            |url: &&RelayUrl| known.get(*url).is_some_and(|relay| relay.is_connected());
        relays.iter().filter(is_connected).cloned().collect()
    }

    /// Waits until one of `relays` is connected.
    ///
    /// # Errors
    /// [`NwcError::NotConnected`] if none is in time.
    #[boxed]
    pub async fn wait(&self, relays: &[RelayUrl], time_max: Duration) -> Result<(), NwcError> {
        let mut changes = self.changes();
        let any = async {
            while self.connected(relays).await.is_empty() {
                // A lagging receiver has missed something, which the next look will tell.
                if let Err(tokio::sync::broadcast::error::RecvError::Closed) = changes.recv().await
                {
                    return Err(NwcError::NotConnected);
                }
            }
            Ok(())
        };
        tokio::time::timeout(time_max, any)
            .await
            .unwrap_or(Err(NwcError::NotConnected))
    }

    /// Hands an event to those of `relays` that are connected. True if one took it.
    #[boxed]
    pub async fn send(&self, relays: &[RelayUrl], event: &Event) -> bool {
        let connected = self.connected(relays).await;
        if connected.is_empty() {
            return false;
        }
        match self.pool.send_event_to(connected, event).await {
            Ok(output) => !output.success.is_empty(),
            Err(_) => false,
        }
    }

    /// Hands an event to `relays`, and tries again if none takes it. True if one did.
    #[boxed]
    pub async fn publish(&self, relays: &[RelayUrl], event: &Event) -> bool {
        for pause in PUBLISH_PAUSES {
            if self.send(relays, event).await {
                return true;
            }
            tokio::time::sleep(pause).await;
        }
        self.send(relays, event).await
    }

    /// The newest event at `relays` that matches.
    #[boxed]
    pub async fn newest(
        &self,
        relays: &[RelayUrl],
        filter: Filter,
        time_max: Duration,
    ) -> Option<Event> {
        let connected = self.connected(relays).await;
        let policy = nostr_sdk::pool::relay::options::ReqExitPolicy::ExitOnEOSE;
        let found = self
            .pool
            .fetch_events_from(connected, filter, time_max, policy)
            .await
            .ok()?;
        found.first_owned()
    }

    /// Closes all connections.
    #[boxed]
    pub async fn close(&self) {
        self.pool.shutdown().await;
    }
}

/// The relay that a change is about, if it has just been reached.
pub(super) fn has_come(change: MonitorNotification) -> Option<RelayUrl> {
    match change {
        MonitorNotification::StatusChanged {
            relay_url,
            status: RelayStatus::Connected,
        } => Some(relay_url),
        MonitorNotification::StatusChanged { .. } => None,
    }
}

fn options() -> RelayOptions {
    let limits = RelayLimits {
        messages: RelayMessageLimits {
            max_size: Some(MESSAGE_BYTES_MAX),
        },
        events: RelayEventLimits {
            max_size: Some(EVENT_BYTES_MAX),
            max_num_tags: Some(TAGS_MAX),
            ..RelayEventLimits::default()
        },
    };
    RelayOptions::new()
        .limits(limits)
        .verify_subscriptions(true)
        .retry_interval(RECONNECT_PAUSE)
        .notification_channel_size(QUEUE_MAX)
}

fn failed(error: nostr_sdk::pool::pool::Error) -> NwcError {
    NwcError::Relays(error.to_string())
}
