//! A vault of one agent and two humans on a sandbox chain.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bitcoin::{Network, Psbt, ScriptBuf, Transaction};
use sandbox::Sandbox;
use wallet::onchain::ChainSource;
use wallet::vault::{ChainView, Payment, SignerKey, SpendPath, Vault, VaultError, Watch, propose};

/// Fresh enough for tests: nothing here has to be unpredictable.
pub const AUX: [u8; 32] = [7; 32];

/// The signers of all tests.
pub const NAMES: [&str; 3] = ["alice", "bob", "scout"];

/// What a signer's machine has.
pub fn key(name: &str) -> SignerKey {
    let mut seed = [0; 64];
    for (place, byte) in name.bytes().cycle().take(64).enumerate() {
        seed[place] = byte ^ u8::try_from(place).unwrap();
    }
    SignerKey::from_seed(&seed, Network::Regtest).unwrap()
}

/// The lines of the three signers.
pub fn signers() -> String {
    let line = |name: &str| {
        let kind = if name == "scout" { "agent" } else { "human" };
        format!(
            "[signers.{name}]\nkind = \"{kind}\"\nkey = \"{}\"\n\n",
            key(name).account_key()
        )
    };
    NAMES.iter().map(|name| line(name)).collect()
}

/// Any two at once, Alice alone after ten blocks, Bob alone after thirty.
pub fn policy() -> String {
    policy_with("")
}

pub fn policy_with(head: &str) -> String {
    format!(
        r#"name = "family"
network = "regtest"
{head}

{}
[[path]]
name = "everyday"
who = ["alice", "bob", "scout"]
needs = 2

[[path]]
name = "alone"
who = ["alice"]
needs = 1
after = "10 blocks"

[[path]]
name = "recovery"
who = ["bob"]
needs = 1
after = "30 blocks"

[allowance]
agent = "scout"
with = "alice"
sat_per_day = 50000
"#,
        signers()
    )
}

pub fn vault() -> Vault {
    Vault::from_toml(&policy()).unwrap()
}

/// A vault with coins.
pub struct World {
    pub sandbox: Sandbox,
    pub vault: Vault,
    chain: ChainSource,
    watch: Watch,
}

impl World {
    /// With two coins in one block.
    pub async fn with(vault: Vault) -> Self {
        let sandbox = Sandbox::start().unwrap();
        let timeout = Duration::from_secs(10);
        let chain = ChainSource::esplora(&sandbox.url(), Network::Regtest, timeout).unwrap();
        let mut watch = Watch::in_memory(&vault).unwrap();
        for amount_sat in [100_000, 60_000] {
            let address = watch.new_address().unwrap();
            sandbox.fund(address, amount_sat).unwrap();
        }
        sandbox.mine(1).unwrap();
        let mut world = Self {
            sandbox,
            vault,
            chain,
            watch,
        };
        world.sync().await;
        world
    }

    pub async fn new() -> Self {
        Self::with(vault()).await
    }

    pub async fn sync(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.watch.sync(&self.chain, now.as_secs()).await.unwrap();
    }

    pub async fn mine(&mut self, count: u32) {
        self.sandbox.mine(count).unwrap();
        self.sync().await;
    }

    pub fn view(&self) -> ChainView {
        self.watch.view()
    }

    pub fn propose(&self, path: &str, amount_sat: u64) -> Result<Psbt, VaultError> {
        let path = self.vault.path(path).unwrap();
        let payment = Payment {
            to: self.payee(),
            amount_sat: Some(amount_sat),
        };
        propose(&self.vault, &self.view(), path, &payment, 2.0)
    }

    /// An address that isn't the vault's.
    pub fn payee(&self) -> bitcoin::Address {
        let stranger = Vault::from_toml(&policy_with("cooperate = false")).unwrap();
        let place = wallet::vault::Place {
            keychain: wallet::vault::Keychain::Receive,
            index: 99,
        };
        stranger.address(place).unwrap()
    }

    pub fn sign(&self, psbt: Psbt, names: &[&str]) -> Psbt {
        let mut reviewed = self.vault.review(psbt, &self.view()).unwrap();
        for name in names {
            reviewed.sign(&key(name), &AUX).unwrap();
        }
        reviewed.into_psbt()
    }

    /// Ready for the network.
    pub fn finish(&self, psbt: Psbt) -> Result<Transaction, VaultError> {
        self.vault.review(psbt, &self.view())?.finish()
    }

    /// Broadcasts over Esplora and mines; what the payee got.
    pub async fn send(&mut self, tx: &Transaction) -> u64 {
        self.chain.broadcast(tx).await.unwrap();
        // Again is fine.
        self.chain.broadcast(tx).await.unwrap();
        let txid = tx.compute_txid();
        self.mine(1).await;
        assert_eq!(self.sandbox.confirmations(&txid), Some(1));
        paid_sat(tx, &self.payee().script_pubkey())
    }

    pub fn path(&self, name: &str) -> SpendPath {
        self.vault.path(name).unwrap()
    }
}

pub fn paid_sat(tx: &Transaction, to: &ScriptBuf) -> u64 {
    let outputs = tx.output.iter();
    outputs
        .filter(|output| output.script_pubkey == *to)
        .map(|output| output.value.to_sat())
        .sum()
}

pub fn code<T: std::fmt::Debug>(result: Result<T, VaultError>) -> &'static str {
    let error = result.unwrap_err();
    assert!(!error.hint().is_empty());
    error.code()
}
