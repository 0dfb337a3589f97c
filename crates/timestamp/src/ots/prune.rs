//! Making proofs smaller: what isn't needed any more is left out.

use super::{Attestation, Timestamp, Uri};

/// Attestations that may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discard {
    /// All promises, of whatever calendar.
    AllPending,
    /// One calendar's promises.
    Pending(Uri),
    /// Bitcoin's.
    Bitcoin,
    /// Litecoin's.
    Litecoin,
    /// Those of unknown kinds.
    Unknown,
}

/// What pruning has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pruned {
    /// There was nothing to leave out.
    Unchanged,
    /// Something was left out.
    Smaller,
    /// Nothing would remain. The timestamp is empty now.
    Nothing,
}

impl Discard {
    fn matches(&self, attestation: &Attestation) -> bool {
        match (self, attestation) {
            (Self::AllPending, Attestation::Pending(_))
            | (Self::Bitcoin, Attestation::Bitcoin { .. })
            | (Self::Litecoin, Attestation::Litecoin { .. })
            | (Self::Unknown, Attestation::Unknown { .. }) => true,
            (Self::Pending(ours), Attestation::Pending(theirs)) => ours == theirs,
            _ => false,
        }
    }
}

/// The chains of which only one attestation is worth keeping: the earliest, and among equally
/// early ones the one with the shortest way to it.
const COMPARABLE: [fn(&Attestation) -> Option<u64>; 2] = [
    |attestation| match attestation {
        Attestation::Bitcoin { height } => Some(*height),
        _ => None,
    },
    |attestation| match attestation {
        Attestation::Litecoin { height } => Some(*height),
        _ => None,
    },
];

impl Timestamp {
    /// Leaves out the named attestations, all but the best of each chain, and the operations
    /// that lead nowhere then.
    ///
    /// The caller has verified what is kept: pruning trusts the heights that the proof claims.
    pub fn prune(&mut self, discard: &[Discard]) -> Pruned {
        let before = self.clone();
        self.retain(
            &mut |attestation, _| !discard.iter().any(|kind| kind.matches(attestation)),
            0,
        );
        for height_of in COMPARABLE {
            let mut best = None;
            self.for_each(
                &mut |attestation, cost| {
                    let found = height_of(attestation).map(|height| (height, cost));
                    best = best.into_iter().chain(found).min();
                },
                0,
            );
            let mut is_kept = false;
            self.retain(
                &mut |attestation, cost| match height_of(attestation) {
                    None => true,
                    Some(height) if !is_kept && best == Some((height, cost)) => {
                        is_kept = true;
                        true
                    }
                    Some(_) => false,
                },
                0,
            );
        }
        if self.is_empty() {
            *self = Self::default();
            Pruned::Nothing
        } else if *self == before {
            Pruned::Unchanged
        } else {
            Pruned::Smaller
        }
    }

    /// Calls `visit` with each attestation, and with how many bytes of operations lead to it.
    fn for_each(&self, visit: &mut impl FnMut(&Attestation, usize), cost: usize) {
        let cost = cost + self.cost();
        self.attestations
            .iter()
            .for_each(|attestation| visit(attestation, cost));
        self.branches
            .iter()
            .for_each(|branch| branch.for_each(visit, cost));
    }

    /// Keeps the attestations for which `keep` is true, in the same order as `for_each`, and no
    /// branch without any.
    fn retain(&mut self, keep: &mut impl FnMut(&Attestation, usize) -> bool, cost: usize) {
        let cost = cost + self.cost();
        self.attestations
            .retain(|attestation| keep(attestation, cost));
        self.branches
            .iter_mut()
            .for_each(|branch| branch.retain(keep, cost));
        self.branches.retain(|branch| !branch.is_empty());
        self.normalise();
    }

    fn cost(&self) -> usize {
        self.ops
            .iter()
            .map(|op| 1 + op.arg().map_or(0, <[u8]>::len))
            .sum()
    }
}
