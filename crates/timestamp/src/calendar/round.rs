//! Rounds: the digests of a second, and the promise to each of them.

use super::{Commitment, Error, Result, Secret};
use crate::Hash;
use crate::aggregate::Aggregate;
use crate::ots::{Arg, Attestation, Op, Timestamp, Uri};

/// The longest digest that a calendar takes, in bytes.
pub const MAX_DIGEST_BYTES: usize = 64;
/// The length of a nonce, which keeps a digest from its neighbours in the tree.
pub const NONCE_BYTES: usize = 16;

/// A digest with its nonce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    leaf: [u8; 32],
    nonce: [u8; NONCE_BYTES],
}

impl Submission {
    /// Takes 1 to [`MAX_DIGEST_BYTES`] bytes, and a random nonce.
    ///
    /// # Errors
    /// `DigestLength`.
    pub fn new(digest: &[u8], nonce: [u8; NONCE_BYTES]) -> Result<Self> {
        if !(1..=MAX_DIGEST_BYTES).contains(&digest.len()) {
            let length = digest.len();
            return Err(Error::DigestLength { length });
        }
        Ok(Self {
            leaf: Hash::of_parts(&[digest, &nonce]).0,
            nonce,
        })
    }
}

/// The digests that share a commitment.
#[derive(Debug)]
pub struct Round {
    tree: Aggregate,
    nonces: Vec<[u8; NONCE_BYTES]>,
}

impl Round {
    /// Ends a round, or none if nobody came.
    pub fn new(submissions: &[Submission]) -> Option<Self> {
        let leaves = submissions.iter().map(|submission| submission.leaf);
        Some(Self {
            tree: Aggregate::new(leaves.collect())?,
            nonces: submissions.iter().map(|s| s.nonce).collect(),
        })
    }

    /// What the calendar commits to. Nobody may be answered before this is durable.
    pub fn commitment(&self, time_unix_s: u32, secret: &Secret) -> Commitment {
        Commitment::new(time_unix_s, self.tree.root(), secret)
    }

    /// The answers, once the commitment is in the journal.
    pub fn promise<'a>(&'a self, commitment: &'a Commitment, calendar: &'a Uri) -> Promised<'a> {
        Promised {
            round: self,
            commitment,
            calendar,
        }
    }
}

/// A round whose commitment is durable.
#[derive(Debug)]
pub struct Promised<'a> {
    round: &'a Round,
    commitment: &'a Commitment,
    calendar: &'a Uri,
}

impl Promised<'_> {
    /// The timestamp to answer the submission at this place with: from its digest to the promise.
    ///
    /// # Errors
    /// None that a round could cause: its trees are never that deep.
    ///
    /// # Panics
    /// If there was no such submission.
    pub fn answer(&self, index: usize) -> Result<Vec<u8>> {
        let nonce = Op::Append(Arg::from(&self.round.nonces[index]));
        let ops = [nonce, Op::SHA256]
            .into_iter()
            .chain(self.round.tree.path(index))
            .chain(self.commitment.path());
        let promise = Attestation::Pending(self.calendar.clone());
        Ok(Timestamp::attested(promise).after(ops).to_bytes()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_digest_is_promised_the_same_commitment() {
        let secret = Secret::new([1; 32]);
        let calendar = Uri::new("http://127.0.0.1").unwrap();
        for count in [1, 2, 3, 100] {
            let digests: Vec<Vec<u8>> = (1..=count)
                .map(|n| vec![n; usize::from(n % 64) + 1])
                .collect();
            let submissions: Vec<Submission> = digests
                .iter()
                .map(|digest| Submission::new(digest, [digest[0]; 16]).unwrap())
                .collect();
            let round = Round::new(&submissions).unwrap();
            let commitment = round.commitment(5, &secret);
            for (index, digest) in digests.iter().enumerate() {
                let answer = round.promise(&commitment, &calendar).answer(index).unwrap();
                let timestamp = Timestamp::from_bytes(&answer, digest.len()).unwrap();
                let attested = timestamp.attestations(digest).unwrap();
                let expected = Attestation::Pending(calendar.clone());
                assert_eq!(attested, [(commitment.as_bytes().to_vec(), expected)]);
            }
        }
    }

    #[test]
    fn only_digests_are_taken() {
        for length in [0, 65, 1000] {
            let digest = vec![1; length];
            assert!(matches!(
                Submission::new(&digest, [0; 16]),
                Err(Error::DigestLength { .. })
            ));
        }
    }
}
