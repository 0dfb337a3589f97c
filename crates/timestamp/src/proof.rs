//! Proofs of receipts: the one file that a customer keeps.
//!
//! ```json
//! {
//!   "format": "freehold-receipt-proof/v1",
//!   "signed_receipt": { "receipt": { … }, "signatures": [{ "algorithm": …, "signature": … }] },
//!   "log": { "index": 0, "tree_size": 1, "path": [], "checkpoint": "…" },
//!   "anchors": []
//! }
//! ```
//!
//! `path` runs from the leaf's sibling to the root's child (RFC 9162, 2.1.3), `checkpoint` is a
//! C2SP checkpoint signed by the key that the receipt names. `anchors` is the place for proofs of
//! the checkpoint's age. Version 1 of this crate knows no kind of anchor, and what it doesn't
//! know it keeps, counts, and never takes for proof.

mod verified;

pub use verified::{Anchoring, KeySource, Verified};

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::merkle::{self, MAX_PATH_HASHES};
use crate::receipt::{self, SignedReceipt};
use crate::{Error, Hash, Result};

/// The format that this crate writes and reads.
pub const FORMAT: &str = "freehold-receipt-proof/v1";
/// The largest proof that is read.
pub const MAX_PROOF_BYTES: usize = 64 * 1024;
/// The most anchors that a proof may carry.
pub const MAX_ANCHORS: usize = 16;

const WHAT: &str = "the proof";

/// A signed receipt and its place in the node's log: everything needed to check it offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptProof {
    /// Always [`FORMAT`].
    pub format: String,
    /// What the node says, signed.
    pub signed_receipt: SignedReceipt,
    /// Where it stands in the node's log.
    pub log: LogProof,
    /// Proofs of the checkpoint's age, none of which this version understands.
    #[serde(default)]
    pub anchors: Vec<serde_json::Value>,
}

/// The place of a leaf in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogProof {
    /// The index of the leaf, counted from 0.
    pub index: u64,
    /// The number of leaves that the log had when the checkpoint was made.
    pub tree_size: u64,
    /// The hashes from the leaf's sibling up to the root's child.
    pub path: Vec<Hash>,
    /// The signed head of the log.
    pub checkpoint: String,
}

impl ReceiptProof {
    /// Puts a receipt and its place in the log together.
    pub fn new(signed_receipt: SignedReceipt, log: LogProof) -> Self {
        Self {
            format: FORMAT.to_owned(),
            signed_receipt,
            log,
            anchors: Vec::new(),
        }
    }

    /// Reads a proof. Unknown fields are skipped; everything else must be as described above.
    pub fn from_json(json: &[u8]) -> Result<Self> {
        /// Another version may look quite different, so its name is read by itself first.
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        if json.len() > MAX_PROOF_BYTES {
            return Err(Error::TooLarge {
                what: WHAT,
                max: MAX_PROOF_BYTES,
            });
        }
        let malformed = |error: serde_json::Error| Error::malformed(WHAT, error.to_string());
        check_format(
            serde_json::from_slice::<Head>(json)
                .map_err(malformed)?
                .format,
        )?;
        let proof: Self = serde_json::from_slice(json).map_err(malformed)?;
        proof.check_bounds()?;
        Ok(proof)
    }

    /// Writes the proof, indented and ended by a newline.
    pub fn to_json(&self) -> Result<String> {
        let mut json = serde_json::to_string_pretty(self)
            .map_err(|error| Error::malformed(WHAT, error.to_string()))?;
        json.push('\n');
        if json.len() > MAX_PROOF_BYTES {
            return Err(Error::TooLarge {
                what: WHAT,
                max: MAX_PROOF_BYTES,
            });
        }
        Ok(json)
    }

    /// Checks everything that the proof says, offline, and tells what was found.
    ///
    /// Without an `expected_key` the key comes from the receipt itself. The proof is then only
    /// consistent in itself: anyone could have made it with a key of their own. The result says so.
    pub fn verify(&self, expected_key: Option<&VerifyingKey>) -> Result<Verified> {
        check_format(self.format.clone())?;
        self.check_bounds()?;
        let receipt = &self.signed_receipt.receipt;
        let key_source = match expected_key {
            Some(expected) if expected != receipt.node.key() => {
                return Err(Error::KeyMismatch {
                    expected: hex::encode(expected),
                    found: hex::encode(receipt.node.key()),
                });
            }
            Some(_) => KeySource::Expected,
            None => KeySource::Receipt,
        };
        self.signed_receipt.verify()?;
        let checkpoint = self.open_checkpoint()?;
        let leaf_hash = receipt.leaf_hash()?;
        let LogProof {
            index,
            tree_size,
            ref path,
            ..
        } = self.log;
        merkle::verify_inclusion(&leaf_hash, index, tree_size, path, &checkpoint.root)?;
        Ok(Verified {
            id: receipt.id.clone(),
            node: receipt.node.clone(),
            key_source,
            leaf_hash,
            index,
            tree_size,
            root: checkpoint.root,
            anchoring: Anchoring::of(self.anchors.len()),
        })
    }

    /// Checks that the receipt speaks of this request.
    pub fn verify_request(&self, request: &[u8]) -> Result<()> {
        self.signed_receipt.receipt.verify_request(request)
    }

    /// Checks that the receipt speaks of this answer.
    pub fn verify_answer(&self, answer: &[u8]) -> Result<()> {
        self.signed_receipt.receipt.verify_answer(answer)
    }

    /// The checkpoint, if it is signed by the receipt's node and belongs to this proof.
    fn open_checkpoint(&self) -> Result<Checkpoint> {
        let node = &self.signed_receipt.receipt.node;
        let checkpoint = Checkpoint::open(self.log.checkpoint.as_bytes(), node)?;
        if checkpoint.origin != node.name() {
            return Err(Error::CheckpointMismatch { part: "origin" });
        }
        if checkpoint.size != self.log.tree_size {
            return Err(Error::CheckpointMismatch { part: "size" });
        }
        Ok(checkpoint)
    }

    fn check_bounds(&self) -> Result<()> {
        let lists = [
            ("the path", self.log.path.len(), MAX_PATH_HASHES),
            (
                "the list of signatures",
                self.signed_receipt.signatures.len(),
                receipt::MAX_SIGNATURES,
            ),
            ("the list of anchors", self.anchors.len(), MAX_ANCHORS),
        ];
        match lists.into_iter().find(|(_, count, max)| count > max) {
            Some((what, _, max)) => Err(Error::TooLarge { what, max }),
            None => Ok(()),
        }
    }
}

fn check_format(found: String) -> Result<()> {
    if found == FORMAT {
        Ok(())
    } else {
        Err(Error::UnsupportedVersion { what: WHAT, found })
    }
}
