//! The embedded mint of the `play` network.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use cdk::Mint;
use cdk::mint::{MintBuilder, MintMeltLimits};
use cdk::nuts::nut00::KnownMethod;
use cdk::nuts::{CurrencyUnit, PaymentMethod};
use cdk::types::{FeeReserve, QuoteTTL};
use cdk_fake_wallet::FakeWallet;
use cdk_sqlite::MintSqliteDatabase;

use super::EcashError;

/// At most this much play money in one go.
pub const PLAY_MAX_SAT: u64 = 1_000_000;

/// A Cashu mint inside this process. Its blind signatures are real; its sats are
/// backed by nothing, and it says so in its name and its message of the day.
#[derive(Clone, Debug)]
pub struct PlayMint {
    pub(super) mint: Arc<Mint>,
}

impl PlayMint {
    /// Opens the mint whose keys derive from `seed`, with its database at `path`.
    ///
    /// # Errors
    /// [`EcashError::Storage`] if the database can't be opened.
    pub async fn open(path: &Path, seed: &[u8], url: &str) -> Result<Self, EcashError> {
        let storage = |error: &dyn std::fmt::Display| EcashError::Storage(error.to_string());
        let database = Arc::new(
            MintSqliteDatabase::new(&path.to_path_buf())
                .await
                .map_err(|error| storage(&error))?,
        );
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
        let mut builder = MintBuilder::new(database.clone())
            .with_name("Freehold play mint (PLAY MONEY, worth nothing)".into())
            .with_description("An embedded mint for trying things out.".into())
            .with_motd("PLAY MONEY: these sats are backed by nothing and worth nothing.".into())
            .with_urls(vec![url.to_owned()])
            .with_limits(1_000, 1_000);
        builder
            .add_payment_processor(
                CurrencyUnit::Sat,
                PaymentMethod::Known(KnownMethod::Bolt11),
                MintMeltLimits::new(1, PLAY_MAX_SAT),
                Arc::new(backend),
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
    pub async fn stop(&self) {
        if let Err(error) = self.mint.stop().await {
            tracing::warn!(%error, "the play mint didn't stop cleanly");
        }
    }
}
