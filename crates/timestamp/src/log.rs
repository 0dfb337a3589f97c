//! A node's log of receipts: the key, the tree, and the order in which to use them.

use crate::checkpoint::Checkpoint;
use crate::merkle::Tree;
use crate::note::{Identity, NodeSigner};
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
    signer: NodeSigner,
    tree: Tree,
}

/// Where a receipt stands in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The place of the leaf, counted from 0.
    pub index: u64,
    /// The hash of the leaf.
    pub leaf_hash: Hash,
    /// The receipt with the node's signatures.
    pub signed: SignedReceipt,
}

/// The log as it was at one size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The number of leaves.
    pub size: u64,
    /// The root over them.
    pub root: Hash,
    /// Both, signed (C2SP tlog-checkpoint).
    pub checkpoint: String,
}

impl ReceiptLog {
    /// An empty log. The keys' name, by custom a URL without its scheme, is the log's name too.
    pub fn new(signer: NodeSigner) -> Self {
        Self::restore(signer, [])
    }

    /// The log as it was, from its leaf hashes in order.
    pub fn restore(signer: NodeSigner, leaf_hashes: impl IntoIterator<Item = Hash>) -> Self {
        Self {
            signer,
            tree: leaf_hashes.into_iter().collect(),
        }
    }

    /// Who the node is, to be put into [`Receipt::node`].
    pub fn node(&self) -> &Identity {
        self.signer.identity()
    }

    /// Both keys.
    pub fn signer(&self) -> &NodeSigner {
        &self.signer
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
        receipt.sign(&self.signer)
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

    /// The signed head of the log as it is now. `time_unix_s` is now, in seconds since 1970.
    pub fn head(&self, time_unix_s: u64) -> Result<Head> {
        self.head_at(self.size(), time_unix_s)
    }

    /// The signed head of the log as it was at this size. Unless it was the log's size at
    /// `time_unix_s`, the time must be [`NO_TIME`](crate::cosignature::NO_TIME).
    pub fn head_at(&self, size: u64, time_unix_s: u64) -> Result<Head> {
        let root = self.tree.root_at(size)?;
        let checkpoint = Checkpoint {
            origin: self.node().name().to_owned(),
            size,
            root,
            extensions: Vec::new(),
        };
        let checkpoint = checkpoint.sign(&self.signer, time_unix_s)?.to_string();
        Ok(Head {
            size,
            root,
            checkpoint,
        })
    }

    /// The proof that `signed` is leaf `index` of the log at this head, not anchored.
    pub fn prove(&self, index: u64, signed: SignedReceipt, head: &Head) -> Result<ReceiptProof> {
        let path = self.tree.inclusion_path(index, head.size)?;
        if self.tree.leaf(index) != Some(signed.receipt.leaf_hash()?) {
            return Err(Error::LeafMismatch { index });
        }
        let log = LogProof {
            index,
            tree_size: head.size,
            path,
            checkpoint: head.checkpoint.clone(),
        };
        let cosigner = self.signer.ml_dsa_44().verifier().clone();
        Ok(ReceiptProof::new(signed, cosigner, log))
    }
}
