//! Wallets whose keys are somewhere else.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use wallet::onchain::{OnchainError, OnchainWallet, WatchKeys};
use wallet::purse::PurseName;

use super::{MAIN, Onchain};
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// More are not watched by one node: each is looked after.
const WATCHED_MAX: usize = 100;

/// A wallet that is watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedWallet {
    /// Its name.
    pub name: String,
    /// Its public descriptor.
    pub descriptor: String,
    /// `taproot`, `segwit` or `legacy`.
    pub script: String,
}

impl Onchain {
    /// The wallet of this name.
    pub(super) async fn watched(&self, name: &str) -> Result<OnchainWallet> {
        let path = self.path(name)?;
        let mut open = self.watched.lock().await;
        if let Some(wallet) = open.get(name) {
            return Ok(wallet.clone());
        }
        if !path.exists() {
            return Err(OnchainError::UnknownWallet(name.to_owned()).into());
        }
        let wallet = OnchainWallet::reopen_watched(&path, self.chain.clone()).await?;
        open.insert(name.to_owned(), wallet.clone());
        Ok(wallet)
    }

    /// The names of all, in order.
    pub(super) fn watched_names(&self) -> Result<Vec<String>> {
        let what = || NodeError::file(format!("reading {}", self.folder.display()));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(what())? {
            let file = entry.map_err(what())?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".db"));
            names.extend(name.filter(|name| *name != MAIN).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// A name is a file's name too, so it is as plain as a purse's.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let is_plain = name.parse::<PurseName>().is_ok() && name != MAIN;
        if !is_plain {
            let name = name.chars().take(40).collect();
            return Err(OnchainError::Name(name).into());
        }
        Ok(self.folder.join(format!("{name}.db")))
    }

    async fn add(&self, name: &str, keys: &str) -> Result<OnchainWallet> {
        let path = self.path(name)?;
        let keys = WatchKeys::parse(keys, self.chain.network())?;
        let mut open = self.watched.lock().await;
        if path.exists() {
            return Err(OnchainError::WalletExists(name.to_owned()).into());
        }
        if self.watched_names()?.len() >= WATCHED_MAX {
            let why = format!("at most {WATCHED_MAX} wallets are watched");
            return Err(NodeError::Config(why));
        }
        let made = OnchainWallet::watch(&path, keys, self.chain.clone()).await;
        // A file without a wallet in it would take the name for nothing.
        let wallet = made.inspect_err(|_| drop(std::fs::remove_file(&path)))?;
        open.insert(name.to_owned(), wallet.clone());
        Ok(wallet)
    }
}

impl Node {
    /// Watches a wallet, by an xpub or a descriptor.
    ///
    /// # Errors
    /// `descriptor_…`, `wallet_name_invalid` or `wallet_exists`.
    #[boxed]
    pub async fn onchain_watch(&self, name: &str, keys: &str) -> Result<WatchedWallet> {
        let wallet = self.onchain()?.add(name, keys).await?;
        if let Err(error) = wallet.sync(now_ms()).await {
            tracing::info!(%error, name, "the new wallet is looked after later");
        }
        shown(name, &wallet).await
    }

    /// The wallets that are watched.
    ///
    /// # Errors
    /// `onchain_off`, or if a file can't be read.
    #[boxed]
    pub async fn onchain_watched(&self) -> Result<Vec<WatchedWallet>> {
        let onchain = self.onchain()?;
        let mut wallets = Vec::new();
        for name in onchain.watched_names()? {
            wallets.push(shown(&name, &onchain.watched(&name).await?).await?);
        }
        Ok(wallets)
    }
}

async fn shown(name: &str, wallet: &OnchainWallet) -> Result<WatchedWallet> {
    let descriptors = wallet.descriptors().await?;
    Ok(WatchedWallet {
        name: name.to_owned(),
        descriptor: descriptors.external,
        script: descriptors.script,
    })
}
