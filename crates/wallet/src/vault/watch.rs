//! A vault's coins: `bdk_wallet` watches the descriptor, and keeps what it saw in a file.
//!
//! Nothing in the file is worth keeping a copy of: it is found again from the policy and the chain.

use std::path::Path;

use bdk_wallet::chain::ChainPosition;
use bdk_wallet::rusqlite::Connection;
use bdk_wallet::{KeychainKind, LocalOutput, PersistedWallet, Wallet};
use bitcoin::Address;

use super::definition::{Keychain, Place, Vault};
use super::error::VaultError;
use super::view::{ChainView, Coin};
use crate::boxed;
use crate::onchain::ChainSource;

/// What a vault has, by what is known of the chain.
pub struct Watch {
    wallet: PersistedWallet<Connection>,
    file: Connection,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Opens or creates the file of a vault.
    ///
    /// # Errors
    /// `Storage`; also if the file is another vault's.
    pub fn open(path: &Path, vault: &Vault) -> Result<Self, VaultError> {
        Self::on(Connection::open(path).map_err(storage)?, vault)
    }

    /// Keeps what it sees in memory only.
    ///
    /// # Errors
    /// `Storage`.
    pub fn in_memory(vault: &Vault) -> Result<Self, VaultError> {
        Self::on(Connection::open_in_memory().map_err(storage)?, vault)
    }

    fn on(mut file: Connection, vault: &Vault) -> Result<Self, VaultError> {
        let receive = vault.keychain_descriptor(Keychain::Receive);
        let change = vault.keychain_descriptor(Keychain::Change);
        let network = vault.policy().network;
        let known = Wallet::load()
            .descriptor(KeychainKind::External, Some(receive.clone()))
            .descriptor(KeychainKind::Internal, Some(change.clone()))
            .check_network(network)
            .load_wallet(&mut file)
            .map_err(storage)?;
        let wallet = match known {
            Some(wallet) => wallet,
            None => Wallet::create(receive, change)
                .network(network)
                .create_wallet(&mut file)
                .map_err(storage)?,
        };
        Ok(Self { wallet, file })
    }

    /// Asks the chain for all coins: other signers give addresses too. `now_unix_s` is when.
    ///
    /// # Errors
    /// `Chain`, then nothing was believed; `Storage`.
    #[boxed]
    pub async fn sync(&mut self, chain: &ChainSource, now_unix_s: u64) -> Result<(), VaultError> {
        chain.full_scan(&mut self.wallet, now_unix_s).await?;
        self.keep()
    }

    fn keep(&mut self) -> Result<(), VaultError> {
        self.wallet.persist(&mut self.file).map_err(storage)?;
        Ok(())
    }

    /// An address that nobody was given yet. It is recorded first.
    ///
    /// # Errors
    /// `Storage`.
    pub fn new_address(&mut self) -> Result<Address, VaultError> {
        let address = self.wallet.reveal_next_address(KeychainKind::External);
        self.keep()?;
        Ok(address.address)
    }

    /// The coins, and the height of the chain.
    #[must_use]
    pub fn view(&self) -> ChainView {
        let next = |kind| {
            let index = self.wallet.spk_index();
            index.last_used_index(kind).map_or(0, |last| last + 1)
        };
        ChainView {
            height: self.wallet.latest_checkpoint().height(),
            coins: self.wallet.list_unspent().map(coin).collect(),
            next_index: [next(KeychainKind::External), next(KeychainKind::Internal)],
        }
    }
}

fn coin(output: LocalOutput) -> Coin {
    let keychain = match output.keychain {
        KeychainKind::External => Keychain::Receive,
        KeychainKind::Internal => Keychain::Change,
    };
    Coin {
        outpoint: output.outpoint,
        output: output.txout,
        place: Place {
            keychain,
            index: output.derivation_index,
        },
        height: match output.chain_position {
            ChainPosition::Confirmed { anchor, .. } => Some(anchor.block_id.height),
            ChainPosition::Unconfirmed { .. } => None,
        },
    }
}

fn storage(error: impl std::fmt::Display) -> VaultError {
    VaultError::Storage(error.to_string())
}
