//! The two ways in which messages are encrypted.

use nostr_sdk::nips::{nip04, nip44};
use nostr_sdk::{Event, Keys, PublicKey, TagKind};

use super::error::NwcError;

/// How the content of an event is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// NIP-44, version 2: what new clients use.
    Nip44V2,
    /// NIP-04: what clients use that don't name an encryption.
    Nip04,
}

impl Encryption {
    /// Both, the better first: the value of an info event's `encryption` tag.
    pub(super) const SUPPORTED: &'static str = "nip44_v2 nip04";

    /// Its name in an `encryption` tag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nip44V2 => "nip44_v2",
            Self::Nip04 => "nip04",
        }
    }

    /// The encryption of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Nip44V2, Self::Nip04]
            .into_iter()
            .find(|known| known.as_str() == name)
    }

    /// The one of a request: NIP-04 if it has no `encryption` tag, none if it names another one.
    pub(super) fn of_request(event: &Event) -> Option<Self> {
        named(event).map_or(Some(Self::Nip04), Self::from_name)
    }

    /// The best that a wallet offers in its info event: NIP-04 if that has no `encryption` tag.
    pub(super) fn best_of_info(event: &Event) -> Option<Self> {
        let Some(offered) = named(event) else {
            return Some(Self::Nip04);
        };
        let offers = |wanted: Self| offered.split(' ').any(|name| name == wanted.as_str());
        [Self::Nip44V2, Self::Nip04]
            .into_iter()
            .find(|wanted| offers(*wanted))
    }

    /// Encrypts `text` for `peer`.
    ///
    /// # Errors
    /// [`NwcError::Cipher`] if it is too long or the key isn't one.
    pub(super) fn encrypt(
        self,
        keys: &Keys,
        peer: &PublicKey,
        text: &str,
    ) -> Result<String, NwcError> {
        match self {
            Self::Nip44V2 => nip44::encrypt(keys.secret_key(), peer, text, nip44::Version::V2).ok(),
            Self::Nip04 => nip04::encrypt(keys.secret_key(), peer, text).ok(),
        }
        .ok_or(NwcError::Cipher("encrypted"))
    }

    /// Decrypts what `peer` encrypted.
    ///
    /// # Errors
    /// [`NwcError::Cipher`] if it wasn't encrypted for us in this way.
    pub(super) fn decrypt(
        self,
        keys: &Keys,
        peer: &PublicKey,
        content: &str,
    ) -> Result<String, NwcError> {
        match self {
            Self::Nip44V2 => nip44::decrypt(keys.secret_key(), peer, content).ok(),
            Self::Nip04 => nip04::decrypt(keys.secret_key(), peer, content).ok(),
        }
        .ok_or(NwcError::Cipher("decrypted"))
    }
}

fn named(event: &Event) -> Option<&str> {
    event.tags.find(TagKind::custom("encryption"))?.content()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_by_itself_only() {
        let (a, b) = (Keys::generate(), Keys::generate());
        for way in [Encryption::Nip44V2, Encryption::Nip04] {
            let content = way.encrypt(&a, &b.public_key(), "hello").unwrap();
            assert_eq!(way.decrypt(&b, &a.public_key(), &content).unwrap(), "hello");
            let other = match way {
                Encryption::Nip44V2 => Encryption::Nip04,
                Encryption::Nip04 => Encryption::Nip44V2,
            };
            assert!(other.decrypt(&b, &a.public_key(), &content).is_err());
            assert_eq!(Encryption::from_name(way.as_str()), Some(way));
        }
    }
}
