//! The log of receipts: leaves in SQLite, the tree in memory.

use rusqlite::Connection;
use timestamp::Hash;
use timestamp::cosignature::NO_TIME;
use timestamp::log::{Head, ReceiptLog};
use timestamp::merkle::leaf_hash;
use timestamp::note::{CosignerKey, Identity};
use timestamp::proof::ReceiptProof;
use timestamp::receipt::{Receipt, SignedReceipt};
use timestamp::tiles::TileAddress;
use wallet::Db;

use crate::boxed;
use crate::error::{NodeError, Result};
use crate::keys::Seed;
use crate::node::now_ms;

/// Issued receipts are the log itself; received ones are kept as their proof files. Both are
/// found by the answer's digest too.
pub(crate) const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS receipts (
    idx           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    entry         BLOB NOT NULL CHECK (length(entry) = 32),
    answer_sha256 BLOB NOT NULL CHECK (length(answer_sha256) = 32),
    signed        TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS receipts_by_answer ON receipts (answer_sha256);
CREATE TABLE IF NOT EXISTS received_receipts (
    payment       TEXT PRIMARY KEY,
    id            TEXT NOT NULL,
    answer_sha256 BLOB NOT NULL CHECK (length(answer_sha256) = 32),
    proof         TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS received_receipts_by_id ON received_receipts (id);
CREATE INDEX IF NOT EXISTS received_receipts_by_answer ON received_receipts (answer_sha256);
";

/// The log, and the next leaf's place in it. The caller keeps it locked from
/// [`Receipts::sign`] until the database has the leaf and [`Receipts::push`] was called.
pub(crate) struct Receipts {
    log: ReceiptLog,
    /// The newest signed head, so that asking for it again costs no signature.
    head: Option<Head>,
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
    entry: Hash,
    signed: SignedReceipt,
    json: String,
}

impl Receipts {
    /// Rebuilds the tree from the stored entries.
    #[boxed]
    pub async fn load(db: &Db, seed: &Seed) -> Result<Self> {
        let entries = db
            .write(|tx| -> Result<Vec<Hash>> {
                let mut statement = tx.prepare("SELECT entry FROM receipts ORDER BY idx")?;
                let rows = statement.query_map([], |row| Ok(Hash(row.get(0)?)))?;
                Ok(rows.collect::<std::result::Result<_, _>>()?)
            })
            .await?;
        let leaves = entries.iter().map(|entry| leaf_hash(entry.as_bytes()));
        Ok(Self {
            log: ReceiptLog::restore(seed.receipts_signer()?, leaves),
            head: None,
        })
    }

    /// Who signs receipts and checkpoints.
    pub fn node(&self) -> &Identity {
        self.log.node()
    }

    /// The ML-DSA-44 key, of which the identity has the digest.
    pub fn cosigner(&self) -> &CosignerKey {
        self.log.signer().ml_dsa_44().verifier()
    }

    pub fn size(&self) -> u64 {
        self.log.size()
    }

    /// The newest head, signed when the log came to this size or first after.
    pub fn head(&mut self) -> Result<Head> {
        match &self.head {
            Some(head) if head.size == self.log.size() => Ok(head.clone()),
            _ => {
                let time_unix_s = now_ms().max(0).unsigned_abs() / 1_000;
                let head = self.log.head(time_unix_s)?;
                self.head = Some(head.clone());
                Ok(head)
            }
        }
    }

    /// The head of an earlier size. Its cosignature gives no time: the anchor does.
    pub fn head_at(&self, size: u64) -> Result<Head> {
        Ok(self.log.head_at(size, NO_TIME)?)
    }

    /// The root of now.
    pub fn root(&self) -> Hash {
        self.log.tree().root()
    }

    /// A tile's hashes, if the log has them all.
    pub fn tile(&self, address: &TileAddress) -> Option<Vec<u8>> {
        self.log.tree().tile(address)
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
        let entry = receipt.entry()?;
        let signed = self.log.sign(&receipt)?;
        let json = serde_json::to_string(&signed)
            .map_err(|error| NodeError::Config(format!("a receipt can't be written: {error}")))?;
        Ok(Leaf {
            index: self.log.size(),
            entry,
            signed,
            json,
        })
    }

    /// Takes a leaf into the tree, once the database has it, and proves it.
    pub fn push(&mut self, leaf: Leaf) -> Result<ReceiptProof> {
        self.log
            .push(leaf.index, leaf_hash(leaf.entry.as_bytes()))?;
        let head = self.head()?;
        self.prove(leaf.index, leaf.signed, &head)
    }

    /// The proof that a receipt was in the log at this head.
    pub fn prove(&self, index: u64, signed: SignedReceipt, head: &Head) -> Result<ReceiptProof> {
        Ok(self.log.prove(index, signed, head)?)
    }
}

impl Leaf {
    /// Stores the leaf, within the transaction that books what it is for.
    pub fn insert(&self, db: &Connection) -> Result<()> {
        db.execute(
            "INSERT INTO receipts (idx, id, entry, answer_sha256, signed)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            (
                i64::try_from(self.index).unwrap_or(i64::MAX),
                &self.signed.receipt.id,
                self.entry.as_bytes(),
                self.signed.receipt.answer_sha256.as_bytes(),
                &self.json,
            ),
        )?;
        Ok(())
    }
}

/// Keeps a receipt that a seller gave us for a payment. Its id is the seller's choice, and may be
/// that of another receipt.
pub(crate) fn keep_received(db: &Connection, payment: &str, proof: &ReceiptProof) -> Result<()> {
    let receipt = &proof.signed_receipt.receipt;
    db.execute(
        "INSERT INTO received_receipts (payment, id, answer_sha256, proof)
         VALUES (?1, ?2, ?3, ?4) ON CONFLICT (payment) DO NOTHING",
        (
            payment,
            &receipt.id,
            receipt.answer_sha256.as_bytes(),
            proof.to_json()?,
        ),
    )?;
    Ok(())
}
