//! Finding receipts again: by id, by payment, by the answer that they are about.

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use timestamp::Hash;
use timestamp::proof::ReceiptProof;
use timestamp::receipt::{Receipt, SignedReceipt, answer_digests};

use super::anchors::StoredAnchor;
use crate::boxed;
use crate::error::{NodeError, Result};
use crate::node::Node;

/// A line of the list of receipts.
#[derive(Clone, Debug, Serialize)]
pub struct ReceiptView {
    /// Its id.
    pub id: String,
    /// Its place in our log; none if another node issued it.
    pub index: Option<u64>,
    /// The model that answered.
    pub model: String,
    /// What the answer cost.
    pub price_sat: u64,
    /// When, Unix milliseconds.
    pub time_unix_ms: u64,
    /// True if we paid for it, false if we issued it.
    pub received: bool,
}

impl ReceiptView {
    fn new(index: Option<u64>, receipt: &Receipt) -> Self {
        Self {
            id: receipt.id.clone(),
            index,
            model: receipt.model.clone(),
            price_sat: wallet::msat_to_sat_ceil(receipt.price_msat),
            time_unix_ms: receipt.time_unix_ms,
            received: index.is_none(),
        }
    }
}

/// A receipt as it is stored.
enum Stored {
    Issued {
        index: u64,
        signed: String,
        anchor: Option<StoredAnchor>,
    },
    Received {
        proof: String,
    },
}

impl Stored {
    /// Ours come first: a seller may give its receipt whatever id it likes.
    fn by_id(db: &Connection, id: &str) -> Result<Option<Self>> {
        let issued = "SELECT idx, signed FROM receipts WHERE id = ?1";
        if let Some(ours) = Self::issued(db, issued, id)? {
            return Ok(Some(ours));
        }
        let received = "SELECT proof FROM received_receipts WHERE payment = ?1 OR id = ?1
                        ORDER BY payment != ?1, rowid LIMIT 1";
        let Some(Self::Received { proof }) = Self::received(db, received, id)? else {
            return Ok(None);
        };
        // What we bought of ourselves is ours: only that gets an anchor later.
        let bought = ReceiptProof::from_json(proof.as_bytes())?.signed_receipt;
        match Self::issued(db, issued, &bought.receipt.id)? {
            Some(Self::Issued {
                index,
                signed,
                anchor,
            }) if parse_signed(&signed)? == bought => Ok(Some(Self::Issued {
                index,
                signed,
                anchor,
            })),
            _ => Ok(Some(Self::Received { proof })),
        }
    }

    /// The oldest of ours that is about this answer, or else the oldest that we were given: what
    /// was said before proves more.
    fn by_answer(db: &Connection, digest: &Hash) -> Result<Option<Self>> {
        let issued =
            "SELECT idx, signed FROM receipts WHERE answer_sha256 = ?1 ORDER BY idx LIMIT 1";
        if let Some(found) = Self::issued(db, issued, digest.as_bytes())? {
            return Ok(Some(found));
        }
        let received = "SELECT proof FROM received_receipts WHERE answer_sha256 = ?1
                        ORDER BY rowid LIMIT 1";
        Self::received(db, received, digest.as_bytes())
    }

    fn issued(db: &Connection, sql: &str, key: impl rusqlite::ToSql) -> Result<Option<Self>> {
        let row: Option<(u64, String)> = db
            .prepare_cached(sql)?
            .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((index, signed)) = row else {
            return Ok(None);
        };
        Ok(Some(Self::Issued {
            index,
            signed,
            anchor: StoredAnchor::of_leaf(db, index)?,
        }))
    }

    fn received(db: &Connection, sql: &str, key: impl rusqlite::ToSql) -> Result<Option<Self>> {
        let row = db
            .prepare_cached(sql)?
            .query_row([key], |row| row.get(0))
            .optional()?;
        Ok(row.map(|proof| Self::Received { proof }))
    }
}

