//! Configuration: a TOML file in the XDG directories, overridden by flags.

mod backup;
mod chain;
mod energy;
mod fetch;
mod lightning;
mod network;

use std::env;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{NodeError, Result};

pub use backup::BackupConfig;
pub use chain::ChainConfig;
pub use energy::EnergyConfig;
pub use fetch::FetchConfig;
pub use lightning::LightningSettings;
pub use network::Network;

/// Where the node listens unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8402);

/// Prices for strangers, in millisatoshi a token. Zero for both opens the door to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriceConfig {
    /// For each token of the prompt.
    pub prompt_msat_per_token: u64,
    /// For each token of the answer.
    pub completion_msat_per_token: u64,
}

impl Default for PriceConfig {
    fn default() -> Self {
        Self {
            prompt_msat_per_token: 10,
            completion_msat_per_token: 100,
        }
    }
}

/// How models run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineSettings {
    /// Prompt and answer of one request together; none means what the model was trained with.
    pub context_tokens: Option<u32>,
    /// Threads that compute; none means all cores.
    pub threads: Option<u32>,
    /// Requests answered at the same time.
    pub parallel: u32,
    /// The longest answer for a request that doesn't say.
    pub max_tokens_default: u32,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            context_tokens: None,
            threads: None,
            parallel: 4,
            max_tokens_default: 512,
        }
    }
}

/// Where timestamps are made and checked. Flags of the commands win over it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimestampConfig {
    /// The calendars to stamp at; none means the public ones. If any are named, the log of what
    /// the model says is anchored at them too, whatever the network.
    pub calendars: Vec<String>,
    /// Bitcoin nodes' RPC addresses, for block headers.
    pub bitcoin_nodes: Vec<String>,
    /// The file with the nodes' `user:password`, such as `.cookie`.
    pub bitcoin_cookie: Option<PathBuf>,
    /// Esplora servers' addresses, for block headers.
    pub esplora: Vec<String>,
    /// Peers of the Bitcoin network, for block headers.
    pub peers: Vec<SocketAddr>,
}

/// Nostr Wallet Connect.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NwcConfig {
    /// The relays of connections that name none.
    pub relays: Vec<String>,
}

/// Everything that can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which money.
    pub network: Network,
    /// Where to listen.
    pub listen: SocketAddr,
    /// The node's files.
    pub data_dir: PathBuf,
    /// The models' files; shared by all networks.
    pub models_dir: PathBuf,
    /// The mint to use; none means the embedded one.
    pub mint_url: Option<String>,
    /// How others reach this node; none means `http://<listen>`.
    pub public_url: Option<String>,
    /// True in the process that listens at `listen`: the embedded mint's address follows
    /// it. A command that only visits the data directory leaves the address alone.
    pub is_server: bool,
    /// What strangers pay.
    pub price: PriceConfig,
    /// How models run.
    pub engine: EngineSettings,
    /// Where timestamps are made and checked.
    pub timestamp: TimestampConfig,
    /// Where the node sees the chain that its bitcoin is on.
    pub chain: ChainConfig,
    /// How the Lightning node presents itself, and to whom.
    pub lightning: LightningSettings,
    /// Where backups go, and how often.
    pub backup: BackupConfig,
    /// How requests are paid for.
    pub fetch: FetchConfig,
    /// The site whose power this node plans.
    pub energy: EnergyConfig,
    /// The configuration file that was read, if there is one.
    pub file: Option<PathBuf>,
    /// Nostr Wallet Connect.
    pub nwc: NwcConfig,
}

/// What flags and environment variables say; it wins over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The configuration file, which must exist then.
    pub config_file: Option<PathBuf>,
    /// See [`Config`].
    pub data_dir: Option<PathBuf>,
    /// See [`Config`].
    pub network: Option<Network>,
    /// See [`Config`].
    pub listen: Option<SocketAddr>,
    /// See [`Config`].
    pub mint_url: Option<String>,
    /// See [`Config`].
    pub public_url: Option<String>,
    /// See [`PriceConfig`].
    pub prompt_msat_per_token: Option<u64>,
    /// See [`PriceConfig`].
    pub completion_msat_per_token: Option<u64>,
    /// See [`EngineSettings`].
    pub context_tokens: Option<u32>,
    /// See [`EngineSettings`].
    pub threads: Option<u32>,
    /// See [`EngineSettings`].
    pub parallel: Option<u32>,
    /// See [`ChainConfig`]. If it names a source, those of the file don't count.
    pub chain: ChainConfig,
    /// See [`LightningSettings`].
    pub lightning_listen: Option<SocketAddr>,
}

/// The file. Unknown keys are refused: a misspelt limit must not be ignored.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    network: Option<Network>,
    listen: Option<SocketAddr>,
    data_dir: Option<PathBuf>,
    models_dir: Option<PathBuf>,
    mint_url: Option<String>,
    public_url: Option<String>,
    price: PriceConfig,
    engine: EngineSettings,
    timestamp: TimestampConfig,
    chain: ChainConfig,
    lightning: LightningSettings,
    backup: BackupConfig,
    fetch: FetchConfig,
    energy: EnergyConfig,
    #[serde(skip)]
    path: Option<PathBuf>,
    nwc: NwcConfig,
}

