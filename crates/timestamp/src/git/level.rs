//! One folder's digest. Changing anything here changes the format.

use super::{Digest, Error, Result, sha256};
use crate::aggregate::Aggregate;
use crate::ots::{Arg, Op};

/// Makes the key one for this purpose only.
const KEY_TAG: &[u8] = b"\x01\x89\x08\x0c\xfb\xd0\xe8\x08";

/// The digests of what is in a folder, as one.
///
/// Each is hidden from whoever sees the proof of another: by a nonce that only who knows all of
/// them can compute. Whether it stands before or behind the digest is decided by it as well, so
/// that a folder can't be told from a step inside of the tree.
pub(super) struct Level {
    contents: Vec<Digest>,
    key: Digest,
    tree: Aggregate,
}

impl Level {
    /// Fails if there is nothing.
    pub fn new(contents: Vec<Digest>) -> Result<Self> {
        let key = sha256(&[contents.as_flattened(), KEY_TAG]);
        let leaves = match contents.as_slice() {
            // There is nothing to hide beside it.
            [only] => vec![*only],
            all => all
                .iter()
                .map(|digest| {
                    let (nonce, is_before) = nonce(digest, &key);
                    match is_before {
                        true => sha256(&[&nonce, digest]),
                        false => sha256(&[digest, &nonce]),
                    }
                })
                .collect(),
        };
        Ok(Self {
            tree: Aggregate::new(leaves).ok_or(Error::EmptyTree)?,
            contents,
            key,
        })
    }

    pub fn root(&self) -> Digest {
        *self.tree.root()
    }

    /// From the digest at this place to the root.
    pub fn path(&self, index: usize) -> Vec<Op> {
        let mut ops = Vec::new();
        if self.contents.len() > 1 {
            let (nonce, is_before) = nonce(&self.contents[index], &self.key);
            let nonce = Arg::from(&nonce);
            ops.push(match is_before {
                true => Op::Prepend(nonce),
                false => Op::Append(nonce),
            });
            ops.push(Op::SHA256);
        }
        ops.extend(self.tree.path(index));
        ops
    }
}

/// The nonce, and whether it goes before the digest.
fn nonce(digest: &Digest, key: &Digest) -> (Digest, bool) {
    let first = sha256(&[digest, key]);
    (sha256(&[&first]), first[0] & 1 == 1)
}
