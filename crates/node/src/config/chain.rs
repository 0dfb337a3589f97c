//! Where the chain is seen that the node's bitcoin is on.

use std::path::PathBuf;

use serde::Deserialize;

/// Where the chain is seen. With none of them the node has no bitcoin on the chain.
///
/// This isn't where timestamps are checked (see [`TimestampConfig`](super::TimestampConfig)): a
/// proof may be of another chain than the money.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainConfig {
    /// An Esplora server's address.
    pub esplora: Option<String>,
    /// An Electrum server's address, `tcp://` or `ssl://`.
    pub electrum: Option<String>,
    /// A Bitcoin node's RPC address.
    pub bitcoind_rpc: Option<String>,
    /// The file with that node's `user:password`, such as `.cookie`.
    pub bitcoind_cookie: Option<PathBuf>,
}

impl ChainConfig {
    /// Whether any source is named.
    #[must_use]
    pub const fn is_set(&self) -> bool {
        self.esplora.is_some() || self.electrum.is_some() || self.bitcoind_rpc.is_some()
    }

    /// Whoever names a source by a flag means that one, and not another one of the file. The
    /// cookie's file alone belongs to the RPC address that the file names.
    pub(super) fn overridden_by(self, given: &Self) -> Self {
        if given.is_set() {
            return given.clone();
        }
        Self {
            bitcoind_cookie: given.bitcoind_cookie.clone().or(self.bitcoind_cookie),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_a_flag_names_replaces_those_of_the_file() {
        let file: ChainConfig = toml::from_str(
            "esplora = 'http://127.0.0.1:1'\nelectrum = 'tcp://127.0.0.1:2'\n\
             bitcoind_cookie = '/cookie'",
        )
        .unwrap();
        assert!(file.is_set());
        let flag = ChainConfig {
            bitcoind_rpc: Some("http://127.0.0.1:3".into()),
            ..ChainConfig::default()
        };
        assert_eq!(file.clone().overridden_by(&flag), flag);
        let none = ChainConfig::default();
        assert!(!none.is_set());
        assert_eq!(file.clone().overridden_by(&none), file);
        assert!(toml::from_str::<ChainConfig>("esplorer = 'http://127.0.0.1:1'").is_err());
    }
}
