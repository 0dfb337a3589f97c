//! The connection URI: all that a client needs, its secret included.

use std::fmt;
use std::str::FromStr;

use nostr_sdk::nips::nip47::NostrWalletConnectURI;
use nostr_sdk::{Keys, PublicKey, RelayUrl};
use zeroize::Zeroizing;

use super::connection::WalletKey;
use super::encryption::Encryption;
use super::error::NwcError;
use super::limits::{RELAYS_MAX, URI_BYTES_MAX};

/// `nostr+walletconnect://…?relay=…&secret=…`. Who has it can use the wallet, so it is shown once,
/// and never in a log: [`fmt::Debug`] leaves the secret out.
#[derive(Clone)]
pub struct ConnectionUri {
    inner: NostrWalletConnectURI,
}

impl ConnectionUri {
    /// From its parts.
    pub(super) fn new(wallet: PublicKey, relays: Vec<RelayUrl>, keys: &Keys) -> Self {
        let secret = keys.secret_key().clone();
        let inner = NostrWalletConnectURI::new(wallet, relays, secret, None);
        Self { inner }
    }

    /// The wallet's key.
    #[must_use]
    pub fn wallet(&self) -> PublicKey {
        self.inner.public_key
    }

    /// Where the wallet listens.
    #[must_use]
    pub fn relays(&self) -> &[RelayUrl] {
        &self.inner.relays
    }

    /// The client's keys.
    pub(super) fn keys(&self) -> Keys {
        Keys::new(self.inner.secret.clone())
    }

    /// The client's public key.
    #[must_use]
    pub fn client(&self) -> PublicKey {
        self.keys().public_key()
    }

    /// The whole text, encrypted by and for `key`: fit for a database whose copies may go astray.
    ///
    /// # Errors
    /// [`NwcError::Cipher`].
    pub fn seal(&self, key: &WalletKey) -> Result<String, NwcError> {
        Encryption::Nip44V2.encrypt(key.keys(), &key.public(), &self.expose())
    }

    /// What [`ConnectionUri::seal`] encrypted.
    ///
    /// # Errors
    /// [`NwcError::Cipher`] if it was sealed with another key, or changed.
    pub fn unseal(sealed: &str, key: &WalletKey) -> Result<Self, NwcError> {
        let text = Encryption::Nip44V2.decrypt(key.keys(), &key.public(), sealed)?;
        Zeroizing::new(text).parse()
    }

    /// The whole text, which is a secret.
    #[must_use]
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(self.inner.to_string())
    }
}

impl FromStr for ConnectionUri {
    type Err = NwcError;

    fn from_str(text: &str) -> Result<Self, NwcError> {
        let text = text.trim();
        if text.len() > URI_BYTES_MAX {
            return Err(NwcError::Uri("it is too long"));
        }
        let inner = NostrWalletConnectURI::parse(text)
            .map_err(|_| NwcError::Uri("it isn't nostr+walletconnect://KEY?relay=…&secret=…"))?;
        if inner.relays.len() > RELAYS_MAX {
            return Err(NwcError::Uri("it names too many relays"));
        }
        // What isn't a point on the curve would only be noticed when something is to be encrypted.
        if inner.public_key.xonly().is_err() {
            return Err(NwcError::Uri("the wallet's key isn't one"));
        }
        Ok(Self { inner })
    }
}

impl fmt::Debug for ConnectionUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionUri")
            .field("wallet", &self.inner.public_key.to_hex())
            .field("relays", &self.inner.relays)
            .field("secret", &"redacted")
            .finish()
    }
}

/// Reads a relay's address.
///
/// # Errors
/// [`NwcError::Relay`] if it is none.
pub fn parse_relay(text: &str) -> Result<RelayUrl, NwcError> {
    let shown = || NwcError::Relay(text.chars().take(100).collect());
    if text.len() > URI_BYTES_MAX / RELAYS_MAX {
        return Err(shown());
    }
    RelayUrl::parse(text.trim()).map_err(|_| shown())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALLET: &str = "b889ff5b1513b641e2a139f661a661364979c5beee91842f8f0ef42ab558e9d4";
    const SECRET: &str = "71a8c14c1407c113601079c4302dab36460f0ccd0ad506f1f2dc73b5100e4f3c";

    fn parse(query: &str) -> Result<ConnectionUri, NwcError> {
        format!("nostr+walletconnect://{WALLET}?{query}").parse()
    }

    #[test]
    fn the_example_of_nip_47_is_read() {
        let uri = parse(&format!("relay=wss%3A%2F%2Frelay.damus.io&secret={SECRET}")).unwrap();
        assert_eq!(uri.wallet().to_hex(), WALLET);
        assert_eq!(
            uri.relays()[0].as_str_without_trailing_slash(),
            "wss://relay.damus.io"
        );
        assert_eq!(uri.keys().secret_key().to_secret_hex(), SECRET);
        let again: ConnectionUri = uri.expose().parse().unwrap();
        assert_eq!(again.client(), uri.client());
    }

    #[test]
    fn what_lacks_a_part_is_refused_without_repeating_the_secret() {
        let many = "relay=wss%3A%2F%2Fa.example&".repeat(RELAYS_MAX + 1);
        for bad in [
            format!("secret={SECRET}"),
            "relay=wss%3A%2F%2Frelay.damus.io".to_owned(),
            format!("relay=https%3A%2F%2Fa.example&secret={SECRET}"),
            format!("{many}secret={SECRET}"),
            format!(
                "relay=wss%3A%2F%2Fa.example&secret={SECRET}&x={}",
                "y".repeat(URI_BYTES_MAX)
            ),
        ] {
            let error = parse(&bad).unwrap_err();
            assert_eq!(error.code(), "nwc_uri_invalid", "{bad}");
            assert!(!error.to_string().contains(SECRET));
        }
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_only() {
        let uri = parse(&format!("relay=wss%3A%2F%2Fa.example&secret={SECRET}")).unwrap();
        let key = |byte| WalletKey::from_secret(&[byte; 32]).unwrap();
        let sealed = uri.seal(&key(1)).unwrap();
        assert!(!sealed.contains(SECRET));
        assert_eq!(
            ConnectionUri::unseal(&sealed, &key(1)).unwrap().client(),
            uri.client()
        );
        assert!(ConnectionUri::unseal(&sealed, &key(2)).is_err());
    }

    #[test]
    fn debug_hides_the_secret() {
        let uri = parse(&format!("relay=wss%3A%2F%2Fa.example&secret={SECRET}")).unwrap();
        let shown = format!("{uri:?}");
        assert!(shown.contains(WALLET) && !shown.contains(SECRET), "{shown}");
    }
}
