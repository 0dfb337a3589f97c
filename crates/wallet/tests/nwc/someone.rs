//! A client that writes its events by hand, and sees every answer.

use std::time::Duration;

use nostr_sdk::nips::{nip04, nip44};
use nostr_sdk::{
    Client, Event, EventBuilder, Filter, Keys, Kind, PublicKey, RelayMessage,
    RelayPoolNotification, Tag, TagKind, Timestamp,
};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use wallet::nwc::{ConnectionUri, RelayUrl};

use crate::world::{LONG, now_ms};

pub struct Someone {
    pub keys: Keys,
    wallet: PublicKey,
    client: Client,
    messages: Receiver<RelayPoolNotification>,
}

/// How a hand-made request differs from a good one.
pub struct Odd {
    pub created_s: u64,
    pub expires_s: Option<u64>,
    /// None leaves the tag out, and NIP-04 is used.
    pub encryption: Option<&'static str>,
}

impl Default for Odd {
    fn default() -> Self {
        Self {
            created_s: now_ms() / 1_000,
            expires_s: None,
            encryption: Some("nip44_v2"),
        }
    }
}

impl Someone {
    /// With the keys of the URI.
    pub async fn new(uri: &ConnectionUri) -> Self {
        let text = uri.expose();
        let (_, secret) = text.split_once("secret=").unwrap();
        Self::with(
            Keys::parse(&secret[..64]).unwrap(),
            uri.wallet(),
            uri.relays(),
        )
        .await
    }

    pub async fn with(keys: Keys, wallet: PublicKey, relays: &[RelayUrl]) -> Self {
        let client = Client::default();
        let messages = client.notifications();
        for relay in relays {
            client.add_relay(relay).await.unwrap();
        }
        client.connect().await;
        client.wait_for_connection(LONG).await;
        let filter = Filter::new().author(wallet).pubkey(keys.public_key());
        client.subscribe(filter, None).await.unwrap();
        Self {
            keys,
            wallet,
            client,
            messages,
        }
    }

    pub fn request(&self, json: &Value) -> Event {
        self.odd_request(json, &Odd::default())
    }

    pub fn odd_request(&self, json: &Value, odd: &Odd) -> Event {
        let (secret, text) = (self.keys.secret_key(), json.to_string());
        let content = match odd.encryption {
            Some("nip44_v2") => {
                nip44::encrypt(secret, &self.wallet, text, nip44::Version::V2).unwrap()
            }
            _ => nip04::encrypt(secret, &self.wallet, text).unwrap(),
        };
        self.event(content, odd)
    }

    pub fn event(&self, content: String, odd: &Odd) -> Event {
        let mut tags = vec![Tag::public_key(self.wallet)];
        tags.extend(
            odd.encryption
                .map(|name| Tag::custom(TagKind::custom("encryption"), [name])),
        );
        tags.extend(
            odd.expires_s
                .map(|s| Tag::expiration(Timestamp::from_secs(s))),
        );
        EventBuilder::new(Kind::WalletConnectRequest, content)
            .tags(tags)
            .custom_created_at(Timestamp::from_secs(odd.created_s))
            .sign_with_keys(&self.keys)
            .unwrap()
    }

    /// Sends an event, as often as one likes.
    pub async fn send(&self, event: &Event) {
        self.client.send_event(event).await.unwrap();
    }

    /// The next thing that the wallet says: the event, and what is in it.
    pub async fn hear(&mut self) -> (Event, Value) {
        tokio::time::timeout(LONG, async {
            loop {
                if let RelayPoolNotification::Message {
                    message: RelayMessage::Event { event, .. },
                    ..
                } = self.messages.recv().await.unwrap()
                {
                    let event = event.into_owned();
                    let json = self.decrypt(&event);
                    return (event, serde_json::from_str(&json).unwrap());
                }
            }
        })
        .await
        .expect("the wallet says something")
    }

    /// Sends a request and hears its answer, past whatever else is said.
    pub async fn ask(&mut self, event: &Event) -> Value {
        self.send(event).await;
        loop {
            let (heard, json) = self.hear().await;
            if heard.tags.event_ids().any(|id| *id == event.id) {
                return json;
            }
        }
    }

    /// True if nothing is said for a while. Only after something else shows that the wallet listens.
    pub async fn hears_nothing(&mut self) -> bool {
        let heard = async {
            while !matches!(
                self.messages.recv().await.unwrap(),
                RelayPoolNotification::Message {
                    message: RelayMessage::Event { .. },
                    ..
                }
            ) {}
        };
        tokio::time::timeout(Duration::from_millis(300), heard)
            .await
            .is_err()
    }

    fn decrypt(&self, event: &Event) -> String {
        let secret = self.keys.secret_key();
        if event.content.contains("?iv=") {
            nip04::decrypt(secret, &self.wallet, &event.content).unwrap()
        } else {
            nip44::decrypt(secret, &self.wallet, &event.content).unwrap()
        }
    }
}
