//! Vaults that people and agents share: this node's part in them.
//!
//! The room decides what may be signed; here it gets what it decides by (the node's own view of the
//! chain, what it signed for in the last 24 hours), and what it decided is kept before it leaves:
//! a reservation before a signature, a used nonce before its partial signature.

mod nonces;
mod peer;
mod proposals;
mod sign;
mod tokens;
mod views;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Mutex;
use wallet::onchain::ChainSource;
use wallet::vault::{
    ChainView, Description, Policy, SignerKey, Vault, VaultError, VaultRecord, Watch, store,
};

use crate::boxed;
use crate::config::Config;
use crate::error::{NodeError, Result};
use crate::files;
use crate::keys::Seed;
use crate::locks::KeyedLocks;
use crate::node::{Node, now_ms};
use crate::onchain::chain_source;
use nonces::Nonces;

pub use peer::{PeerAnswer, PeerOffer, PeerRequest};
pub use proposals::NewProposal;
pub use tokens::{TokenRequestView, TokenView};
pub use views::{CheckedView, ProposalView, VaultBalance, VaultKeyView, VaultView};

/// The path of the node's key below the root: BIP-48 with script type 3, Taproot.
fn key_path(chain: bitcoin::Network) -> String {
    let coin = u32::from(chain != bitcoin::Network::Bitcoin);
    format!("48'/{coin}'/0'/3'")
}

/// What a node needs for its vaults.
pub(crate) struct Vaults {
    key: SignerKey,
    dir: PathBuf,
    nonces: Nonces,
    chain: Option<ChainSource>,
    /// One task at a time works on a vault.
    locks: KeyedLocks,
    open: Mutex<HashMap<String, Arc<OpenVault>>>,
}

/// A vault that was asked for since the node started.
struct OpenVault {
    record: VaultRecord,
    vault: Arc<Vault>,
    watch: Mutex<Watch>,
}

impl Vaults {
    pub fn load(config: &Config, seed: &Seed) -> Result<Self> {
        let chain = config.network.chain();
        let path = key_path(chain).parse();
        let path = path.map_err(|error| NodeError::Config(format!("a key's path: {error}")))?;
        let dir = config.network_dir().join("vaults");
        files::private_dir(&dir)?;
        let nonces = config.network_dir().join("vault-nonces");
        Ok(Self {
            key: SignerKey::from_master(&seed.master_xpriv(chain)?, path)?,
            dir,
            nonces: Nonces::open(nonces)?,
            chain: chain_source(&config.chain, chain)?,
            locks: KeyedLocks::default(),
            open: Mutex::default(),
        })
    }

    fn chain(&self) -> Result<&ChainSource> {
        self.chain.as_ref().ok_or(NodeError::OnchainOff)
    }

    async fn open(&self, record: VaultRecord) -> Result<Arc<OpenVault>> {
        let mut open = self.open.lock().await;
        if let Some(known) = open.get(&record.id) {
            return Ok(Arc::clone(known));
        }
        let vault = Arc::new(Vault::from_toml(&record.policy)?);
        // By its id: a name could be given to another vault one day.
        let path = self.dir.join(format!("{}.db", record.id));
        files::private_file(&path)?;
        let watch = Mutex::new(Watch::open(&path, &vault)?);
        let id = record.id.clone();
        let opened = Arc::new(OpenVault {
            record,
            vault,
            watch,
        });
        open.insert(id, Arc::clone(&opened));
        Ok(opened)
    }
}

impl OpenVault {
    /// Asks the chain, and says what the vault has.
    async fn sync(&self, chain: &ChainSource) -> Result<ChainView> {
        let mut watch = self.watch.lock().await;
        let now_s = u64::try_from(now_ms() / 1_000).unwrap_or_default();
        watch.sync(chain, now_s).await?;
        Ok(watch.view())
    }
}

impl Node {
    /// The line that names this node in a policy.
    #[must_use]
    pub fn vault_key(&self) -> VaultKeyView {
        let key = self.inner.vaults.key.account_key();
        VaultKeyView {
            key: key.to_string(),
        }
    }

    /// What a policy means, before anything is made of it.
    ///
    /// # Errors
    /// `policy_…` with the line, or that the policy is for another chain.
    pub fn vault_preview(&self, policy: &str, fee_rate_sat_per_vb: f64) -> Result<Description> {
        let vault = self.read_policy(policy)?;
        Ok(vault.describe(fee_rate_sat_per_vb)?)
    }

    fn read_policy(&self, policy: &str) -> Result<Vault> {
        let policy = Policy::from_toml(policy).map_err(VaultError::from)?;
        let chain = self.inner.config.network.chain();
        if policy.network != chain {
            let what = format!(
                "the policy is for {}, this node for {chain}",
                policy.network
            );
            return Err(VaultError::Payment(what).into());
        }
        Ok(Vault::new(policy)?)
    }

    /// Keeps a vault. The same policy again is fine.
    ///
    /// # Errors
    /// As [`Self::vault_preview`]; `vault_exists`.
    #[boxed]
    pub async fn vault_new(&self, policy: &str) -> Result<VaultView> {
        let vault = self.read_policy(policy)?;
        let record = VaultRecord {
            name: vault.policy().name.clone(),
            id: vault.id(),
            policy: policy.to_owned(),
            created_ms: now_ms(),
        };
        let name = record.name.clone();
        let kept = record;
        self.inner
            .db
            .write(move |tx| store::add_vault(tx, &kept))
            .await?;
        self.vault_show(&name, 1.0).await
    }

    /// All vaults, as far as is known without asking the chain.
    ///
    /// # Errors
    /// `vault_storage`.
    #[boxed]
    pub async fn vault_list(&self) -> Result<Vec<VaultView>> {
        let records = self.inner.db.write(|tx| store::vaults(tx)).await?;
        let mut views = Vec::with_capacity(records.len());
        for record in records {
            let open = self.inner.vaults.open(record).await?;
            let view = open.watch.lock().await.view();
            views.push(self.vault_view(&open, Some(&view), 1.0)?);
        }
        Ok(views)
    }

    /// A vault by its name or id; with its coins, if a chain source is configured.
    ///
    /// # Errors
    /// `vault_missing`, or `chain_unreachable`.
    #[boxed]
    pub async fn vault_show(&self, name: &str, fee_rate_sat_per_vb: f64) -> Result<VaultView> {
        let open = self.find_vault(name).await?;
        let view = match &self.inner.vaults.chain {
            Some(chain) => Some(open.sync(chain).await?),
            None => None,
        };
        self.vault_view(&open, view.as_ref(), fee_rate_sat_per_vb)
    }

    /// An address of a vault that nobody was given yet.
    ///
    /// # Errors
    /// `vault_missing`, or `chain_unreachable`: other signers give addresses too, so the chain
    /// is asked first where it can be.
    #[boxed]
    pub async fn vault_address(&self, name: &str) -> Result<String> {
        let open = self.find_vault(name).await?;
        if let Some(chain) = &self.inner.vaults.chain {
            open.sync(chain).await?;
        }
        let address = open.watch.lock().await.new_address()?;
        Ok(address.to_string())
    }

    async fn find_vault(&self, name_or_id: &str) -> Result<Arc<OpenVault>> {
        let wanted = name_or_id.to_owned();
        let record = self
            .inner
            .db
            .write(move |tx| store::find_vault(tx, &wanted))
            .await?;
        let missing = || {
            let name: String = name_or_id.chars().take(40).collect();
            VaultError::Missing(format!("vault {name:?}"))
        };
        self.inner.vaults.open(record.ok_or_else(missing)?).await
    }
}
