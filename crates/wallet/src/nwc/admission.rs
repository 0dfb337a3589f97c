//! Which events are requests worth decrypting. Pure; the clock is passed in.

use std::collections::HashMap;

use nostr_sdk::{Event, Kind, PublicKey};

use super::connection::Connection;
use super::encryption::Encryption;
use super::limits::{CONTENT_BYTES_MAX, REQUEST_AGE_MAX_S, REQUEST_AHEAD_MAX_S, TAGS_MAX};

/// The connections by their clients' keys.
pub(super) type Connections = HashMap<PublicKey, Connection>;

/// Why an event is passed over in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ignored {
    /// Not a request.
    Kind,
    /// Nobody we know.
    Stranger,
    /// A known client writes to another wallet's key.
    OtherWallet,
    /// Too long, or too many tags.
    TooLarge,
    /// Older than a request may be.
    TooOld,
    /// From the future.
    Ahead,
    /// Its own `expiration` has passed.
    Expired,
    /// Not signed by who it says.
    Signature,
}

/// A request that may be decrypted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Admitted<'a> {
    /// Whose.
    pub connection: &'a Connection,
    /// How it is encrypted; none if in a way that isn't known here.
    pub encryption: Option<Encryption>,
}

/// Judges an event, the cheapest checks first.
///
/// # Errors
/// Why it isn't to be looked at.
pub(super) fn admit<'a>(
    event: &Event,
    connections: &'a Connections,
    now_s: u64,
) -> Result<Admitted<'a>, Ignored> {
    if event.kind != Kind::WalletConnectRequest {
        return Err(Ignored::Kind);
    }
    let connection = connections.get(&event.pubkey).ok_or(Ignored::Stranger)?;
    if event.content.len() > CONTENT_BYTES_MAX || event.tags.len() > usize::from(TAGS_MAX) {
        return Err(Ignored::TooLarge);
    }
    if !event
        .tags
        .public_keys()
        .any(|key| *key == connection.key.public())
    {
        return Err(Ignored::OtherWallet);
    }
    let created_s = event.created_at.as_secs();
    if created_s.saturating_add(REQUEST_AGE_MAX_S) < now_s {
        return Err(Ignored::TooOld);
    }
    if created_s > now_s.saturating_add(REQUEST_AHEAD_MAX_S) {
        return Err(Ignored::Ahead);
    }
    if event
        .tags
        .expiration()
        .is_some_and(|expires| expires.as_secs() < now_s)
    {
        return Err(Ignored::Expired);
    }
    if event.verify().is_err() {
        return Err(Ignored::Signature);
    }
    let encryption = Encryption::of_request(event);
    Ok(Admitted {
        connection,
        encryption,
    })
}

#[cfg(test)]
mod tests {
    use nostr_sdk::{EventBuilder, JsonUtil, Keys, Tag, TagKind, Timestamp};

    use super::*;
    use crate::nwc::connection::WalletKey;

    const NOW_S: u64 = 1_700_000_000;

    struct World {
        client: Keys,
        wallet: PublicKey,
        connections: Connections,
    }

    fn world() -> World {
        let client = Keys::generate();
        let key = WalletKey::from_secret(&[7; 32]).unwrap();
        let connection = Connection {
            id: "a".into(),
            wallet: "scout".into(),
            client: client.public_key(),
            key: key.clone(),
            relays: vec![],
            methods: vec![],
            ends_s: None,
        };
        World {
            wallet: key.public(),
            connections: [(client.public_key(), connection)].into(),
            client,
        }
    }

    impl World {
        fn request(
            &self,
            created_s: u64,
            change: impl FnOnce(EventBuilder) -> EventBuilder,
        ) -> Event {
            let builder = EventBuilder::new(Kind::WalletConnectRequest, "x")
                .tag(Tag::public_key(self.wallet))
                .custom_created_at(Timestamp::from_secs(created_s));
            change(builder).sign_with_keys(&self.client).unwrap()
        }

        fn check(&self, event: &Event) -> Result<Option<Encryption>, Ignored> {
            admit(event, &self.connections, NOW_S).map(|admitted| admitted.encryption)
        }
    }

