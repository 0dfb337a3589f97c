//! Reading the tree.

use super::codec::Reader;
use super::digester::SHA256;
use super::op::{APPEND, PREPEND};
use super::{Attestation, Error, Op, Result, Timestamp};

/// As many operations in a row make a proof too deep; one less is accepted.
pub const MAX_DEPTH: usize = 256;
/// How many bytes a proof's operations may handle in all. An honest proof of a hundred steps
/// handles less than 10,000; a hostile one could ask for 4 KiB of hashing with each of its bytes.
pub const MAX_WORK_BYTES: usize = 64 * 1024 * 1024;

/// Stands before every alternative but the last.
pub(super) const FORK: u8 = 0xff;
/// Stands before an attestation.
pub(super) const ATTESTATION: u8 = 0x00;

/// What a step costs beside its message.
const STEP_WORK_BYTES: usize = 32;
const DIGEST_BYTES: usize = 32;
/// A level of a tree, after its first tag: the sibling's length, the sibling, and the hash's tag.
const LEVEL_BYTES: usize = 1 + DIGEST_BYTES + 1;
const SIBLING_LENGTH: u8 = 32;

pub(super) fn timestamp(reader: &mut Reader<'_>, message_bytes: usize) -> Result<Timestamp> {
    let mut parser = Parser {
        reader,
        work_bytes: 0,
    };
    parser.timestamp(message_bytes, 0)
}

/// Computes lengths only: no message's content can make a proof invalid.
struct Parser<'r, 'a> {
    reader: &'r mut Reader<'a>,
    work_bytes: usize,
}

impl Parser<'_, '_> {
    fn timestamp(&mut self, length: usize, depth: usize) -> Result<Timestamp> {
        let tag = self.reader.byte()?;
        self.alternatives(tag, length, depth)
    }

    fn alternatives(&mut self, mut tag: u8, length: usize, depth: usize) -> Result<Timestamp> {
        if tag != FORK {
            return self.chain(tag, length, depth);
        }
        let mut fork = Timestamp::default();
        while tag == FORK {
            let first = self.reader.byte()?;
            let alternative = self.chain(first, length, depth)?;
            replace(&mut fork, alternative);
            tag = self.reader.byte()?;
        }
        let last = self.chain(tag, length, depth)?;
        replace(&mut fork, last);
        fork.normalise();
        Ok(fork)
    }

    /// Operations up to the first fork or attestation.
    fn chain(&mut self, mut tag: u8, mut length: usize, mut depth: usize) -> Result<Timestamp> {
        let mut ops = Vec::new();
        while tag != ATTESTATION {
            if tag == FORK && !ops.is_empty() {
                return Ok(self.alternatives(tag, length, depth)?.after(ops));
            }
            if ops.capacity() == 0 {
                // Most proofs climb a few trees, by a digest and a hash a level.
                ops.reserve((self.reader.remaining() / 16).clamp(4, 160));
            }
            if self.level(tag, length, depth, &mut ops) {
                length = DIGEST_BYTES;
                depth += 2;
            } else {
                let op = Op::read(tag, self.reader)?;
                self.work_bytes += length + STEP_WORK_BYTES;
                length = op.result_bytes(length)?;
                depth += 1;
                if depth >= MAX_DEPTH {
                    return Err(Error::TooDeep);
                }
                if self.work_bytes > MAX_WORK_BYTES {
                    return Err(Error::TooMuchWork);
                }
                ops.push(op);
            }
            tag = self.reader.byte()?;
        }
        let attestation = Attestation::read(self.reader)?;
        let mut chain = Timestamp::attested(attestation);
        chain.ops = ops;
        Ok(chain)
    }

    /// Reads a level of a tree at once, which nearly all of a proof is: a digest's sibling, and the
    /// hash of both. Reads nothing and says so if something else follows, or comes near a limit.
    #[inline]
    fn level(&mut self, tag: u8, length: usize, depth: usize, ops: &mut Vec<Op>) -> bool {
        let Some(level) = self.reader.peek::<LEVEL_BYTES>() else {
            return false;
        };
        let [SIBLING_LENGTH, sibling @ .., SHA256] = level else {
            return false;
        };
        let work_bytes = self.work_bytes + 3 * DIGEST_BYTES + 2 * STEP_WORK_BYTES;
        if length != DIGEST_BYTES || depth + 2 >= MAX_DEPTH || work_bytes > MAX_WORK_BYTES {
            return false;
        }
        ops.push(match tag {
            APPEND => Op::Append(sibling.into()),
            PREPEND => Op::Prepend(sibling.into()),
            _ => return false,
        });
        ops.push(Op::SHA256);
        self.reader.skip(level);
        self.work_bytes = work_bytes;
        true
    }
}

/// Adds an alternative. One that begins as an earlier one does replaces it, as in the reference.
fn replace(fork: &mut Timestamp, alternative: Timestamp) {
    if alternative.ops.is_empty() {
        alternative
            .attestations
            .into_iter()
            .for_each(|attestation| fork.attest(attestation));
    } else {
        match fork.branch(&alternative) {
            Ok(known) => fork.branches[known] = alternative,
            Err(place) => fork.branches.insert(place, alternative),
        }
    }
}
