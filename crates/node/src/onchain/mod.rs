//! Bitcoin on the chain: the node's own wallet, and wallets that it watches.
//!
//! The room `wallet::onchain` does the work; here it is decided when the chain is asked, which wallet
//! is meant, and what a fee should be.

mod background;
mod booking;
mod psbt;
mod savings;
mod send;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use wallet::onchain::{
    AddressView, Balance, ChainSource, CoinView, Descriptors, Keys, OnchainError, OnchainWallet,
    OutPoint, Spend, TxView,
};

use crate::boxed;
use crate::config::{ChainConfig, Config};
use crate::error::{NodeError, Result};
use crate::files;
use crate::keys::Seed;
use crate::node::{Node, now_ms};

pub use savings::SavingsInput;
pub use send::{BumpInput, FeeChoice, SendInput};
pub use watch::WatchedWallet;

/// How long the chain source may take to answer a question.
const CHAIN_TIMEOUT: Duration = Duration::from_secs(15);
/// The own wallet's name, which no other can have.
const MAIN: &str = "main";

/// The node's wallets on the chain.
pub(crate) struct Onchain {
    main: OnchainWallet,
    chain: ChainSource,
    folder: PathBuf,
    /// Those that are open; the others' files are opened when they are asked for.
    watched: Mutex<BTreeMap<String, OnchainWallet>>,
}

/// What a wallet holds, and how fresh that is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnchainBalance {
    /// The wallet's name.
    pub wallet: String,
    /// What it holds.
    #[serde(flatten)]
    pub balance: Balance,
    /// The last block that it knows of.
    pub height: u32,
    /// Why it may be out of date, if the chain can't be seen at present.
    pub trouble: Option<String>,
}

/// A coin to be kept from being spent, or not any more.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FreezeInput {
    /// The wallet; the own one unless named.
    #[serde(default)]
    pub wallet: Option<String>,
    /// `txid:vout`.
    pub coin: String,
    /// Whether it is to be kept.
    pub is_frozen: bool,
}

/// A name for an address, a transaction or a coin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelInput {
    /// The wallet; the own one unless named.
    #[serde(default)]
    pub wallet: Option<String>,
    /// What is named: an address, a transaction's id or `txid:vout`.
    pub what: String,
    /// The name; empty to take it away.
    pub label: String,
}

impl Onchain {
    /// Opens the own wallet, if the configuration says where the chain is seen. Nobody is asked yet.
    #[boxed]
    pub async fn open(config: &Config, seed: &Seed) -> Result<Option<Self>> {
        let network = config.network.chain();
        let Some(chain) = chain_source(&config.chain, network)? else {
            return Ok(None);
        };
        let keys = Keys::bip86(&seed.master_xpriv(network)?, network)?;
        let folder = config.network_dir().join("onchain");
        files::private_dir(&folder)?;
        let path = folder.join(format!("{MAIN}.db"));
        let main = OnchainWallet::open(&path, Arc::new(keys), chain.clone()).await?;
        Ok(Some(Self {
            main,
            chain,
            folder,
            watched: Mutex::default(),
        }))
    }
}

/// Whoever shows this node the chain, if anybody does.
pub(crate) fn chain_source(
    config: &ChainConfig,
    network: wallet::onchain::Network,
) -> Result<Option<ChainSource>> {
    let source = match (&config.bitcoind_rpc, &config.esplora, &config.electrum) {
        (Some(url), ..) => {
            let cookie = config.bitcoind_cookie.as_deref();
            ChainSource::bitcoind(url, cookie, network, CHAIN_TIMEOUT)
        }
        (None, Some(url), _) => ChainSource::esplora(url, network, CHAIN_TIMEOUT),
        (None, None, Some(_)) => {
            tracing::warn!(
                "the on-chain wallet doesn't speak Electrum: name an Esplora server too"
            );
            return Ok(None);
        }
        (None, None, None) => return Ok(None),
    };
    Ok(Some(source.map_err(OnchainError::from)?))
}

impl Node {
    /// The node's wallets on the chain.
    ///
    /// # Errors
    /// `onchain_off` if no chain source is named.
    pub(crate) fn onchain(&self) -> Result<&Onchain> {
        self.inner.onchain.as_ref().ok_or(NodeError::OnchainOff)
    }

    /// The wallet of this name, or the own one.
    pub(crate) async fn onchain_wallet(&self, name: Option<&str>) -> Result<OnchainWallet> {
        let onchain = self.onchain()?;
        match name {
            None | Some(MAIN) => Ok(onchain.main.clone()),
            Some(name) => onchain.watched(name).await,
        }
    }

