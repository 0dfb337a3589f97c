//! The log of receipts: leaves in SQLite, the tree in memory.

use rusqlite::{Connection, OptionalExtension};
use serde::Serialize;
use timestamp::log::ReceiptLog;
use timestamp::note::VerifierKey;
use timestamp::proof::ReceiptProof;
use timestamp::receipt::{Receipt, SignedReceipt};
use timestamp::{Hash, SigningKey};
use wallet::Db;

use crate::error::{NodeError, Result};
use crate::node::{Node, now_ms};

/// Issued receipts are the log itself; received ones are kept as their proof files.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS receipts (
    idx         INTEGER PRIMARY KEY,
    id          TEXT NOT NULL UNIQUE,
    leaf        BLOB NOT NULL CHECK (length(leaf) = 32),
    signed      TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS received_receipts (
    id          TEXT PRIMARY KEY,
    payment     TEXT NOT NULL,
    proof       TEXT NOT NULL
) STRICT;
";

/// The log, and the next leaf's place in it. The caller keeps it locked from
/// [`Receipts::sign`] until the database has the leaf and [`Receipts::push`] was called.
pub(crate) struct Receipts {
    log: ReceiptLog,
}

/// What a receipt says, besides who and when.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub id: String,
    pub request_sha256: Hash,
    pub answer_sha256: Hash,
    pub model: String,
    pub model_sha256: Option<Hash>,
    pub price_msat: u64,
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
}

/// A signed receipt with its place, ready to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    index: u64,
    leaf: Hash,
    signed: SignedReceipt,
    json: String,
}

impl Receipts {
    /// Rebuilds the tree from the stored leaves.
    pub async fn load(db: &Db, key: SigningKey) -> Result<Self> {
        let leaves = db
            .write(|tx| -> Result<Vec<Hash>> {
                let mut statement = tx.prepare("SELECT leaf FROM receipts ORDER BY idx")?;
                let rows = statement.query_map([], |row| Ok(Hash(row.get(0)?)))?;
                Ok(rows.collect::<std::result::Result<_, _>>()?)
            })
            .await?;
        let name = hex::encode(&key.verifying_key().as_bytes()[..8]);
        let origin = format!("freehold/{name}/receipts");
        Ok(Self {
            log: ReceiptLog::restore(key, origin, leaves)?,
        })
    }

    /// The key that verifies receipts and checkpoints.
    pub fn key(&self) -> String {
        self.log.node().to_string()
    }

    pub fn size(&self) -> u64 {
        self.log.size()
    }

    pub fn checkpoint(&self) -> Result<String> {
        Ok(self.log.checkpoint()?)
    }

    /// Signs a statement for the log's next place.
    pub fn sign(&self, statement: Statement) -> Result<Leaf> {
        let receipt = Receipt {
            version: timestamp::receipt::VERSION,
            id: statement.id,
            request_sha256: statement.request_sha256,
            answer_sha256: statement.answer_sha256,
            model: statement.model,
            model_sha256: statement.model_sha256,
            price_msat: statement.price_msat,
            prompt_tokens: statement.prompt_tokens,
            completion_tokens: statement.completion_tokens,
            time_unix_ms: now_ms().max(0).unsigned_abs(),
            node: self.log.node().clone(),
        };
        let leaf = receipt.leaf_hash()?;
        let signed = self.log.sign(&receipt)?;
        let json = serde_json::to_string(&signed)
            .map_err(|error| NodeError::Config(format!("a receipt can't be written: {error}")))?;
        Ok(Leaf {
            index: self.log.size(),
            leaf,
            signed,
            json,
        })
    }

    /// Takes a leaf into the tree, once the database has it, and proves it.
    pub fn push(&mut self, leaf: Leaf) -> Result<ReceiptProof> {
        self.log.push(leaf.index, leaf.leaf)?;
        Ok(self.log.prove(leaf.index, leaf.signed)?)
    }

    fn prove(&self, index: u64, signed: SignedReceipt) -> Result<ReceiptProof> {
        Ok(self.log.prove(index, signed)?)
    }
}