impl Config {
    /// Reads the file (`$XDG_CONFIG_HOME/freehold/config.toml`, if there), then applies
    /// what the flags say.
    ///
    /// # Errors
    /// If the file can't be read or understood, or no home directory is known.
    pub fn load(overrides: &Overrides) -> Result<Self> {
        let file = read_file(overrides.config_file.as_deref())?;
        let data_dir = match overrides.data_dir.clone().or(file.data_dir) {
            Some(dir) => dir,
            None => xdg("XDG_DATA_HOME", ".local/share")?.join("freehold"),
        };
        let given = overrides;
        let price = PriceConfig {
            prompt_msat_per_token: given
                .prompt_msat_per_token
                .unwrap_or(file.price.prompt_msat_per_token),
            completion_msat_per_token: given
                .completion_msat_per_token
                .unwrap_or(file.price.completion_msat_per_token),
        };
        let engine = EngineSettings {
            context_tokens: given.context_tokens.or(file.engine.context_tokens),
            threads: given.threads.or(file.engine.threads),
            parallel: given.parallel.unwrap_or(file.engine.parallel).clamp(1, 64),
            ..file.engine
        };
        Ok(Self {
            network: given.network.or(file.network).unwrap_or_default(),
            listen: given.listen.or(file.listen).unwrap_or(LISTEN),
            models_dir: file.models_dir.unwrap_or_else(|| data_dir.join("models")),
            data_dir,
            mint_url: given.mint_url.clone().or(file.mint_url),
            public_url: given.public_url.clone().or(file.public_url),
            is_server: false,
            price,
            engine,
            timestamp: file.timestamp,
            chain: file.chain.overridden_by(&given.chain),
            lightning: LightningSettings {
                listen: given.lightning_listen.or(file.lightning.listen),
                ..file.lightning
            },
            backup: file.backup,
            fetch: file.fetch,
            energy: file.energy,
            file: file.path,
            nwc: file.nwc,
        })
    }

    /// The folder of this network's keys, ledger and ecash.
    #[must_use]
    pub fn network_dir(&self) -> PathBuf {
        self.data_dir.join(self.network.to_string())
    }

    /// How others reach this node, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> String {
        let url = self
            .public_url
            .clone()
            .unwrap_or_else(|| format!("http://{}", self.listen));
        url.trim_end_matches('/').to_owned()
    }

    /// The mint that this node's ecash is of.
    #[must_use]
    pub fn mint(&self) -> String {
        self.mint_url
            .clone()
            .unwrap_or_else(|| format!("{}/mint", self.url()))
    }
}

fn read_file(given: Option<&Path>) -> Result<File> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => match xdg("XDG_CONFIG_HOME", ".config") {
            Ok(dir) => dir.join("freehold/config.toml"),
            Err(_) => return Ok(File::default()),
        },
    };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if given.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(File::default());
        }
        Err(error) => return Err(NodeError::Config(format!("{}: {error}", path.display()))),
    };
    let read = toml::from_str(&text);
    let read: File =
        read.map_err(|error| NodeError::Config(format!("{}: {error}", path.display())))?;
    Ok(File {
        path: Some(path),
        ..read
    })
}

/// The directory that the XDG variable names, or its default below the home directory.
fn xdg(variable: &str, below_home: &str) -> Result<PathBuf> {
    let absolute = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
    };
    absolute(variable)
        .or_else(|| absolute("HOME").map(|home| home.join(below_home)))
        .ok_or_else(|| NodeError::Config("neither HOME nor the XDG variables are set".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::Protocol;

    fn load(toml: &str) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        std::fs::write(&path, toml).unwrap();
        Config::load(&Overrides {
            config_file: Some(path),
            ..Overrides::default()
        })
    }

    #[test]
    fn the_file_is_read_and_a_misspelt_key_is_refused() {
        let config = load("listen = '127.0.0.1:9'\n[price]\nprompt_msat_per_token = 3").unwrap();
        assert_eq!(config.listen.port(), 9);
        assert_eq!(config.price.prompt_msat_per_token, 3);
        assert_eq!(config.price.completion_msat_per_token, 100);
        assert_eq!(config.mint(), "http://127.0.0.1:9/mint");
        let stamps = load("[timestamp]\ncalendars = ['http://127.0.0.1:1']").unwrap();
        assert_eq!(stamps.timestamp.calendars, ["http://127.0.0.1:1"]);
        let rails = load("[fetch]\nrails = ['l402', 'x-cashu']")
            .unwrap()
            .fetch
            .rails;
        assert_eq!(rails, [Protocol::L402, Protocol::XCashu]);
        assert!(load("[fetch]\nrails = ['cash']").is_err());
        assert!(load("lisen = '127.0.0.1:9'").is_err());
        assert!(load("network = 'testnet'").is_err());
    }
}
