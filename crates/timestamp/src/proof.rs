//! Proofs of receipts: the one file that a customer keeps.
//!
//! ```json
//! {
//!   "format": "freehold-receipt-proof/v2",
//!   "signed_receipt": { "receipt": { … }, "signatures": [{ "algorithm": …, "signature": … }, …] },
//!   "ml_dsa_44_key": "…",
//!   "log": { "index": 0, "tree_size": 1, "path": [], "checkpoint": "…" },
//!   "anchor": "…"
//! }
//! ```
//!
//! `path` runs from the leaf's sibling to the root's child (RFC 9162, 2.1.3), `checkpoint` is a
//! C2SP checkpoint signed by both keys of the node that the receipt names. The receipt has the
//! Ed25519 key itself and the digest of the other one, which stands in `ml_dsa_44_key` (a C2SP
//! verifier key). `anchor`, if there is one, is an OpenTimestamps proof in base64 that starts from
//! the checkpoint's root: whoever checks it against Bitcoin needn't trust the node's clock.
//!
//! The anchor is the one part that no signature covers. It can be replaced by another, but what it
//! then claims is not found in the block that it names.

mod anchor;
mod verified;

pub use anchor::{Anchor, AnchorStatus, Anchoring, BlockClaim, MAX_ANCHOR_BYTES};
pub use verified::{KeySource, Verified};

use serde::{Deserialize, Serialize};

use crate::checkpoint::Checkpoint;
use crate::merkle::{self, MAX_PATH_HASHES};
use crate::note::{CosignerKey, Identity};
use crate::ots::DetachedProof;
use crate::receipt::{self, SignedReceipt};
use crate::{Error, Hash, Result};

/// The format that this crate writes and reads.
pub const FORMAT: &str = "freehold-receipt-proof/v2";
/// The largest proof that is read. Without an anchor a proof has about 11,000 bytes.
pub const MAX_PROOF_BYTES: usize = 64 * 1024;

const WHAT: &str = "the proof";

/// A signed receipt and its place in the node's log: everything needed to check it offline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptProof {
    /// Always [`FORMAT`].
    pub format: String,
    /// What the node says, signed.
    pub signed_receipt: SignedReceipt,
    /// The node's ML-DSA-44 key, of which the receipt names the digest.
    pub ml_dsa_44_key: CosignerKey,
    /// Where the receipt stands in the node's log.
    pub log: LogProof,
    /// A proof of the checkpoint's age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
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
    pub fn new(signed_receipt: SignedReceipt, ml_dsa_44_key: CosignerKey, log: LogProof) -> Self {
        Self {
            format: FORMAT.to_owned(),
            signed_receipt,
            ml_dsa_44_key,
            log,
            anchor: None,
        }
    }

    /// The same with an anchor of the checkpoint's root.
    #[must_use]
    pub fn with_anchor(self, anchor: Option<Anchor>) -> Self {
        Self { anchor, ..self }
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

    /// Checks everything that the proof says, offline, and tells what was found. What an anchor
    /// claims of Bitcoin is only told: checking it takes the headers of blocks.
    ///
    /// Without an `expected` identity the keys come from the proof itself, which is then only
    /// consistent in itself: anyone could have made it with keys of their own. The result says so.
    pub fn verify(&self, expected: Option<&Identity>) -> Result<Verified> {
        check_format(self.format.clone())?;
        self.check_bounds()?;
        let receipt = &self.signed_receipt.receipt;
        let key_source = match expected {
            Some(expected) if *expected != receipt.node => {
                return Err(Error::KeyMismatch {
                    expected: expected.to_string(),
                    found: receipt.node.to_string(),
                });
            }
            Some(_) => KeySource::Expected,
            None => KeySource::Receipt,
        };
        self.signed_receipt.verify(&self.ml_dsa_44_key)?;
        let root = self.open_checkpoint()?.root;
        let leaf_hash = receipt.leaf_hash()?;
        let LogProof {
            index,
            tree_size,
            ref path,
            ..
        } = self.log;
        merkle::verify_inclusion(&leaf_hash, index, tree_size, path, &root)?;
        Ok(Verified {
            id: receipt.id.clone(),
            node: receipt.node.clone(),
            key_source,
            leaf_hash,
            index,
            tree_size,
            root,
            anchoring: Anchoring::of(self.anchor.as_ref(), &root)?,
        })
    }

    /// The receipt's statement, and an OpenTimestamps proof of it that every client can check:
    /// from the statement's digest up the log to its root, and on along the anchor.
    ///
    /// Check the proof first: of one that doesn't verify, the path may lead nowhere.
    ///
    /// # Errors
    /// `not_anchored` without an anchor: somebody has to attest something. Else if a part is
    /// malformed, or the whole is deeper than OpenTimestamps allows.
    pub fn to_ots(&self) -> Result<(String, DetachedProof)> {
        let anchor = self.anchor.as_ref().ok_or(Error::NotAnchored)?;
        let statement = self.signed_receipt.receipt.statement()?;
        let path = merkle::path_ops(self.log.index, self.log.tree_size, &self.log.path)?;
        let timestamp = anchor.timestamp().clone().after(path);
        // Only writing finds out whether it is too deep.
        timestamp.to_bytes()?;
        let proof = DetachedProof::of_bytes(statement.as_bytes(), timestamp)?;
        Ok((statement, proof))
    }

    /// Checks that the receipt speaks of this request.
    pub fn verify_request(&self, request: &[u8]) -> Result<()> {
        self.signed_receipt.receipt.verify_request(request)
    }

    /// Checks that the receipt speaks of this answer, with or without a newline at its end.
    pub fn verify_answer(&self, answer: &[u8]) -> Result<()> {
        self.signed_receipt.receipt.verify_answer(answer)
    }

    /// The checkpoint, if it is signed by the receipt's node and belongs to this proof.
    fn open_checkpoint(&self) -> Result<Checkpoint> {
        let node = &self.signed_receipt.receipt.node;
        let checkpoint = Checkpoint::open(
            self.log.checkpoint.as_bytes(),
            node.ed25519(),
            Some(&self.ml_dsa_44_key),
        )?;
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
