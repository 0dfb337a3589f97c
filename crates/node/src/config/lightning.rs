//! How the Lightning node presents itself, and to whom.

use std::net::SocketAddr;

use serde::Deserialize;

/// How the Lightning node presents itself, and to whom.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LightningSettings {
    /// Where it listens for peers; nowhere unless it is said, since one can connect to others all the same.
    pub listen: Option<SocketAddr>,
    /// Its name in the public graph.
    pub alias: Option<String>,
    /// Who sells channels to us when a payment comes and there is no room for it (LSPS2): `NODE_ID@HOST:PORT`.
    pub lsp: Option<String>,
    /// Whether we sell such channels to others.
    pub sells_channels: bool,
}
