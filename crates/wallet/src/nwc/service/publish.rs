//! What the service says: answers, notifications, and what it can do.

use std::collections::HashSet;
use std::sync::Arc;

use nostr_sdk::{Event, EventBuilder, Kind, RelayUrl, Tag, TagKind, Timestamp};
use serde_json::json;

use super::intake::ReplyTo;
use super::{Inner, lock};
use crate::nwc::connection::Connection;
use crate::nwc::encryption::Encryption;
use crate::nwc::error::NwcError;
use crate::nwc::message::{Failure, Response};
use crate::nwc::transaction::{NotificationKind, Transaction};

/// Of notifications encrypted with NIP-44; those with NIP-04 have a kind of their own, 23196.
const NOTIFICATION: Kind = Kind::Custom(23_197);

impl Inner {
    /// Answers with a refusal.
    pub(super) async fn refuse(&self, to: &ReplyTo, method: &str, failure: Failure) {
        tracing::debug!(connection = to.connection.id, method, %failure, "a request is refused");
        self.reply(to, &Response::refused(method, failure).write())
            .await;
    }

    /// Answers with the text of a response.
    pub(super) async fn reply(&self, to: &ReplyTo, json: &str) {
        // From here on a copy gets what is recorded: whoever sends one may have heard this answer already.
        lock(&self.in_hand).remove(&to.event);
        lock(&self.in_flight).remove(&to.event.to_hex());
        let tags = [Tag::public_key(to.connection.client), Tag::event(to.event)];
        let event = self.seal(
            &to.connection,
            Kind::WalletConnectResponse,
            to.encryption,
            json,
            &tags,
        );
        match event {
            Ok(event) => self.publish(&to.connection, &event).await,
            Err(error) => {
                tracing::error!(code = error.code(), "an answer can't be written: {error}")
            }
        }
    }

    /// See [`super::Service::notify`].
    pub(super) async fn notify(
        &self,
        wallet: &str,
        kind: NotificationKind,
        transaction: &Transaction,
    ) {
        let json =
            json!({ "notification_type": kind.as_str(), "notification": transaction }).to_string();
        let connections = self.connections();
        let now_s = self.now_s();
        let told = connections
            .values()
            .filter(|connection| connection.wallet == wallet && !connection.has_ended(now_s));
        for connection in told {
            // NIP-47 wants both: which one a client reads isn't known.
            for (kind, encryption) in [
                (NOTIFICATION, Encryption::Nip44V2),
                (Kind::WalletConnectNotification, Encryption::Nip04),
            ] {
                let tags = [Tag::public_key(connection.client)];
                match self.seal(connection, kind, encryption, &json, &tags) {
                    Ok(event) => self.publish(connection, &event).await,
                    Err(error) => tracing::error!(code = error.code(), "{error}"),
                }
            }
        }
    }

    /// Publishes at `relays` what the connections that meet there can do. In the background: a relay
    /// that takes its time must not hold up a revocation.
    pub(super) fn introduce_at(self: &Arc<Self>, relays: HashSet<RelayUrl>) {
        let inner = Arc::clone(self);
        self.spawn(async move {
            let connections = inner.connections();
            for connection in connections.values() {
                inner.introduce(connection, &relays).await;
            }
        });
    }

    async fn introduce(&self, connection: &Connection, relays: &HashSet<RelayUrl>) {
        let mut here = connection.relays.clone();
        here.retain(|relay| relays.contains(relay));
        if here.is_empty() || connection.has_ended(self.now_s()) {
            return;
        }
        match self.info_event(connection).await {
            // A relay that is away is told when it comes.
            Ok(event) => {
                self.relays.send(&here, &event).await;
            }
            Err(error) => tracing::error!(code = error.code(), "{error}"),
        }
    }

    async fn info_event(&self, connection: &Connection) -> Result<Event, NwcError> {
        let offered = self.backend.methods(connection).await;
        let methods = connection
            .methods
            .iter()
            .filter(|method| offered.contains(method));
        let mut words: Vec<&str> = methods.map(|method| method.as_str()).collect();
        words.push("notifications");
        let notifications = NotificationKind::SUPPORTED.join(" ");
        let tags = [
            Tag::custom(TagKind::custom("encryption"), [Encryption::SUPPORTED]),
            Tag::custom(TagKind::custom("notifications"), [notifications]),
        ];
        self.sign(connection, Kind::WalletConnectInfo, words.join(" "), &tags)
    }

    fn seal(
        &self,
        connection: &Connection,
        kind: Kind,
        encryption: Encryption,
        text: &str,
        tags: &[Tag],
    ) -> Result<Event, NwcError> {
        let content = encryption.encrypt(connection.key.keys(), &connection.client, text)?;
        self.sign(connection, kind, content, tags)
    }

    fn sign(
        &self,
        connection: &Connection,
        kind: Kind,
        content: String,
        tags: &[Tag],
    ) -> Result<Event, NwcError> {
        EventBuilder::new(kind, content)
            .tags(tags.iter().cloned())
            .custom_created_at(Timestamp::from_secs(self.now_s()))
            .sign_with_keys(connection.key.keys())
            .map_err(|_| NwcError::Signature)
    }

    async fn publish(&self, connection: &Connection, event: &Event) {
        if !self.relays.publish(&connection.relays, event).await {
            // The client asks again, or looks its payment up.
            tracing::warn!(connection = connection.id, "no relay took an answer");
        }
    }
}
