//! A node's log of receipts: the key, the tree, and the order in which to use them.

use ed25519_dalek::SigningKey;

use crate::checkpoint::Checkpoint;
use crate::merkle::Tree;
use crate::note::{Signer, VerifierKey};
use crate::proof::{LogProof, ReceiptProof};
use crate::receipt::{Receipt, SignedReceipt};
use crate::{Error, Hash, Result};

/// An append-only log of receipts.
///
/// The log lives in memory; the leaf hashes, in order, are all that must be stored to
/// [restore](ReceiptLog::restore) it. A log must never sign a head and then forget a leaf of it,
/// so the leaf has to be durable first:
///
/// 1. [`sign`](ReceiptLog::sign) the receipt;
/// 2. store its leaf hash at index [`size`](ReceiptLog::size), and commit;
/// 3. [`push`](ReceiptLog::push) it. A crash before this loses nothing: restoring catches up.
#[derive(Debug, Clone)]
pub struct ReceiptLog {
    signer: Signer,
    tree: Tree,
}

/// Where a receipt stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The place of the leaf, counted from 0.
    pub index: u64,
    /// The hash of the leaf.
    pub leaf_hash: Hash,
    /// The receipt with the node's signature.
    pub signed: SignedReceipt,
}

impl ReceiptLog {
    /// An empty log. `origin` is its name and the name of its key, by custom a URL without its
    /// scheme.
    pub fn new(key: SigningKey, origin: impl Into<String>) -> Result<Self> {
        Self::restore(key, origin, [])
    }

    /// The log as it was, from its leaf hashes in order.
    pub fn restore(
        key: SigningKey,
        origin: impl Into<String>,
        leaf_hashes: impl IntoIterator<Item = Hash>,
    ) -> Result<Self> {
        let signer = Signer::new(origin, key)?;
        Ok(Self {
            signer,
            tree: leaf_hashes.into_iter().collect(),
        })
    }

    /// The public key of the node, to be put into [`Receipt::node`].
    pub fn node(&self) -> &VerifierKey {
        self.signer.verifier()
    }

    /// The number of leaves, which is the index of the next one.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The tree, for its roots and paths.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Signs a receipt without appending it.
    pub fn sign(&self, receipt: &Receipt) -> Result<SignedReceipt> {
        if receipt.node.name() != self.node().name() {
            let why = "must be the key of this log";
            return Err(Error::InvalidField { field: "node", why });
        }
        receipt.sign(self.signer.secret())
    }

    /// Appends a leaf. `index` is where the caller has stored it; if that isn't the log's end,
    /// storage and memory disagree, and nothing is appended.
    pub fn push(&mut self, index: u64, leaf_hash: Hash) -> Result<()> {
        let next = self.size();
        if index != next {
            return Err(Error::OutOfOrder { index, next });
        }
        self.tree.push(leaf_hash);
        Ok(())
    }

    /// Signs a receipt and appends it in one step, for callers that store nothing.
    pub fn append(&mut self, receipt: &Receipt) -> Result<Appended> {
        let signed = self.sign(receipt)?;
        let leaf_hash = receipt.leaf_hash()?;
        let index = self.tree.push(leaf_hash);
        Ok(Appended {
            index,
            leaf_hash,
            signed,
        })
    }

    /// The proof that `signed` is leaf `index` of the log as it is now.
    pub fn prove(&self, index: u64, signed: SignedReceipt) -> Result<ReceiptProof> {
        let tree_size = self.size();
        let path = self.tree.inclusion_path(index, tree_size)?;
        if self.tree.leaf(index) != Some(signed.receipt.leaf_hash()?) {
            return Err(Error::LeafMismatch { index });
        }
        let log = LogProof {
            index,
            tree_size,
            path,
            checkpoint: self.checkpoint()?,
        };
        Ok(ReceiptProof::new(signed, log))
    }

    /// The signed head of the log as it is now (C2SP tlog-checkpoint).
    pub fn checkpoint(&self) -> Result<String> {
        let checkpoint = Checkpoint {
            origin: self.node().name().to_owned(),
            size: self.size(),
            root: self.tree.root(),
            extensions: Vec::new(),
        };
        Ok(checkpoint.sign(&self.signer)?.to_string())
    }
}
