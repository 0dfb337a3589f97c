//! What checking a proof has shown, and what it has not.

use serde::Serialize;

use super::Anchoring;
use crate::Hash;
use crate::note::Identity;

/// The outcome of [`ReceiptProof::verify`](super::ReceiptProof::verify).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The receipt's id.
    pub id: String,
    /// The node that signed the receipt and the log's head.
    pub node: Identity,
    /// Where the node's keys were known from.
    pub key_source: KeySource,
    /// The hash of the receipt's leaf.
    pub leaf_hash: Hash,
    /// The leaf's place in the log.
    pub index: u64,
    /// The size of the log at the checkpoint.
    pub tree_size: u64,
    /// The root of the log at the checkpoint.
    pub root: Hash,
    /// Who but the node vouches for the time: told, not checked.
    pub anchoring: Anchoring,
}

/// Where the keys that everything was checked against came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The caller named the node, and the receipt is by its keys.
    Expected,
    /// The keys were taken from the proof itself, which proves nothing about who made it.
    Receipt,
}

impl Verified {
    /// What was checked and found true, one sentence each.
    pub fn checks(&self) -> Vec<String> {
        let name = self.node.name();
        let mut checks = vec![
            format!(
                "the receipt {} is signed by both keys of {name} (Ed25519 and ML-DSA-44)",
                self.id
            ),
            format!(
                "it is leaf {} of the {} leaves in that node's log, whose root is {}",
                self.index, self.tree_size, self.root
            ),
            "the same keys have signed that root".to_owned(),
        ];
        if self.key_source == KeySource::Expected {
            checks.push("the keys are the ones you expected".to_owned());
        }
        checks
    }

    /// What was not checked, one sentence each, but for the anchor: see [`Anchoring::warning`].
    /// Whoever shows the checks must show these too.
    pub fn warnings(&self) -> Vec<String> {
        match self.key_source {
            KeySource::Expected => Vec::new(),
            KeySource::Receipt => vec![format!(
                "the keys were taken from the receipt itself: the proof is consistent in itself, \
                 but anyone could have made it; compare with the node's own line, {}",
                self.node
            )],
        }
    }
}
