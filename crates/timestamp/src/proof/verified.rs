//! What checking a proof has shown, and what it has not.

use serde::Serialize;

use crate::Hash;
use crate::note::VerifierKey;

/// The outcome of [`ReceiptProof::verify`](super::ReceiptProof::verify).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The receipt's id.
    pub id: String,
    /// The node that signed the receipt and the log's head.
    pub node: VerifierKey,
    /// Where the node's key was known from.
    pub key_source: KeySource,
    /// The hash of the receipt's leaf.
    pub leaf_hash: Hash,
    /// The leaf's place in the log.
    pub index: u64,
    /// The size of the log at the checkpoint.
    pub tree_size: u64,
    /// The root of the log at the checkpoint.
    pub root: Hash,
    /// Whether anyone but the node vouches for the time.
    pub anchoring: Anchoring,
}

/// Where the key that everything was checked against came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySource {
    /// The caller named the key, and the receipt is by that key.
    Expected,
    /// The key was taken from the receipt itself, which proves nothing about who made it.
    Receipt,
}

/// Whether the log's head is anchored in something that the node can't rewrite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum Anchoring {
    /// The proof has no anchors: the time is the node's own word.
    NotAnchored,
    /// The proof has anchors that this program can't check, so they count for nothing.
    NotChecked {
        /// How many there are.
        anchors: usize,
    },
}

impl Anchoring {
    pub(super) fn of(anchors: usize) -> Self {
        if anchors == 0 {
            Self::NotAnchored
        } else {
            Self::NotChecked { anchors }
        }
    }
}

impl Verified {
    /// What was checked and found true, one sentence each.
    pub fn checks(&self) -> Vec<String> {
        let name = self.node.name();
        let mut checks = vec![
            format!("the receipt {} is signed by the key of {name}", self.id),
            format!(
                "it is leaf {} of the {} leaves in that node's log, whose root is {}",
                self.index, self.tree_size, self.root
            ),
            "the same key has signed that root".to_owned(),
        ];
        if self.key_source == KeySource::Expected {
            checks.push("the key is the one you expected".to_owned());
        }
        checks
    }

    /// What was not checked, one sentence each. Whoever shows the checks must show these too.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.key_source == KeySource::Receipt {
            let key = hex::encode(self.node.key());
            warnings.push(format!(
                "the key {key} was taken from the receipt itself: the proof is consistent in \
                 itself, but anyone could have made it; compare the key with the node's"
            ));
        }
        warnings.push(match self.anchoring {
            Anchoring::NotAnchored => {
                "not anchored yet: the time is the node's own word".to_owned()
            }
            Anchoring::NotChecked { anchors } => format!(
                "not anchored as far as this program can tell: it can't check the {anchors} \
                 anchors in the proof, so the time is the node's own word"
            ),
        });
        warnings
    }
}