impl Leaf {
    /// Stores the leaf, within the transaction that books what it is for.
    pub fn insert(&self, db: &Connection) -> Result<()> {
        db.execute(
            "INSERT INTO receipts (idx, id, leaf, signed) VALUES (?1, ?2, ?3, ?4)",
            (
                i64::try_from(self.index).unwrap_or(i64::MAX),
                &self.signed.receipt.id,
                self.leaf.as_bytes(),
                &self.json,
            ),
        )?;
        Ok(())
    }
}

/// Keeps a receipt that a seller gave us for a payment.
pub(crate) fn keep_received(db: &Connection, payment: &str, proof: &ReceiptProof) -> Result<()> {
    db.execute(
        "INSERT INTO received_receipts (id, payment, proof) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO NOTHING",
        (&proof.signed_receipt.receipt.id, payment, proof.to_json()?),
    )?;
    Ok(())
}

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

impl Node {
    /// The key that verifies this node's receipts.
    #[must_use]
    pub fn receipt_key(&self) -> String {
        self.inner.receipt_key.clone()
    }

    /// The receipt with this id, issued or received, as the file to keep. The id of a
    /// payment finds the receipt that came back for it; `latest` finds the newest.
    ///
    /// # Errors
    /// `not_found`, or a database error.
    pub async fn receipt(&self, id: &str) -> Result<ReceiptProof> {
        let newest = match id {
            "latest" => self.receipts(1).await?.pop().map(|view| view.id),
            _ => None,
        };
        let wanted = newest.unwrap_or_else(|| id.to_owned());
        let (issued, received) = self
            .inner
            .db
            .write(move |tx| -> Result<_> {
                let issued: Option<(u64, String)> = tx
                    .query_row(
                        "SELECT idx, signed FROM receipts WHERE id = ?1",
                        [&wanted],
                        |row| Ok((row.get(0)?, row.get(1)?)),
                    )
                    .optional()?;
                let received: Option<String> = tx
                    .query_row(
                        "SELECT proof FROM received_receipts WHERE id = ?1 OR payment = ?1",
                        [&wanted],
                        |row| row.get(0),
                    )
                    .optional()?;
                Ok((issued, received))
            })
            .await?;
        if let Some(proof) = received {
            return Ok(ReceiptProof::from_json(proof.as_bytes())?);
        }
        let (index, signed) = issued.ok_or_else(|| NodeError::NotFound {
            what: "receipt",
            id: id.to_owned(),
        })?;
        self.inner
            .receipts
            .lock()
            .await
            .prove(index, parse_signed(&signed)?)
    }

    /// The newest receipts, oldest first.
    ///
    /// # Errors
    /// If the database fails.
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

/// What an offline check of a receipt found.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedReceipt {
    /// The receipt's id.
    pub id: String,
    /// The model that answered.
    pub model: String,
    /// What the answer cost.
    pub price_sat: u64,
    /// When, Unix milliseconds.
    pub time_unix_ms: u64,
    /// Whose signature it carries (a C2SP verifier key).
    pub node: String,
    /// What was checked, and held.
    pub checks: Vec<String>,
    /// What this doesn't prove.
    pub warnings: Vec<String>,
}

/// Checks a receipt file offline: signature, place in the log, the log's checkpoint;
/// and that it is about this answer and this request, if given.
///
/// # Errors
/// Says what doesn't hold.
pub fn verify_receipt(
    json: &[u8],
    key: Option<&str>,
    answer: Option<&[u8]>,
    request: Option<&[u8]>,
) -> Result<VerifiedReceipt> {
    let proof = ReceiptProof::from_json(json)?;
    let key: Option<VerifierKey> = key.map(str::parse).transpose()?;
    let verified = proof.verify(key.as_ref().map(VerifierKey::key))?;
    let mut checks = verified.checks();
    if let Some(answer) = answer {
        proof.verify_answer(answer)?;
        checks.push("it is about this answer".into());
    }
    if let Some(request) = request {
        proof.verify_request(request)?;
        checks.push("it is about this request".into());
    }
    let receipt = &proof.signed_receipt.receipt;
    Ok(VerifiedReceipt {
        id: receipt.id.clone(),
        model: receipt.model.clone(),
        price_sat: wallet::msat_to_sat_ceil(receipt.price_msat),
        time_unix_ms: receipt.time_unix_ms,
        node: receipt.node.to_string(),
        checks,
        warnings: verified.warnings(),
    })
}
