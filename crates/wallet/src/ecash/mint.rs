//! The embedded mint: of play money, or backed by this node's channels.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use cdk::Mint;
use cdk::cdk_payment::DynMintPayment;
use cdk::mint::{MintBuilder, MintMeltLimits};
use cdk::nuts::nut00::KnownMethod;
use cdk::nuts::{CurrencyUnit, PaymentMethod};
use cdk::types::{FeeReserve, QuoteTTL};
use cdk_fake_wallet::FakeWallet;
use cdk_sqlite::MintSqliteDatabase;

use super::EcashError;

use crate::boxed;

/// At most this much play money in one go.
pub const PLAY_MAX_SAT: u64 = 1_000_000;

/// The most that a mint on real channels takes in or pays out in one go.
const BACKED_MAX_SAT: u64 = 10_000_000;

/// A Cashu mint inside this process. Its blind signatures are real whatever backs them.
#[derive(Clone, Debug)]
pub struct EmbeddedMint {
    pub(super) mint: Arc<Mint>,
}

/// How a mint presents itself, and what it deals with the world by.
struct Identity {
    name: &'static str,
    description: &'static str,
    motd: Option<&'static str>,
    max_sat: u64,
    backend: DynMintPayment,
}

impl EmbeddedMint {
    /// Opens a mint of play money, whose keys derive from `seed`, with its database at `path`. Its sats are
    /// backed by nothing, and it says so in its name and its message of the day.
    ///
    /// # Errors
    /// [`EcashError::Storage`] if the database can't be opened.
    #[boxed]
    pub async fn play(path: &Path, seed: &[u8], url: &str) -> Result<Self, EcashError> {
        let backend = FakeWallet::new(
            FeeReserve {
                min_fee_reserve: 0.into(),
                percent_fee_reserve: 0.0,
            },
            HashMap::new(),
            HashSet::new(),
            0,
            CurrencyUnit::Sat,
        );
        let identity = Identity {
            name: "Freehold play mint (PLAY MONEY, worth nothing)",
            description: "An embedded mint for trying things out.",
            motd: Some("PLAY MONEY: these sats are backed by nothing and worth nothing."),
            max_sat: PLAY_MAX_SAT,
            backend: Arc::new(backend),
        };
        Self::open(path, seed, url, identity).await
    }

    /// Opens a mint whose ecash `backend` takes Lightning payments for, and pays out; see [`Backing`](super::Backing).
    ///
    /// # Errors
    /// [`EcashError::Storage`] if the database can't be opened.
    #[boxed]
    pub async fn backed(
        path: &Path,
        seed: &[u8],
        url: &str,
        backend: DynMintPayment,
    ) -> Result<Self, EcashError> {
        let identity = Identity {
            name: "Freehold mint",
            description: "The mint of one Freehold node, backed by its Lightning channels.",
            motd: None,
            max_sat: BACKED_MAX_SAT,
            backend,
        };
        Self::open(path, seed, url, identity).await
    }

    async fn open(
        path: &Path,
        seed: &[u8],
        url: &str,
        identity: Identity,
    ) -> Result<Self, EcashError> {
        let storage = |error: &dyn std::fmt::Display| EcashError::Storage(error.to_string());
        let database = Arc::new(
            MintSqliteDatabase::new(&path.to_path_buf())
                .await
                .map_err(|error| storage(&error))?,
        );
        let mut builder = MintBuilder::new(database.clone())
            .with_name(identity.name.into())
            .with_description(identity.description.into())
            .with_urls(vec![url.to_owned()])
            .with_limits(1_000, 1_000);
        if let Some(motd) = identity.motd {
            builder = builder.with_motd(motd.into());
        }
        builder
            .add_payment_processor(
                CurrencyUnit::Sat,
                PaymentMethod::Known(KnownMethod::Bolt11),
                MintMeltLimits::new(1, identity.max_sat),
                identity.backend,
            )
            .await?;
        let mint = builder.build_with_seed(database, seed).await?;
        mint.set_quote_ttl(QuoteTTL::new(3_600, 3_600)).await?;
        mint.start().await?;
        Ok(Self {
            mint: Arc::new(mint),
        })
    }

    /// The mint itself, for whoever serves it over HTTP.
    #[must_use]
    pub fn inner(&self) -> Arc<Mint> {
        Arc::clone(&self.mint)
    }

    /// Ends the mint's background tasks.
    #[boxed]
    pub async fn stop(&self) {
        if let Err(error) = self.mint.stop().await {
            tracing::warn!(%error, "the embedded mint didn't stop cleanly");
        }
    }
}
