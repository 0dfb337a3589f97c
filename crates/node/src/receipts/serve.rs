//! The log as others read it: its head, its tiles and its entries (C2SP `tlog-tiles`). Digests
//! only, so anyone may have them.

use serde::{Deserialize, Serialize};
use timestamp::Hash;
use timestamp::tiles::{Content, TileAddress, bundle};

use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::Node;

/// What our receipts and checkpoints are checked against.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReceiptKeys {
    /// The one line to pin: it commits to both keys.
    pub key: String,
    /// The Ed25519 key, as programs that read C2SP notes want it.
    pub ed25519: String,
    /// The ML-DSA-44 key in the same form.
    pub ml_dsa_44: String,
}

impl Node {
    /// The keys that verify this node's receipts and its log.
    #[boxed]
    pub async fn receipt_keys(&self) -> ReceiptKeys {
        let receipts = self.inner.receipts.lock().await;
        ReceiptKeys {
            key: receipts.node().to_string(),
            ed25519: receipts.node().ed25519().to_string(),
            ml_dsa_44: receipts.cosigner().to_string(),
        }
    }

    /// The log's newest signed head (C2SP `tlog-checkpoint`).
    ///
    /// # Errors
    /// If it can't be signed.
    #[boxed]
    pub async fn log_checkpoint(&self) -> Result<String> {
        Ok(self.inner.receipts.lock().await.head()?.checkpoint)
    }

    /// A tile of the log, or a bundle of its entries, by its address (`0/x001/067.p/12`).
    ///
    /// # Errors
    /// `malformed` if it is no address, `not_found` if the log hasn't got so far.
    #[boxed]
    pub async fn log_tile(&self, address: &TileAddress) -> Result<Vec<u8>> {
        let found = match address.content {
            Content::Hashes { .. } => self.inner.receipts.lock().await.tile(address),
            Content::Entries => self.log_entries(address).await?,
        };
        found.ok_or_else(|| NodeError::NotFound {
            what: "tile",
            id: address.to_string(),
        })
    }

    async fn log_entries(&self, address: &TileAddress) -> Result<Option<Vec<u8>>> {
        // What SQLite can't count isn't there.
        let range = address
            .range()
            .and_then(|(start, end)| Some((i64::try_from(start).ok()?, i64::try_from(end).ok()?)));
        let Some((start, end)) = range else {
            return Ok(None);
        };
        let entries = self
            .inner
            .db
            .write(move |tx| -> Result<Vec<Hash>> {
                let mut statement = tx.prepare_cached(
                    "SELECT entry FROM receipts WHERE idx >= ?1 AND idx < ?2 ORDER BY idx",
                )?;
                let rows = statement.query_map([start, end], |row| Ok(Hash(row.get(0)?)))?;
                Ok(rows.collect::<std::result::Result<_, _>>()?)
            })
            .await?;
        let is_whole = entries.len() == usize::from(address.width);
        Ok(is_whole.then(|| bundle(&entries)))
    }
}