    #[test]
    fn the_window_is_inclusive_at_both_ends() {
        let world = world();
        let at = |created_s| world.check(&world.request(created_s, |b| b));
        assert!(at(NOW_S).is_ok());
        assert!(at(NOW_S - REQUEST_AGE_MAX_S).is_ok());
        assert_eq!(at(NOW_S - REQUEST_AGE_MAX_S - 1), Err(Ignored::TooOld));
        assert_eq!(at(0), Err(Ignored::TooOld));
        assert!(at(NOW_S + REQUEST_AHEAD_MAX_S).is_ok());
        assert_eq!(at(NOW_S + REQUEST_AHEAD_MAX_S + 1), Err(Ignored::Ahead));
        assert_eq!(at(u64::MAX), Err(Ignored::Ahead));
    }

    #[test]
    fn its_own_expiration_counts() {
        let world = world();
        let until = |s| world.request(NOW_S, |b| b.tag(Tag::expiration(Timestamp::from_secs(s))));
        assert!(world.check(&until(NOW_S)).is_ok());
        assert_eq!(world.check(&until(NOW_S - 1)), Err(Ignored::Expired));
    }

    #[test]
    fn the_encryption_is_the_tags() {
        let world = world();
        let named = |name: &str| {
            let tag = Tag::custom(TagKind::custom("encryption"), [name]);
            world.check(&world.request(NOW_S, |b| b.tag(tag)))
        };
        assert_eq!(named("nip44_v2"), Ok(Some(Encryption::Nip44V2)));
        assert_eq!(named("nip04"), Ok(Some(Encryption::Nip04)));
        assert_eq!(named("rot13"), Ok(None));
        assert_eq!(
            world.check(&world.request(NOW_S, |b| b)),
            Ok(Some(Encryption::Nip04))
        );
    }

    #[test]
    fn strangers_forgers_and_the_misaddressed_are_passed_over() {
        let world = world();
        let good = world.request(NOW_S, |b| b);
        let stranger = Keys::generate();
        let foreign = EventBuilder::new(Kind::WalletConnectRequest, "x")
            .tag(Tag::public_key(world.wallet))
            .custom_created_at(Timestamp::from_secs(NOW_S))
            .sign_with_keys(&stranger)
            .unwrap();
        assert_eq!(world.check(&foreign), Err(Ignored::Stranger));
        // Signed by a stranger, in the name of a client.
        let forged = foreign.as_json().replace(
            &stranger.public_key().to_hex(),
            &world.client.public_key().to_hex(),
        );
        assert_eq!(
            world.check(&Event::from_json(forged).unwrap()),
            Err(Ignored::Signature)
        );
        // The content was changed on the way.
        let changed = good
            .as_json()
            .replace(r#""content":"x""#, r#""content":"y""#);
        assert_eq!(
            world.check(&Event::from_json(changed).unwrap()),
            Err(Ignored::Signature)
        );
        let elsewhere = EventBuilder::new(Kind::WalletConnectRequest, "x")
            .tag(Tag::public_key(stranger.public_key()))
            .custom_created_at(Timestamp::from_secs(NOW_S))
            .sign_with_keys(&world.client)
            .unwrap();
        assert_eq!(world.check(&elsewhere), Err(Ignored::OtherWallet));
        let note = EventBuilder::text_note("x")
            .sign_with_keys(&world.client)
            .unwrap();
        assert_eq!(world.check(&note), Err(Ignored::Kind));
    }

    #[test]
    fn size_is_bounded() {
        let world = world();
        let long = EventBuilder::new(
            Kind::WalletConnectRequest,
            "x".repeat(CONTENT_BYTES_MAX + 1),
        )
        .tag(Tag::public_key(world.wallet))
        .custom_created_at(Timestamp::from_secs(NOW_S))
        .sign_with_keys(&world.client)
        .unwrap();
        assert_eq!(world.check(&long), Err(Ignored::TooLarge));
        let tags = (0..TAGS_MAX).map(|n| Tag::hashtag(n.to_string()));
        let many = world.request(NOW_S, |b| b.tags(tags));
        assert_eq!(world.check(&many), Err(Ignored::TooLarge));
    }
}
