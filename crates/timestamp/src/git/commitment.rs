//! What is handed to calendars: the object and its tree in one digest.

use super::{Digest, Error, FileInTree, Result, sha256};
use crate::ots::{Arg, DetachedProof, Digester, Op, Timestamp};

/// The first message of a signed object's timestamp.
pub fn signed_message(payload: &[u8], signature: &[u8]) -> Digest {
    sha256(&[&sha256(&[payload]), &sha256(&[signature])])
}

/// An object's first message, and the root of its tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commitment {
    message: Digest,
    tree: Option<Digest>,
}

impl Commitment {
    /// For an object without a tree, `tree` is none.
    pub fn new(message: Digest, tree: Option<Digest>) -> Self {
        Self { message, tree }
    }

    /// The object's first message: what its proof begins with.
    pub fn message(&self) -> &Digest {
        &self.message
    }

    /// 1 if the tree is in it, and 0 if not.
    pub fn minor_version(&self) -> u8 {
        u8::from(self.tree.is_some())
    }

    /// What is to be stamped.
    pub fn digest(&self) -> Digest {
        match &self.tree {
            Some(tree) => sha256(&[&self.message, tree]),
            None => self.message,
        }
    }

    /// What is known about the message, given what is known about the [digest](Self::digest).
    pub fn timestamp(&self, of_digest: Timestamp) -> Timestamp {
        of_digest.after(self.ops())
    }

    /// The proof of a file in the tree, by the object's timestamp.
    ///
    /// # Errors
    /// `WithoutTree` if the timestamp doesn't begin with this tree.
    pub fn file(&self, timestamp: &Timestamp, file: &FileInTree) -> Result<DetachedProof> {
        let ops: Vec<Op> = self.ops().collect();
        let of_digest = timestamp.follow(&ops).filter(|_| self.tree.is_some());
        let of_digest = of_digest.ok_or(Error::WithoutTree)?;
        let join = [Op::Prepend(Arg::from(&self.message)), Op::SHA256];
        let path = file.ops.iter().cloned().chain(join);
        Ok(DetachedProof::new(
            Digester::Sha256,
            file.digest.to_vec(),
            of_digest.after(path),
        )?)
    }

    /// From the message to the digest.
    fn ops(&self) -> impl Iterator<Item = Op> + use<> {
        let tree = self.tree.map(|tree| Op::Append(Arg::from(&tree)));
        let hash = tree.is_some().then_some(Op::SHA256);
        tree.into_iter().chain(hash)
    }
}
