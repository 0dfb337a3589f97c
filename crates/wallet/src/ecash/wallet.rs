//! A wallet at one mint.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cdk::Wallet;
use cdk::nuts::nut00::ProofsMethods;
use cdk::nuts::{CurrencyUnit, State};
use cdk::wallet::WalletBuilder;
use cdk_sqlite::WalletSqliteDatabase;
use serde::Serialize;
use tokio::sync::{Mutex, OwnedRwLockReadGuard, RwLock};

use super::together::Waiting;
use super::{EcashError, EmbeddedMint};

use crate::boxed;

/// How the wallet talks to its mint.
#[derive(Clone, Debug)]
pub enum MintAccess {
    /// The mint runs in this process.
    Embedded(EmbeddedMint),
    /// The mint is somewhere else, behind its URL.
    Http,
}

/// What the wallet has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Holdings {
    /// Ready to be spent.
    pub unspent_sat: u64,
    /// Part of an operation that isn't finished, or of a token that nobody has
    /// redeemed yet.
    pub in_flight_sat: u64,
}

/// A Cashu wallet at one mint, in sat.
///
/// Live operations hold the gate for reading; recovery holds it for writing, so
/// that it never takes a running operation for a crashed one.
#[derive(Debug)]
pub struct EcashWallet {
    pub(super) cdk: Wallet,
    pub(super) gate: Arc<RwLock<()>>,
    /// One operation at a time derives new secrets. `cdk` notes which secrets an operation
    /// used by reading a counter that a second one may have moved on by then; after a
    /// crash it would restore the wrong ones, and lose the money. It also keeps two
    /// payments from reserving each other's proofs, after which both find too little.
    pub(super) deriving: Mutex<()>,
    /// Tokens to be redeemed, while somebody derives. Whoever is next takes them along.
    pub(super) waiting: std::sync::Mutex<Vec<Waiting>>,
    /// As long as it is, only recovery gets in.
    pub(super) is_closed: AtomicBool,
}

impl EcashWallet {
    /// Opens the wallet whose secrets derive from `seed`, with its database at `path`.
    ///
    /// # Errors
    /// [`EcashError::Storage`] if the database can't be opened,
    /// [`EcashError::Malformed`] if `mint_url` isn't a URL.
    #[boxed]
    pub async fn open(
        path: &Path,
        mint_url: &str,
        seed: [u8; 64],
        access: MintAccess,
    ) -> Result<Self, EcashError> {
        let database = WalletSqliteDatabase::new(&path.to_path_buf())
            .await
            .map_err(|error| EcashError::Storage(error.to_string()))?;
        let url = mint_url
            .parse()
            .map_err(|error| EcashError::Malformed(format!("mint URL {mint_url}: {error}")))?;
        let builder = WalletBuilder::new()
            .mint_url(url)
            .unit(CurrencyUnit::Sat)
            .localstore(Arc::new(database))
            .seed(seed)
            .without_rate_limiting();
        let cdk = match access {
            MintAccess::Embedded(mint) => builder.client(mint).build()?,
            MintAccess::Http => builder.build()?,
        };
        Ok(Self {
            cdk,
            gate: Arc::new(RwLock::new(())),
            deriving: Mutex::new(()),
            waiting: std::sync::Mutex::default(),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Keeps recovery out for as long as the guard lives.
    pub(super) async fn live(&self) -> Result<OwnedRwLockReadGuard<()>, EcashError> {
        let live = self.gate.clone().read_owned().await;
        match self.is_closed.load(Ordering::Acquire) {
            true => Err(EcashError::Restoring),
            false => Ok(live),
        }
    }

    /// The mint's URL, as tokens name it.
    #[must_use]
    pub fn mint_url(&self) -> String {
        self.cdk.mint_url.to_string()
    }

    /// Follows the mint to a new address: ecash that is ready to be spent comes along.
    /// Run [`Self::recovery`] to its end first, and have nothing in flight: operations
    /// that aren't finished stay behind.
    ///
    /// # Errors
    /// [`EcashError::Malformed`] if `mint_url` isn't a URL, or [`EcashError::Storage`].
    #[boxed]
    pub async fn follow_mint(&mut self, mint_url: &str) -> Result<(), EcashError> {
        let url = mint_url
            .parse()
            .map_err(|error| EcashError::Malformed(format!("mint URL {mint_url}: {error}")))?;
        Ok(self.cdk.update_mint_url(url).await?)
    }

    /// What the wallet has, by its own database.
    ///
    /// # Errors
    /// [`EcashError::Storage`].
    #[boxed]
    pub async fn holdings(&self) -> Result<Holdings, EcashError> {
        let total = |proofs: cdk::nuts::Proofs| -> Result<u64, EcashError> {
            let total = proofs.total_amount().map_err(cdk::Error::from)?;
            Ok(total.into())
        };
        let in_flight = vec![State::Pending, State::Reserved, State::PendingSpent];
        Ok(Holdings {
            unspent_sat: total(self.cdk.get_unspent_proofs().await?)?,
            in_flight_sat: total(self.cdk.get_proofs_by_states(in_flight).await?)?,
        })
    }

    /// At most this much is the mint's fee for paying once, input fees of a swap and of
    /// the recipient's redemption included.
    ///
    /// # Errors
    /// [`EcashError::Unknown`] if the mint's keysets aren't known and it doesn't answer.
    #[boxed]
    pub async fn fee_bound_sat(&self) -> Result<u64, EcashError> {
        let keyset = self.cdk.active_keyset().await?;
        let fee_sat = (keyset.input_fee_ppk * MAX_PAYMENT_PROOFS).div_ceil(1_000);
        Ok(2 * fee_sat)
    }
}

/// Proofs that go into one payment at most; bounds the fee.
const MAX_PAYMENT_PROOFS: u64 = 64;
