//! What a Lightning node needs to know.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use bitcoin::Network;
use bitcoin::secp256k1::PublicKey;

/// Where blocks and transactions come from.
#[derive(Clone, PartialEq, Eq)]
pub enum ChainSource {
    /// An Esplora server.
    Esplora {
        /// Its address, up to and without the path of an endpoint.
        url: String,
    },
    /// An Electrum server.
    Electrum {
        /// Its address: `tcp://host:port` or `ssl://host:port`.
        url: String,
    },
    /// A Bitcoin node.
    BitcoindRpc {
        /// Its host.
        host: String,
        /// Its RPC port.
        port: u16,
        /// The RPC user.
        user: String,
        /// The RPC password.
        password: String,
    },
}

impl fmt::Debug for ChainSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Esplora { url } => write!(f, "Esplora({})", without_login(url)),
            Self::Electrum { url } => write!(f, "Electrum({})", without_login(url)),
            Self::BitcoindRpc { host, port, .. } => write!(f, "BitcoindRpc({host}:{port})"),
        }
    }
}

/// An address without the name and password that may stand in it.
fn without_login(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

/// How often the node looks at the chain by itself. The library looks at most every ten seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncIntervals {
    /// The wallet's own coins.
    pub onchain_s: u64,
    /// The channels: an old state that a peer broadcasts must be found in time.
    pub channels_s: u64,
    /// What transactions have to pay.
    pub fee_rates_s: u64,
}

impl Default for SyncIntervals {
    fn default() -> Self {
        Self {
            onchain_s: 60,
            channels_s: 30,
            fee_rates_s: 600,
        }
    }
}

/// Who sells us channels just in time (LSPS2).
#[derive(Clone, PartialEq, Eq)]
pub struct LspAddress {
    /// The seller's node. Its channels are used before they are in a block.
    pub node_id: PublicKey,
    /// Where it listens.
    pub address: String,
    /// What it may ask for in order to know us.
    pub token: Option<String>,
}

impl fmt::Debug for LspAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LspAddress({}@{})", self.node_id, self.address)
    }
}

/// On what terms we sell channels just in time (LSPS2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JitTerms {
    /// The least that opening a channel costs.
    pub fee_min_msat: u64,
    /// What it costs in proportion to the payment, in millionths.
    pub fee_ppm: u32,
    /// How much larger than the payment the channel is, in millionths.
    pub spare_ppm: u32,
    /// For how many blocks the channel stays open at least.
    pub lifetime_blocks: u32,
    /// The smallest payment.
    pub payment_min_msat: u64,
    /// The largest payment.
    pub payment_max_msat: u64,
}

impl Default for JitTerms {
    fn default() -> Self {
        Self {
            fee_min_msat: 1_000_000,
            fee_ppm: 5_000,
            spare_ppm: 1_000_000,
            lifetime_blocks: 1_008,
            payment_min_msat: 10_000_000,
            payment_max_msat: 1_000_000_000,
        }
    }
}

/// What a [`super::Lightning`] node needs to know.
#[derive(Clone)]
pub struct LightningConfig {
    /// The network.
    pub network: Network,
    /// The node's own folder. Nobody else may be able to read it.
    pub storage_dir: PathBuf,
    /// The root of all of the node's keys.
    pub seed: [u8; 64],
    /// Where blocks come from.
    pub chain: ChainSource,
    /// Where to listen; port 0 chooses a free one. Nowhere if empty.
    pub listen: Vec<SocketAddr>,
    /// The name in the public graph. Channels can be announced only by a node that has one and listens.
    pub alias: Option<String>,
    /// Who sells us channels.
    pub lsp: Option<LspAddress>,
    /// On what terms we sell channels.
    pub jit_service: Option<JitTerms>,
    /// Peers whose channels are used before they are in a block.
    pub trusted_peers: Vec<PublicKey>,
    /// How often the chain is looked at; never by itself if missing, which suits tests.
    pub sync: Option<SyncIntervals>,
}

impl LightningConfig {
    /// A node that listens nowhere and looks at the chain every half a minute.
    #[must_use]
    pub fn new(network: Network, storage_dir: PathBuf, seed: [u8; 64], chain: ChainSource) -> Self {
        Self {
            network,
            storage_dir,
            seed,
            chain,
            listen: Vec::new(),
            alias: None,
            lsp: None,
            jit_service: None,
            trusted_peers: Vec::new(),
            sync: Some(SyncIntervals::default()),
        }
    }
}

impl fmt::Debug for LightningConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LightningConfig")
            .field("network", &self.network)
            .field("storage_dir", &self.storage_dir)
            .field("chain", &self.chain)
            .field("listen", &self.listen)
            .field("lsp", &self.lsp)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let rpc = ChainSource::BitcoindRpc {
            host: "node".into(),
            port: 8332,
            user: "me".into(),
            password: "hunter2".into(),
        };
        let url = "https://me:hunter2@example.org/api@1".to_owned();
        let mut config = LightningConfig::new(Network::Regtest, "dir".into(), [0xab; 64], rpc);
        config.lsp = Some(LspAddress {
            node_id: "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619"
                .parse()
                .unwrap(),
            address: "host:1".into(),
            token: Some("hunter2".into()),
        });
        let shown = format!("{config:?} {:?}", ChainSource::Esplora { url });
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(!shown.contains("171"), "{shown}");
        assert!(shown.contains("https://example.org/api@1"), "{shown}");
    }
}
