//! The mint's address is part of every token, so the wallets remember it. The embedded
//! mint moves when the node listens elsewhere; a mint of somebody else must not change
//! under the money.

use std::collections::HashSet;

use rusqlite::OptionalExtension;
use wallet::Db;
use wallet::ecash::EcashWallet;

use crate::boxed;
use crate::config::Config;
use crate::error::{NodeError, Result};
use crate::fetch;
use crate::serve;
use crate::status::in_flight;

/// What the node remembers of itself.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS meta (
    key    TEXT PRIMARY KEY,
    value  TEXT NOT NULL
) STRICT;
";

/// Where the mint was, and where it should be.
pub(crate) struct MintAddress {
    known: Option<String>,
    wanted: String,
}

impl MintAddress {
    /// Reads the known address, and decides on the wanted one.
    #[boxed]
    pub async fn load(db: &Db, config: &Config) -> Result<Self> {
        let known: Option<String> = db
            .write(|tx| -> Result<_> {
                let sql = "SELECT value FROM meta WHERE key = 'mint_url'";
                Ok(tx.query_row(sql, [], |row| row.get(0)).optional()?)
            })
            .await?;
        let wanted = match (&config.mint_url, &known) {
            (None, Some(known)) if !config.is_server => known.clone(),
            (None, _) => config.mint(),
            (Some(url), _) => url.clone(),
        };
        match (&known, &config.mint_url) {
            (Some(known), Some(wanted)) if known != wanted => Err(NodeError::Config(format!(
                "the money in this data directory is at the mint {known}, not at {wanted}; \
                 use another data directory for another mint"
            ))),
            _ => Ok(Self { known, wanted }),
        }
    }

    /// Where the wallets' ecash is now.
    pub fn known(&self) -> &str {
        self.known.as_deref().unwrap_or(&self.wanted)
    }

    /// Where the mint is from now on.
    pub fn wanted(&self) -> &str {
        &self.wanted
    }

    /// Takes the wallets to the wanted address, and remembers it. As long as a payment
    /// is under way they stay: its records are at the old one.
    #[boxed]
    pub async fn settle(
        &self,
        db: &Db,
        till: &mut EcashWallet,
        purses: &mut EcashWallet,
    ) -> Result<()> {
        if self.known.as_deref() == Some(self.wanted()) {
            return Ok(());
        }
        if self.known.is_some() {
            let (open, recorded) = db
                .write(|tx| -> Result<_> {
                    let mut recorded = serve::change_operations(tx)?;
                    recorded.extend(fetch::payment_operations(tx)?);
                    Ok((in_flight(tx)?, HashSet::from_iter(recorded)))
                })
                .await?;
            let settled = open == 0
                && till.recovery().await.run(&recorded).await?
                && purses.recovery().await.run(&recorded).await?;
            if !settled {
                tracing::warn!(
                    "the mint keeps its address {} until open payments are settled",
                    self.known()
                );
                return Ok(());
            }
            till.follow_mint(self.wanted()).await?;
            purses.follow_mint(self.wanted()).await?;
        }
        let wanted = self.wanted.clone();
        db.write(move |tx| -> Result<()> {
            let sql = "INSERT INTO meta (key, value) VALUES ('mint_url', ?1)
                       ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            tx.execute(sql, [wanted])?;
            Ok(())
        })
        .await
    }
}
