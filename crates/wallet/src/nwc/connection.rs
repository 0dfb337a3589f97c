//! A connection: which client may use which wallet, at which relays, for how long.

use std::fmt;

use nostr_sdk::{Keys, PublicKey, RelayUrl, SecretKey};
use zeroize::Zeroizing;

use super::error::NwcError;
use super::method::Method;
use super::uri::ConnectionUri;

/// The wallet's end of one connection. Each connection should have a key of its own, so that relays
/// can't tell that two of them lead to the same house.
#[derive(Clone)]
pub struct WalletKey(Keys);

impl WalletKey {
    /// From 32 secret bytes.
    ///
    /// # Errors
    /// [`NwcError::Key`] for the few values that are no key.
    pub fn from_secret(secret: &[u8; 32]) -> Result<Self, NwcError> {
        keys(secret).map(Self)
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.0.public_key()
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.0
    }
}

impl fmt::Debug for WalletKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WalletKey({})", self.public().to_hex())
    }
}

/// The client's end of a connection, as it is made. Only [`ClientSecret::public`] is to be kept.
pub struct ClientSecret(Keys);

impl ClientSecret {
    /// From 32 random bytes.
    ///
    /// # Errors
    /// [`NwcError::Key`] for the few values that are no key.
    pub fn new(random: &[u8; 32]) -> Result<Self, NwcError> {
        keys(random).map(Self)
    }

    /// What the wallet knows the client by.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.0.public_key()
    }

    /// What the client is given, once.
    #[must_use]
    pub fn uri(&self, wallet: &WalletKey, relays: Vec<RelayUrl>) -> Zeroizing<String> {
        ConnectionUri::new(wallet.public(), relays, &self.0).expose()
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientSecret({}, redacted)", self.public().to_hex())
    }
}

fn keys(secret: &[u8; 32]) -> Result<Keys, NwcError> {
    let secret = SecretKey::from_slice(secret).map_err(|_| NwcError::Key)?;
    Ok(Keys::new(secret))
}

/// Who may ask for what.
#[derive(Clone, Debug)]
pub struct Connection {
    /// Its name for the backend and for logs.
    pub id: String,
    /// The wallet behind it. Connections of one wallet hear of each other's payments.
    pub wallet: String,
    /// The client's public key: its requests are signed with it.
    pub client: PublicKey,
    /// The wallet's end.
    pub key: WalletKey,
    /// Where both meet.
    pub relays: Vec<RelayUrl>,
    /// What it may ask for; the rest is RESTRICTED.
    pub methods: Vec<Method>,
    /// From when on (Unix seconds) it is UNAUTHORIZED: it expired, or was revoked then.
    pub ends_s: Option<u64>,
}

impl Connection {
    /// True if it has ended.
    #[must_use]
    pub fn has_ended(&self, now_s: u64) -> bool {
        self.ends_s.is_some_and(|ends_s| ends_s <= now_s)
    }
}
