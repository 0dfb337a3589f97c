//! What was delivered to the grid: a file, and a receipt for it in the node's log.
//!
//! A delivery is an answer to a call, and it is put on record like one: the receipt has the digests of the call and of the
//! record, both of the node's keys sign it, and the log that it stands in is timestamped.

use std::path::PathBuf;

use energy::evidence::Evidence;
use serde::{Deserialize, Serialize};
use timestamp::Hash;

use crate::boxed;
use crate::config::Config;
use crate::error::Result;
use crate::files;
use crate::node::Node;
use crate::receipts::Statement;

/// Who answers calls of the grid, in receipts.
const WHO: &str = "energy-controller";

/// A record of a delivery, and where its receipt is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// The id of its receipt: `freehold receipt show` has it.
    pub receipt: String,
    /// The record's file.
    pub file: PathBuf,
}

impl Node {
    /// Writes a record down, then signs and logs it. Nothing is done twice for the same record.
    #[boxed]
    pub(super) async fn put_on_record(&self, evidence: &Evidence) -> Result<DeliveryView> {
        let (bytes, digest) = (evidence.to_bytes(), Hash::of(&evidence.to_bytes()));
        let id = format!(
            "delivery-{}-{}",
            evidence.called_ms,
            &digest.to_string()[..16]
        );
        let folder = folder(&self.inner.config);
        files::private_dir(&folder)?;
        let file = folder.join(format!("{id}.json"));
        files::write_secret(&file, &bytes)?;
        let request = format!(
            "{} W less at {} from {} ms on",
            evidence.called_w, evidence.site, evidence.called_ms
        );
        let statement = Statement {
            id: id.clone(),
            request_sha256: Hash::of(request.as_bytes()),
            answer_sha256: digest,
            model: WHO.to_owned(),
            model_sha256: None,
            price_msat: 0,
            prompt_tokens: 0,
            completion_tokens: 0,
        };
        let mut receipts = self.inner.receipts.lock().await;
        if self.has_receipt(&id).await? {
            return Ok(DeliveryView { receipt: id, file });
        }
        let leaf = receipts.sign(statement)?;
        let row = leaf.clone();
        self.inner.db.write(move |tx| row.insert(tx)).await?;
        receipts.push(leaf)?;
        drop(receipts);
        self.inner.log_grew.notify_one();
        Ok(DeliveryView { receipt: id, file })
    }

    async fn has_receipt(&self, id: &str) -> Result<bool> {
        let id = id.to_owned();
        let sql = "SELECT EXISTS (SELECT 1 FROM receipts WHERE id = ?1)";
        let found = self
            .inner
            .db
            .write(move |tx| -> Result<bool> { Ok(tx.query_row(sql, [id], |row| row.get(0))?) });
        found.await
    }
}

/// Where records are kept.
fn folder(config: &Config) -> PathBuf {
    config.network_dir().join("deliveries")
}
