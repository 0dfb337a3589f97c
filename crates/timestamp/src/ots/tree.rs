//! The tree of a proof.

use super::codec::Reader;
use super::parse::{self, ATTESTATION, FORK, MAX_DEPTH};
use super::{Attestation, Error, Op, Result};

/// What is known about a message: the operations and attestations that start from it.
///
/// Operations that follow each other without a fork are one list, so a proof of a hundred steps
/// costs a handful of allocations. The message itself isn't part of it.
///
/// Always so: attestations and branches are sorted and unique, each branch begins with an
/// operation of its own, and a single branch without attestations beside it is no fork but part
/// of `ops`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timestamp {
    /// Applied to the message, one after the other.
    pub(super) ops: Vec<Op>,
    /// What is attested of the result.
    pub(super) attestations: Vec<Attestation>,
    /// What else follows from the result.
    pub(super) branches: Vec<Timestamp>,
}

impl Timestamp {
    /// The message itself is attested.
    pub fn attested(attestation: Attestation) -> Self {
        Self {
            attestations: vec![attestation],
            ..Self::default()
        }
    }

    /// The same for a message from which these operations lead to this one's.
    #[must_use]
    pub fn after(mut self, ops: impl IntoIterator<Item = Op>) -> Self {
        let mut path: Vec<Op> = ops.into_iter().collect();
        path.append(&mut self.ops);
        self.ops = path;
        self
    }

    /// What is known of the message to which these operations lead, if they are part of this.
    pub fn follow(&self, ops: &[Op]) -> Option<Self> {
        if let Some(rest) = self.ops.strip_prefix(ops) {
            return Some(Self {
                ops: rest.to_vec(),
                ..self.clone()
            });
        }
        let rest = ops.strip_prefix(self.ops.as_slice())?;
        let begins_so = |branch: &&Self| branch.ops.first() == rest.first();
        self.branches.iter().find(begins_so)?.follow(rest)
    }

    /// Whether nobody attests anything. Such a timestamp can't be written.
    pub fn is_empty(&self) -> bool {
        self.attestations.is_empty() && self.branches.is_empty()
    }

    /// Reads a timestamp of a message of this length; the length is all that its validity
    /// depends on.
    ///
    /// # Errors
    /// Where the reference refuses too, and if [`MAX_WORK_BYTES`](super::MAX_WORK_BYTES) don't suffice.
    pub fn from_bytes(bytes: &[u8], message_bytes: usize) -> Result<Self> {
        let mut reader = Reader::new(bytes);
        let timestamp = parse::timestamp(&mut reader, message_bytes)?;
        reader.finish()?;
        Ok(timestamp)
    }

    /// Writes the timestamp in its one canonical form.
    ///
    /// # Errors
    /// `Empty`, or `TooDeep` if it has grown deeper than readers accept.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(64 * (self.ops.len() + 1));
        self.write(&mut out, 0)?;
        Ok(out)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>, depth: usize) -> Result<()> {
        let depth = depth + self.ops.len();
        if self.is_empty() {
            return Err(Error::Empty);
        }
        if depth >= MAX_DEPTH {
            return Err(Error::TooDeep);
        }
        for op in &self.ops {
            op.write(out);
        }
        let mut forks = self.attestations.len() + self.branches.len() - 1;
        let mut fork = |out: &mut Vec<u8>| {
            if forks > 0 {
                forks -= 1;
                out.push(FORK);
            }
        };
        for attestation in &self.attestations {
            fork(out);
            out.push(ATTESTATION);
            attestation.write(out);
        }
        for branch in &self.branches {
            fork(out);
            branch.write(out, depth)?;
        }
        Ok(())
    }

    /// Takes in all that another timestamp of the same message says.
    pub fn merge(&mut self, mut other: Self) {
        if self.is_empty() {
            *self = other;
            return;
        }
        let common = self
            .ops
            .iter()
            .zip(&other.ops)
            .take_while(|(ours, theirs)| ours == theirs)
            .count();
        if common < self.ops.len() {
            let rest = Self {
                ops: self.ops.split_off(common),
                attestations: std::mem::take(&mut self.attestations),
                branches: std::mem::take(&mut self.branches),
            };
            self.branches.push(rest);
        }
        other.ops.drain(..common);
        self.join(other);
        self.normalise();
    }

    /// Takes in what starts from the result of `ops`. The caller normalises.
    pub(super) fn join(&mut self, other: Self) {
        if other.ops.is_empty() {
            for attestation in other.attestations {
                self.attest(attestation);
            }
            for branch in other.branches {
                self.join(branch);
            }
        } else {
            match self.branch(&other) {
                Ok(known) => self.branches[known].merge(other),
                Err(place) => self.branches.insert(place, other),
            }
        }
    }

    pub(super) fn attest(&mut self, attestation: Attestation) {
        if let Err(place) = self.attestations.binary_search(&attestation) {
            self.attestations.insert(place, attestation);
        }
    }

    /// Where the branch that begins like this one is, or would be.
    pub(super) fn branch(&self, like: &Self) -> std::result::Result<usize, usize> {
        self.branches
            .binary_search_by(|known| known.ops.first().cmp(&like.ops.first()))
    }

    /// Makes a fork with a single branch into none.
    pub(super) fn normalise(&mut self) {
        if self.attestations.is_empty()
            && self.branches.len() == 1
            && let Some(mut only) = self.branches.pop()
        {
            self.ops.append(&mut only.ops);
            self.attestations = only.attestations;
            self.branches = only.branches;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ots::{Arg, Uri};

    fn append(byte: u8) -> Op {
        Op::Append(Arg::new(&[byte]).unwrap())
    }

    fn height(height: u64) -> Timestamp {
        Timestamp::attested(Attestation::Bitcoin { height })
    }

    fn check(timestamp: &Timestamp) {
        let bytes = timestamp.to_bytes().unwrap();
        assert_eq!(&Timestamp::from_bytes(&bytes, 32).unwrap(), timestamp);
    }

    #[test]
    fn paths_part_where_they_differ() {
        let mut both = height(1).after([append(1), Op::SHA256, append(2), Op::SHA256]);
        both.merge(height(2).after([append(1), Op::SHA256, append(3)]));
        assert_eq!(both.ops, [append(1), Op::SHA256]);
        assert_eq!(both.branches.len(), 2);
        check(&both);
    }

    #[test]
    fn the_order_of_merging_does_not_matter() {
        let uri = Attestation::Pending(Uri::new("https://a.example").unwrap());
        let parts = [
            height(1).after([append(1), Op::SHA256]),
            height(2).after([append(1)]),
            Timestamp::attested(uri).after([append(1), Op::SHA256, append(9)]),
            height(3),
            height(1).after([append(1), Op::SHA256]),
        ];
        let merge = |order: [usize; 5]| {
            let mut all = Timestamp::default();
            for index in order {
                all.merge(parts[index].clone());
            }
            check(&all);
            all
        };
        let expected = merge([0, 1, 2, 3, 4]);
        assert_eq!(merge([4, 3, 2, 1, 0]), expected);
        assert_eq!(merge([2, 0, 4, 1, 3]), expected);
    }

    #[test]
    fn what_says_nothing_is_not_written() {
        assert_eq!(Timestamp::default().to_bytes(), Err(Error::Empty));
        let deep = height(1).after(std::iter::repeat_n(Op::SHA256, MAX_DEPTH));
        assert_eq!(deep.to_bytes(), Err(Error::TooDeep));
        check(&height(1).after(std::iter::repeat_n(Op::SHA256, MAX_DEPTH - 1)));
    }
}
