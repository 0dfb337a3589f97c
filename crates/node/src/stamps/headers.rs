//! The chain of headers that timestamps are checked against, and where it comes from.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use timestamp::headers::sources::{
    Esplora, HeaderSource, NodeRpc, Peer, Progress, RpcAuth, Synced, seed_addresses, sync,
};
use timestamp::headers::{Attested, HeaderFile, HeaderStore, HeaderWriter, Params};

use super::StampError;
use crate::Config;

/// How many peers are asked when none is named: one fills the chain, the others are compared.
const SEEDED_PEERS: usize = 3;

/// How far the chain has come: `(source, stored height, its target height)`.
pub type HeaderProgress<'a> = dyn FnMut(&str, u32, u32) + Send + 'a;

/// Where headers are kept, and where they come from.
#[derive(Debug, Clone)]
pub struct HeaderSources {
    /// `mainnet`, `signet`, `testnet4` or `regtest`.
    pub chain: String,
    /// The folder that keeps the chain.
    pub folder: PathBuf,
    /// A file of headers to use instead of all else, and the height of its first header.
    pub file: Option<(PathBuf, Option<u32>)>,
    /// Bitcoin nodes' RPC addresses.
    pub bitcoin_nodes: Vec<String>,
    /// The file with the nodes' `user:password`, such as `.cookie`.
    pub bitcoin_auth: Option<PathBuf>,
    /// Esplora servers' addresses.
    pub esplora: Vec<String>,
    /// Peers' addresses.
    pub peers: Vec<SocketAddr>,
    /// Never ask anybody.
    pub is_offline: bool,
}

/// What is known of the chain, opened.
pub(super) enum Chain {
    File(HeaderFile),
    Store(HeaderStore),
}

impl Chain {
    pub fn attest(
        &self,
        digest: &[u8],
        height: u32,
    ) -> Result<Attested, timestamp::headers::Error> {
        match self {
            Self::File(file) => file.attest(digest, height),
            Self::Store(store) => store.attest(digest, height),
        }
    }

    /// Where the headers come from, and what that is worth.
    pub fn describe(&self, height: u32) -> String {
        match self {
            Self::Store(_) => "checked headers from the genesis block on".to_owned(),
            Self::File(file) if file.coverage().is_conclusive_at(height) => {
                "the given headers, which are tied to the network's chain".to_owned()
            }
            Self::File(_) => "the given headers, which stand for no more than their own work: \
                              they are not tied to the genesis block or a checkpoint"
                .to_owned(),
        }
    }
}

impl HeaderSources {
    /// The headers of Bitcoin's main chain that this machine has.
    pub(crate) fn offline(config: &Config) -> Self {
        Self {
            chain: "mainnet".to_owned(),
            folder: Self::folder(config),
            file: None,
            bitcoin_nodes: Vec::new(),
            bitcoin_auth: None,
            esplora: Vec::new(),
            peers: Vec::new(),
            is_offline: true,
        }
    }

    /// Where headers are kept. All networks of money share them.
    #[must_use]
    pub fn folder(config: &Config) -> PathBuf {
        config.data_dir.join("headers")
    }

    /// The newest header that is there: its height, and the network's difficulty. Nobody is asked.
    pub(crate) fn tip(&self) -> Option<(u32, f64)> {
        let params = self.params().ok()?;
        let store = HeaderStore::open(&self.folder.join(params.name()), params).ok()?;
        let height = store.tip().height;
        let header = store.header(height).ok()?;
        Some((height, header.difficulty_float()))
    }

    fn params(&self) -> Result<Arc<Params>, StampError> {
        Params::named(&self.chain)
            .map(Arc::new)
            .ok_or_else(|| StampError::UnknownChain(self.chain.clone()))
    }

    /// Opens what is there; asks the sources only if `height` isn't there yet.
    pub(super) async fn open(
        &self,
        height: u32,
        now_unix_s: u64,
        progress: &mut HeaderProgress<'_>,
    ) -> Result<Chain, StampError> {
        let params = self.params()?;
        if let Some((path, start)) = &self.file {
            let file = HeaderFile::open(path, *start, params, now_unix_s)?;
            return Ok(Chain::File(file));
        }
        let folder = self.folder.join(params.name());
        if let Ok(store) = HeaderStore::open(&folder, params.clone())
            && (store.tip().height >= height || self.is_offline)
        {
            return Ok(Chain::Store(store));
        }
        if !self.is_offline {
            self.sync(now_unix_s, progress).await?;
        }
        Ok(Chain::Store(HeaderStore::open(&folder, params)?))
    }

    /// Fills the chain from the sources, and compares them.
    ///
    /// # Errors
    /// If none works, or they contradict each other.
    pub async fn sync(
        &self,
        now_unix_s: u64,
        progress: &mut HeaderProgress<'_>,
    ) -> Result<Synced, StampError> {
        let params = self.params()?;
        let folder = self.folder.join(params.name());
        create_folder(&folder)?;
        let sources = self.connect(&params).await?;
        let mut writer = HeaderWriter::open(&folder, params)?;
        let mut report = |at: Progress<'_>| progress(at.source, at.height, at.target_height);
        Ok(sync(&mut writer, &sources, now_unix_s, &mut report).await?)
    }

    async fn connect(&self, params: &Params) -> Result<Vec<Box<dyn HeaderSource>>, StampError> {
        let mut sources: Vec<Box<dyn HeaderSource>> = Vec::new();
        for address in &self.bitcoin_nodes {
            let auth = self.bitcoin_auth.clone().map(RpcAuth::File);
            sources.push(Box::new(NodeRpc::new(address, auth)?));
        }
        let mut peers = self.peers.clone();
        if sources.is_empty() && peers.is_empty() && self.esplora.is_empty() {
            peers = seed_addresses(params, SEEDED_PEERS).await;
        }
        for address in peers {
            sources.push(Box::new(Peer::new(address, params)));
        }
        // One header a request: the slowest way to fill a chain, and a good one to check it.
        for address in &self.esplora {
            sources.push(Box::new(Esplora::new(address)?));
        }
        Ok(sources)
    }
}

fn create_folder(folder: &Path) -> Result<(), StampError> {
    std::fs::create_dir_all(folder).map_err(StampError::file(folder))
}