    /// The same, up to date if the chain can be seen; otherwise why not.
    async fn fresh_wallet(&self, name: Option<&str>) -> Result<(OnchainWallet, Option<String>)> {
        let wallet = self.onchain_wallet(name).await?;
        match wallet.sync(now_ms()).await {
            Ok(_) => Ok((wallet, None)),
            Err(OnchainError::Chain(error)) => Ok((wallet, Some(error.to_string()))),
            Err(error) => Err(error.into()),
        }
    }

    /// What a wallet holds.
    ///
    /// # Errors
    /// `onchain_off`, `wallet_unknown`, or if its file can't be used. That the chain can't be seen is
    /// told in the answer.
    #[boxed]
    pub async fn onchain_balance(&self, name: Option<&str>) -> Result<OnchainBalance> {
        let (wallet, trouble) = self.fresh_wallet(name).await?;
        Ok(OnchainBalance {
            wallet: name.unwrap_or(MAIN).to_owned(),
            balance: wallet.balance().await?,
            height: wallet.tip().await?.height,
            trouble,
        })
    }

    /// An address to be paid at, that nothing was ever paid to as far as the chain can be seen.
    ///
    /// # Errors
    /// Like [`Self::onchain_balance`].
    #[boxed]
    pub async fn onchain_address(&self, name: Option<&str>) -> Result<AddressView> {
        let (wallet, _) = self.fresh_wallet(name).await?;
        Ok(wallet.address().await?)
    }

    /// Addresses that were given out, newest first.
    ///
    /// # Errors
    /// Like [`Self::onchain_balance`].
    #[boxed]
    pub async fn onchain_addresses(
        &self,
        name: Option<&str>,
        limit: u32,
    ) -> Result<Vec<AddressView>> {
        let (wallet, _) = self.fresh_wallet(name).await?;
        Ok(wallet.addresses(limit).await?)
    }

    /// The outputs that aren't spent, largest first.
    ///
    /// # Errors
    /// Like [`Self::onchain_balance`].
    #[boxed]
    pub async fn onchain_coins(&self, name: Option<&str>) -> Result<Vec<CoinView>> {
        let (wallet, _) = self.fresh_wallet(name).await?;
        Ok(wallet.coins().await?)
    }

    /// Transactions, newest first.
    ///
    /// # Errors
    /// Like [`Self::onchain_balance`].
    #[boxed]
    pub async fn onchain_history(&self, name: Option<&str>, limit: u32) -> Result<Vec<TxView>> {
        let (wallet, _) = self.fresh_wallet(name).await?;
        Ok(wallet.history(limit).await?)
    }

    /// Payments that were made here, newest first.
    ///
    /// # Errors
    /// Like [`Self::onchain_balance`].
    #[boxed]
    pub async fn onchain_spends(&self, name: Option<&str>, limit: u32) -> Result<Vec<Spend>> {
        let (wallet, _) = self.fresh_wallet(name).await?;
        Ok(wallet.spends(limit).await?)
    }

    /// The public descriptors, from which another wallet can watch this one.
    ///
    /// # Errors
    /// `onchain_off` or `wallet_unknown`.
    #[boxed]
    pub async fn onchain_descriptors(&self, name: Option<&str>) -> Result<Descriptors> {
        Ok(self.onchain_wallet(name).await?.descriptors().await?)
    }

    /// Keeps a coin from being spent, or lets it be spent again.
    ///
    /// # Errors
    /// `coin_unknown`, and like [`Self::onchain_balance`].
    #[boxed]
    pub async fn onchain_freeze(&self, input: &FreezeInput) -> Result<Vec<CoinView>> {
        let (wallet, _) = self.fresh_wallet(input.wallet.as_deref()).await?;
        wallet.freeze(coin(&input.coin)?, input.is_frozen).await?;
        Ok(wallet.coins().await?)
    }

    /// Names an address, a transaction or a coin.
    ///
    /// # Errors
    /// `address_invalid` if it is none of them, or `label_invalid`.
    #[boxed]
    pub async fn onchain_label(&self, input: &LabelInput) -> Result<()> {
        let wallet = self.onchain_wallet(input.wallet.as_deref()).await?;
        Ok(wallet.set_label(&input.what, &input.label).await?)
    }
}

/// Reads `txid:vout`.
fn coin(text: &str) -> Result<OutPoint> {
    text.trim().parse().map_err(|_| NodeError::NotFound {
        what: "coin",
        id: text.chars().take(100).collect(),
    })
}
