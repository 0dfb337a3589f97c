//! The Lightning node of this node: its folder, its keys, and where it sees the chain.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use wallet::Db;
use wallet::cashier::Cashier;
use wallet::lightning::{ChainSource, JitTerms, LightningConfig, LspAddress};

use crate::config::{ChainConfig, Config, Network};
use crate::error::{NodeError, Result};
use crate::files;
use crate::keys::Seed;

const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Opens the Lightning node, on networks that have one.
pub(crate) async fn open(config: &Config, seed: &Seed, db: &Db) -> Result<Option<Cashier>> {
    if !config.network.has_lightning() {
        return Ok(None);
    }
    let folder = config.network_dir().join("lightning");
    files::private_dir(&folder)?;
    let chain = chain_source(&config.chain, config.network)?;
    let mut lightning = LightningConfig::new(
        config.network.chain(),
        folder,
        seed.derive("lightning"),
        chain,
    );
    lightning.alias.clone_from(&config.lightning.alias);
    lightning.lsp = config.lightning.lsp.as_deref().map(lsp).transpose()?;
    lightning.jit_service = config.lightning.sells_channels.then(JitTerms::default);
    if config.is_server {
        lightning.listen.extend(config.lightning.listen);
        if config.network == Network::Sandbox && lightning.listen.is_empty() {
            // The neighbour comes to us.
            lightning.listen.push(ANY_PORT);
        }
    }
    Ok(Some(Cashier::open(lightning, db.clone()).await?))
}

/// `NODE_ID@HOST:PORT`
fn lsp(text: &str) -> Result<LspAddress> {
    let wrong = || NodeError::Config(format!("[lightning] lsp: {text:?} isn't NODE_ID@HOST:PORT"));
    let (node_id, address) = text.split_once('@').ok_or_else(wrong)?;
    Ok(LspAddress {
        node_id: node_id.parse().map_err(|_| wrong())?,
        address: address.to_owned(),
        token: None,
    })
}

fn chain_source(chain: &ChainConfig, network: Network) -> Result<ChainSource> {
    if let Some(url) = &chain.esplora {
        return Ok(ChainSource::Esplora { url: url.clone() });
    }
    if let Some(url) = &chain.electrum {
        return Ok(ChainSource::Electrum { url: url.clone() });
    }
    if let (Some(url), Some(cookie)) = (&chain.bitcoind_rpc, &chain.bitcoind_cookie) {
        return bitcoind(url, cookie);
    }
    Err(NodeError::Config(format!(
        "the network `{network}` needs to see the chain: name an Esplora server (--chain-esplora URL), an Electrum \
         server (--chain-electrum URL) or a Bitcoin node (--chain-bitcoind URL --chain-cookie FILE)"
    )))
}

fn bitcoind(url: &str, cookie: &Path) -> Result<ChainSource> {
    let wrong = |why: &str| NodeError::Config(format!("[chain] bitcoind_rpc: {why}"));
    let url = url::Url::parse(url).map_err(|error| wrong(&error.to_string()))?;
    let login = std::fs::read_to_string(cookie)
        .map_err(|error| wrong(&format!("{}: {error}", cookie.display())))?;
    let (user, password) = login
        .trim()
        .split_once(':')
        .ok_or_else(|| wrong("the cookie's file isn't USER:PASSWORD"))?;
    Ok(ChainSource::BitcoindRpc {
        host: url.host_str().ok_or_else(|| wrong("no host"))?.to_owned(),
        port: url.port_or_known_default().unwrap_or(8332),
        user: user.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_without_a_chain_is_refused_with_what_to_do() {
        let none = ChainConfig::default();
        let error = chain_source(&none, Network::Signet).unwrap_err();
        assert_eq!(error.code(), "config_invalid");
        assert!(error.to_string().contains("--chain-esplora"));
    }

    #[test]
    fn a_cookie_is_read_and_a_damaged_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let cookie = dir.path().join(".cookie");
        std::fs::write(&cookie, "__cookie__:secret\n").unwrap();
        let source = bitcoind("http://127.0.0.1:18443", &cookie).unwrap();
        assert!(matches!(
            source,
            ChainSource::BitcoindRpc { port: 18443, .. }
        ));
        assert!(!format!("{source:?}").contains("secret"));
        std::fs::write(&cookie, "nothing").unwrap();
        assert!(bitcoind("http://127.0.0.1:18443", &cookie).is_err());
        assert!(bitcoind("nonsense", &cookie).is_err());
    }

    #[test]
    fn an_lsp_is_a_node_and_where_it_listens() {
        let id = "02eec7245d6b7d2ccb30380bfbe2a3648cd7a942653f5aa340edcea1f283686619";
        assert_eq!(
            lsp(&format!("{id}@host:9735")).unwrap().address,
            "host:9735"
        );
        assert!(lsp("host:9735").is_err());
        assert!(lsp("x@host:9735").is_err());
    }
}