impl Node {
    /// The receipt with this id, issued or received, as the file to keep. The id of a
    /// payment finds the receipt that came back for it; `latest` finds the newest.
    ///
    /// What we issued is proven against an anchored checkpoint as soon as there is one.
    ///
    /// # Errors
    /// `not_found`, or a database error.
    #[boxed]
    pub async fn receipt(&self, id: &str) -> Result<ReceiptProof> {
        let newest = match id {
            "latest" => self.receipts(1).await?.pop().map(|view| view.id),
            _ => None,
        };
        let wanted = newest.unwrap_or_else(|| id.to_owned());
        let stored = self
            .inner
            .db
            .write(move |tx| Stored::by_id(tx, &wanted))
            .await?;
        self.prove(stored, "receipt", id).await
    }

    /// The receipt that is about this answer: its text as it is, or without the newline that
    /// shells and editors put at the end of a file. Of several, the oldest.
    ///
    /// # Errors
    /// `not_found`, or a database error.
    #[boxed]
    pub async fn receipt_for_answer(&self, answer: &[u8]) -> Result<ReceiptProof> {
        let mut last = None;
        for digest in answer_digests(answer) {
            match self.receipt_by_answer(digest).await {
                Err(error @ NodeError::NotFound { .. }) => last = Some(error),
                other => return other,
            }
        }
        Err(last.unwrap_or(NodeError::NotFound {
            what: "receipt for the answer",
            id: String::new(),
        }))
    }

    /// The oldest receipt about the answer with this SHA-256.
    ///
    /// # Errors
    /// `not_found`, or a database error.
    #[boxed]
    pub async fn receipt_by_answer(&self, digest: Hash) -> Result<ReceiptProof> {
        let stored = self
            .inner
            .db
            .write(move |tx| Stored::by_answer(tx, &digest))
            .await?;
        let what = "receipt for the answer";
        self.prove(stored, what, &digest.to_string()).await
    }

    async fn prove(
        &self,
        stored: Option<Stored>,
        what: &'static str,
        id: &str,
    ) -> Result<ReceiptProof> {
        let (index, signed, anchor) = match stored {
            Some(Stored::Issued {
                index,
                signed,
                anchor,
            }) => (index, parse_signed(&signed)?, anchor),
            Some(Stored::Received { proof }) => {
                return Ok(ReceiptProof::from_json(proof.as_bytes())?);
            }
            None => {
                let id = id.to_owned();
                return Err(NodeError::NotFound { what, id });
            }
        };
        let mut receipts = self.inner.receipts.lock().await;
        match anchor {
            Some(StoredAnchor { head, anchor }) => Ok(receipts
                .prove(index, signed, &head)?
                .with_anchor(Some(anchor))),
            None => {
                let head = receipts.head()?;
                receipts.prove(index, signed, &head)
            }
        }
    }

    /// The newest receipts, oldest first.
    ///
    /// # Errors
    /// If the database fails.
    #[boxed]
    pub async fn receipts(&self, limit: u32) -> Result<Vec<ReceiptView>> {
        let rows = self
            .inner
            .db
            .write(move |tx| -> Result<Vec<(Option<u64>, String)>> {
                let mut statement = tx.prepare(
                    "SELECT idx, signed FROM (SELECT idx, signed FROM receipts ORDER BY idx DESC LIMIT ?1)
                     UNION ALL
                     SELECT NULL, proof FROM (SELECT rowid, proof FROM received_receipts ORDER BY rowid DESC LIMIT ?1)",
                )?;
                let rows = statement.query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?;
                Ok(rows.collect::<std::result::Result<_, _>>()?)
            })
            .await?;
        let mut views = Vec::with_capacity(rows.len());
        for (index, json) in rows {
            let signed = match index {
                Some(_) => parse_signed(&json)?,
                None => ReceiptProof::from_json(json.as_bytes())?.signed_receipt,
            };
            views.push(ReceiptView::new(index, &signed.receipt));
        }
        views.sort_by_key(|view| view.time_unix_ms);
        let surplus = views.len().saturating_sub(limit as usize);
        views.drain(..surplus);
        Ok(views)
    }
}

fn parse_signed(json: &str) -> Result<SignedReceipt> {
    serde_json::from_str(json)
        .map_err(|error| NodeError::Config(format!("a stored receipt is damaged: {error}")))
}
