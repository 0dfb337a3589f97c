//! From an event to a request that somebody may make.

use std::sync::Arc;

use nostr_sdk::pool::monitor::MonitorNotification;
use nostr_sdk::{Event, EventId, RelayMessage, RelayPoolNotification};
use tokio::sync::Semaphore;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::{Client, Inner, lock};
use crate::nwc::admission::admit;
use crate::nwc::connection::Connection;
use crate::nwc::encryption::Encryption;
use crate::nwc::limits::{RECENT_MAX, REQUESTS_PER_CLIENT_MAX};
use crate::nwc::message::{Call, ErrorCode, Failure, Request, Response};
use crate::nwc::method::Method;
use crate::nwc::rate::{Pace, RateLimit};
use crate::nwc::relays::has_come;

/// Where an answer goes, and how it is wrapped.
#[derive(Clone, Debug)]
pub(super) struct ReplyTo {
    pub connection: Connection,
    pub event: EventId,
    pub encryption: Encryption,
}

/// An event that is being worked on, as long as this lives.
struct InHand {
    inner: Arc<Inner>,
    id: EventId,
}

impl InHand {
    /// None if it is already.
    fn take(inner: &Arc<Inner>, id: EventId) -> Option<Self> {
        lock(&inner.in_hand).insert(id).then(|| Self {
            inner: Arc::clone(inner),
            id,
        })
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        lock(&self.inner.in_hand).remove(&self.id);
    }
}

impl Inner {
    /// Takes what the relays deliver.
    pub(super) async fn listen(self: Arc<Self>, mut messages: Receiver<RelayPoolNotification>) {
        loop {
            match messages.recv().await {
                Ok(RelayPoolNotification::Message {
                    message: RelayMessage::Event { event, .. },
                    ..
                }) => self.take(event.into_owned()),
                Ok(RelayPoolNotification::Shutdown) | Err(RecvError::Closed) => return,
                // Whoever sent what was lost asks again.
                Ok(_) | Err(RecvError::Lagged(_)) => {}
            }
        }
    }

    /// Subscribes and introduces itself at each relay that comes, or comes back.
    pub(super) async fn greet(self: Arc<Self>, mut changes: Receiver<MonitorNotification>) {
        loop {
            match changes.recv().await {
                Ok(change) => {
                    if let Some(relay) = has_come(change) {
                        self.subscribe_at(&relay).await;
                        self.introduce_at([relay].into());
                    }
                }
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    }

    /// Decides whether an event is worth a task of its own, and starts it.
    fn take(self: &Arc<Self>, event: Event) {
        let connections = self.connections();
        let admitted = match admit(&event, &connections, self.now_s()) {
            Ok(admitted) => admitted,
            Err(reason) => {
                tracing::debug!(?reason, "an event is passed over");
                return;
            }
        };
        // A copy of what is being worked on gets that answer. Were it let in, it might be the one that is refused.
        let Some(in_hand) = InHand::take(self, event.id) else {
            return;
        };
        let (pace, client_at_once) = self.pace(&admitted.connection.client);
        if pace == Pace::Ignore {
            return;
        }
        let Ok(permit) = Arc::clone(&self.at_once).try_acquire_owned() else {
            tracing::warn!("too many requests at once: one is passed over");
            return;
        };
        let client_permit = client_at_once.try_acquire_owned().ok();
        let is_too_fast = pace == Pace::TooFast || client_permit.is_none();
        let reply = ReplyTo {
            connection: admitted.connection.clone(),
            event: event.id,
            encryption: admitted.encryption.unwrap_or(Encryption::Nip44V2),
        };
        let is_readable = admitted.encryption.is_some();
        let inner = Arc::clone(self);
        self.spawn(async move {
            inner.read(&event, &reply, is_readable, is_too_fast).await;
            drop((permit, client_permit, in_hand));
        });
    }

    fn pace(&self, client: &nostr_sdk::PublicKey) -> (Pace, Arc<Semaphore>) {
        let now_ms = self.now_ms();
        let mut clients = lock(&self.clients);
        let client = clients.entry(*client).or_insert_with(|| Client {
            rate: RateLimit::new(now_ms),
            at_once: Arc::new(Semaphore::new(REQUESTS_PER_CLIENT_MAX)),
        });
        (client.rate.take(now_ms), Arc::clone(&client.at_once))
    }

    /// Decrypts, and does what is asked if the connection may ask for it.
    async fn read(
        self: &Arc<Self>,
        event: &Event,
        reply: &ReplyTo,
        is_readable: bool,
        is_too_fast: bool,
    ) {
        if !is_readable {
            let message = format!("known here are {}", Encryption::SUPPORTED);
            let failure = Failure::new(ErrorCode::UnsupportedEncryption, message);
            return self.refuse(reply, "", failure).await;
        }
        let keys = reply.connection.key.keys();
        let Ok(json) = reply
            .encryption
            .decrypt(keys, &event.pubkey, &event.content)
        else {
            tracing::debug!(
                connection = reply.connection.id,
                "a request can't be decrypted"
            );
            return;
        };
        let Ok(request) = Request::parse(&json) else {
            let failure = Failure::new(ErrorCode::Other, "this isn't a request");
            return self.refuse(reply, "", failure).await;
        };
        let wanted = if is_too_fast {
            let message = "too many requests: wait a few seconds";
            Err(Failure::new(ErrorCode::RateLimited, message))
        } else {
            self.allowed(&reply.connection, request.call).await
        };
        match Method::from_name(&request.method) {
            Some(method) if method.changes_something() => {
                self.do_once(event, reply, method, wanted).await;
            }
            _ if !self.is_news(event.id) => {}
            _ => {
                let result = match wanted {
                    Ok(call) => self.answer(&reply.connection, call).await,
                    Err(failure) => Err(failure),
                };
                let response = Response::of(&request.method, result);
                self.reply(reply, &response.write()).await;
            }
        }
    }

    /// Whether a connection may do this at all.
    async fn allowed(
        &self,
        connection: &Connection,
        call: Result<Call, Failure>,
    ) -> Result<Call, Failure> {
        if connection.has_ended(self.now_s()) {
            let message = "this connection has expired or was revoked";
            return Err(Failure::new(ErrorCode::Unauthorized, message));
        }
        let call = call?;
        let method = call.method();
        if !connection.methods.contains(&method) {
            let message = format!("this connection may not {method}");
            return Err(Failure::new(ErrorCode::Restricted, message));
        }
        if !self.backend.methods(connection).await.contains(&method) {
            let message = format!("this wallet can't {method}");
            return Err(Failure::new(ErrorCode::NotImplemented, message));
        }
        Ok(call)
    }

    /// False for a question that was just answered: it came by another relay too.
    fn is_news(&self, id: EventId) -> bool {
        let mut recent = lock(&self.recent);
        if recent.contains(&id) {
            return false;
        }
        if recent.len() >= RECENT_MAX {
            recent.pop_front();
        }
        recent.push_back(id);
        true
    }
}
