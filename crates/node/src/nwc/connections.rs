//! Connections: made, shown, revoked.

use serde::{Deserialize, Serialize};
use wallet::WalletError;
use wallet::nwc::{
    CONNECTIONS_MAX, ClientSecret, Connection, Method, NwcError, RELAYS_MAX, RelayUrl, parse_relay,
};
use wallet::purse::{self, PurseName};
use zeroize::Zeroizing;

use super::store;
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// For how long the client of a connection that ended is told so.
const ENDED_KEPT_MS: i64 = 30 * 24 * 60 * 60 * 1_000;
/// The longest life of a connection that has one: ten years.
const EXPIRES_MAX_S: u64 = 10 * 365 * 24 * 60 * 60;
/// The most connections that are open; the rest of the service's places are for those that ended.
const OPEN_MAX: usize = CONNECTIONS_MAX / 2;

/// A connection that is wanted.
#[derive(Clone, Debug)]
pub struct NewNwc {
    /// The purse that it spends from.
    pub purse: PurseName,
    /// Where both meet; none means the configured relays.
    pub relays: Vec<String>,
    /// How long it lives; none means until it is revoked.
    pub expires_s: Option<u64>,
    /// True if it may look but not pay.
    pub read_only: bool,
}

/// A connection as it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NwcConnectionView {
    /// Its id.
    pub id: String,
    /// The purse that it spends from.
    pub purse: PurseName,
    /// The client's public key.
    pub client: String,
    /// Where both meet.
    pub relays: Vec<String>,
    /// True if it may look but not pay.
    pub read_only: bool,
    /// Made at, Unix milliseconds.
    pub created_ms: i64,
    /// Ends at, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// Revoked at, Unix milliseconds.
    pub revoked_ms: Option<i64>,
}

/// A connection that was just made.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewNwcConnection {
    /// The connection.
    pub connection: NwcConnectionView,
    /// What the other program needs. It is shown this once; the node can't make it again.
    pub uri: String,
}

impl std::fmt::Debug for NewNwcConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewNwcConnection")
            .field("connection", &self.connection)
            .field("uri", &"redacted")
            .finish()
    }
}

impl NwcConnectionView {
    /// When it ended or will end.
    fn ends_ms(&self) -> Option<i64> {
        match (self.expires_ms, self.revoked_ms) {
            (Some(expires_ms), Some(revoked_ms)) => Some(expires_ms.min(revoked_ms)),
            (ends_ms, None) | (None, ends_ms) => ends_ms,
        }
    }

    fn is_open(&self, now_ms: i64) -> bool {
        self.ends_ms().is_none_or(|ends_ms| ends_ms > now_ms)
    }

    fn methods(&self) -> Vec<Method> {
        let may = |method: &Method| !self.read_only || !method.changes_something();
        Method::ALL.into_iter().filter(may).collect()
    }
}

impl Node {
    /// Makes a connection, and the URI that opens it.
    ///
    /// # Errors
    /// `purse_unknown`, `purse_revoked`, `nwc_relay_missing`, `nwc_relay_invalid`,
    /// `nwc_too_many_connections`, or a database error.
    #[boxed]
    pub async fn nwc_new(&self, wanted: NewNwc) -> Result<NewNwcConnection> {
        let relays = self.relays_for(&wanted.relays)?;
        let secret = ClientSecret::new(&Zeroizing::new(rand::random()))?;
        let client = secret.public().to_hex();
        let key = self.inner.nwc.wallet_key(&client)?;
        let created_ms = now_ms();
        let lifetime_ms = |s: u64| i64::try_from(s.min(EXPIRES_MAX_S) * 1_000).unwrap_or(i64::MAX);
        let connection = NwcConnectionView {
            id: client.chars().take(16).collect(),
            purse: wanted.purse,
            client,
            relays: relays
                .iter()
                .map(|url| url.as_str_without_trailing_slash().to_owned())
                .collect(),
            read_only: wanted.read_only,
            created_ms,
            expires_ms: wanted
                .expires_s
                .map(|s| created_ms.saturating_add(lifetime_ms(s))),
            revoked_ms: None,
        };
        let row = connection.clone();
        self.inner
            .db
            .write(move |tx| -> Result<()> {
                if purse::find(tx, &row.purse)?.revoked_ms.is_some() {
                    return Err(WalletError::Revoked(row.purse.to_string()).into());
                }
                let open = store::list(tx)?
                    .iter()
                    .filter(|c| c.is_open(created_ms))
                    .count();
                if open >= OPEN_MAX {
                    return Err(NwcError::TooManyConnections { max: OPEN_MAX }.into());
                }
                store::insert(tx, &row)
            })
            .await?;
        self.inner.nwc.changed.notify_one();
        let uri = secret.uri(&key, relays).to_string();
        Ok(NewNwcConnection { connection, uri })
    }

    /// All connections, the newest first.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn nwc_list(&self) -> Result<Vec<NwcConnectionView>> {
        self.inner.db.write(|tx| store::list(tx)).await
    }

    /// Ends a connection, at once and for good.
    ///
    /// # Errors
    /// `not_found`, or a database error.
    #[boxed]
    pub async fn nwc_revoke(&self, id: &str) -> Result<NwcConnectionView> {
        let wanted = id.to_owned();
        let revoked = self
            .inner
            .db
            .write(move |tx| -> Result<_> {
                let is_known = store::revoke(tx, &wanted, now_ms())?;
                let found = store::list(tx)?.into_iter().find(|c| c.id == wanted);
                let missing = NodeError::NotFound {
                    what: "connection",
                    id: wanted,
                };
                found.filter(|_| is_known).ok_or(missing)
            })
            .await?;
        self.inner.nwc.changed.notify_one();
        Ok(revoked)
    }

    /// What the service serves: those that are open, and those that ended a little while ago.
    pub(super) async fn nwc_connections(&self) -> Result<Vec<Connection>> {
        let now_ms = now_ms();
        let mut views = self.nwc_list().await?;
        views.retain(|view| {
            view.ends_ms()
                .is_none_or(|ends_ms| ends_ms > now_ms - ENDED_KEPT_MS)
        });
        // The open ones first: if there are too many, those that ended go without an answer.
        views.sort_by_key(|view| !view.is_open(now_ms));
        views.truncate(CONNECTIONS_MAX);
        views.iter().map(|view| self.nwc_connection(view)).collect()
    }

    fn nwc_connection(&self, view: &NwcConnectionView) -> Result<Connection> {
        let relays: std::result::Result<_, _> =
            view.relays.iter().map(|url| parse_relay(url)).collect();
        Ok(Connection {
            id: view.id.clone(),
            wallet: view.purse.to_string(),
            client: wallet::nwc::PublicKey::from_hex(&view.client).map_err(|_| NwcError::Key)?,
            key: self.inner.nwc.wallet_key(&view.client)?,
            relays: relays?,
            methods: view.methods(),
            ends_s: view
                .ends_ms()
                .map(|ends_ms| ends_ms.max(0).unsigned_abs() / 1_000),
        })
    }

    fn relays_for(&self, wanted: &[String]) -> Result<Vec<RelayUrl>> {
        let named = if wanted.is_empty() {
            &self.inner.config.nwc.relays
        } else {
            wanted
        };
        if named.is_empty() {
            return Err(NodeError::NwcRelayMissing);
        }
        if named.len() > RELAYS_MAX {
            return Err(NwcError::Relay(format!("the {}th relay", RELAYS_MAX + 1)).into());
        }
        let relays: std::result::Result<_, _> = named.iter().map(|url| parse_relay(url)).collect();
        Ok(relays?)
    }
}
