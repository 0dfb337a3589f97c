//! A chain, and wallets on it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sandbox::bitcoin::{Address, Network, Txid};
use tempfile::TempDir;
use wallet::onchain::{
    ChainSource, HowMuch, Keys, OnchainError, OnchainWallet, Spend, SpendRequest, WatchKeys, Xpriv,
};

use crate::regtest::Regtest;

/// How long a chain source may take to answer.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A chain, a folder for wallets, and a clock of its own.
pub struct World {
    pub chain: Regtest,
    folder: TempDir,
    now_ms: AtomicI64,
}

impl World {
    pub fn new() -> Self {
        Self {
            chain: Regtest::start(),
            folder: tempfile::tempdir().unwrap(),
            now_ms: AtomicI64::new(1_790_000_000_000),
        }
    }

    /// A second later than ever before: what waits for a block is ordered by seconds.
    pub fn now_ms(&self) -> i64 {
        self.now_ms.fetch_add(1_000, Ordering::SeqCst)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The source that most tests use. Bitcoin Core has no Esplora server: there it is the RPC.
    pub fn esplora(&self) -> ChainSource {
        if self.chain.is_core() {
            return self.bitcoind();
        }
        ChainSource::esplora(&self.chain.url(), Network::Regtest, TIMEOUT).unwrap()
    }

    pub fn bitcoind(&self) -> ChainSource {
        let url = self.chain.url();
        let login = self.chain.login();
        ChainSource::bitcoind(&url, login.as_deref(), Network::Regtest, TIMEOUT).unwrap()
    }

    /// The wallet of a seed, in a file of that number.
    pub async fn wallet(&self, seed: u8) -> OnchainWallet {
        self.wallet_at(&format!("{seed}.db"), seed, self.esplora())
            .await
            .unwrap()
    }

    pub async fn wallet_at(
        &self,
        name: &str,
        seed: u8,
        chain: ChainSource,
    ) -> Result<OnchainWallet, OnchainError> {
        OnchainWallet::open(&self.path(name), keys(seed), chain).await
    }

    /// The same with money in blocks.
    pub async fn funded(&self, seed: u8, amounts_sat: &[u64]) -> OnchainWallet {
        let wallet = self.wallet(seed).await;
        for amount_sat in amounts_sat {
            self.pay(&wallet, *amount_sat).await;
        }
        self.chain.mine(1).unwrap();
        self.sync(&wallet).await;
        wallet
    }

    /// A wallet that had 100,000 sat and has sent 30,000 of them elsewhere, as payment "one", which waits for a block.
    pub async fn spender(&self) -> (OnchainWallet, Spend) {
        let wallet = self.funded(1, &[100_000]).await;
        let sent = self.send(&wallet, "one", HowMuch::Sat(30_000)).await;
        (wallet, sent.unwrap())
    }

    /// Pays to an address that the wallet gives out; it waits for a block.
    pub async fn pay(&self, wallet: &OnchainWallet, amount_sat: u64) -> Txid {
        let address = wallet.address().await.unwrap().address;
        let txid = self.chain.fund(read(&address), amount_sat).unwrap();
        // So that the next address is another one.
        self.sync(wallet).await;
        txid
    }

    pub async fn sync(&self, wallet: &OnchainWallet) {
        wallet.sync(self.now_ms()).await.unwrap();
    }

    /// An address of somebody else.
    pub fn elsewhere(&self) -> String {
        let keys = WatchKeys::parse(&xpub(99), Network::Regtest).unwrap();
        keys.address(0).unwrap().to_string()
    }

    pub async fn send(
        &self,
        wallet: &OnchainWallet,
        id: &str,
        amount: HowMuch,
    ) -> Result<Spend, OnchainError> {
        let request = SpendRequest::new(self.elsewhere(), amount);
        wallet.send(id, &request, 2.0, self.now_ms()).await
    }

    /// What a transaction pays to an address.
    pub fn paid_sat(&self, txid: &str, address: &str) -> u64 {
        let tx = self.chain.transaction(&txid.parse().unwrap()).unwrap();
        let script = read(address).script_pubkey();
        let outputs = tx.output.iter();
        let paid = outputs.filter(|output| output.script_pubkey == script);
        paid.map(|output| output.value.to_sat()).sum()
    }

    /// What a transaction costs.
    pub fn fee_sat(&self, txid: &str) -> u64 {
        let tx = self.chain.transaction(&txid.parse().unwrap()).unwrap();
        let spent = tx.input.iter().map(|input| {
            let from = input.previous_output;
            let before = self.chain.transaction(&from.txid).unwrap();
            before.output[from.vout as usize].value.to_sat()
        });
        let paid = tx.output.iter().map(|output| output.value.to_sat());
        spent.sum::<u64>() - paid.sum::<u64>()
    }
}

pub fn master(seed: u8) -> Xpriv {
    Xpriv::new_master(Network::Regtest, &[seed; 64]).unwrap()
}

pub fn keys(seed: u8) -> Arc<Keys> {
    Arc::new(Keys::bip86(&master(seed), Network::Regtest).unwrap())
}

/// The account's extended public key of a seed.
pub fn xpub(seed: u8) -> String {
    use sandbox::bitcoin::bip32::{DerivationPath, Xpub};
    use sandbox::bitcoin::secp256k1::Secp256k1;
    let path: DerivationPath = "86'/1'/0'".parse().unwrap();
    let secp = Secp256k1::new();
    let account = master(seed).derive_priv(&secp, &path).unwrap();
    Xpub::from_priv(&secp, &account).to_string()
}

pub fn read(address: &str) -> Address {
    let address: Address<_> = address.parse().unwrap();
    address.require_network(Network::Regtest).unwrap()
}
