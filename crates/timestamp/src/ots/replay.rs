//! Computing a proof: from the first message to what is attested of the last ones.

use super::{Attestation, Op, Result, Timestamp};

impl Timestamp {
    /// Calls `visit` with each attestation and the message that it is about, in the order in
    /// which they are written.
    ///
    /// # Errors
    /// If a message grows too long, which can't happen with what was read for a message of
    /// this length.
    pub fn replay(
        &self,
        message: &[u8],
        visit: &mut impl FnMut(&[u8], &Attestation),
    ) -> Result<()> {
        let mut message = message.to_vec();
        self.replay_into(&mut message, visit)
    }

    fn replay_into(
        &self,
        message: &mut Vec<u8>,
        visit: &mut impl FnMut(&[u8], &Attestation),
    ) -> Result<()> {
        apply(&self.ops, message)?;
        for attestation in &self.attestations {
            visit(message, attestation);
        }
        let Some((last, others)) = self.branches.split_last() else {
            return Ok(());
        };
        for branch in others {
            branch.replay_into(&mut message.clone(), visit)?;
        }
        last.replay_into(message, visit)
    }

    /// All attestations, each with the message that it is about.
    ///
    /// # Errors
    /// As [`Timestamp::replay`].
    pub fn attestations(&self, message: &[u8]) -> Result<Vec<(Vec<u8>, Attestation)>> {
        let mut found = Vec::new();
        self.replay(message, &mut |message, attestation| {
            found.push((message.to_vec(), attestation.clone()));
        })?;
        Ok(found)
    }

    /// Takes in what a calendar knows of `commitment`, wherever a promise is about that message.
    /// Returns whether anything was added.
    ///
    /// # Errors
    /// As [`Timestamp::replay`].
    pub fn upgrade(&mut self, message: &[u8], commitment: &[u8], found: &Self) -> Result<bool> {
        let before = self.clone();
        self.graft(&mut message.to_vec(), commitment, found)?;
        Ok(*self != before)
    }

    fn graft(&mut self, message: &mut Vec<u8>, commitment: &[u8], found: &Self) -> Result<()> {
        apply(&self.ops, message)?;
        for branch in &mut self.branches {
            branch.graft(&mut message.clone(), commitment, found)?;
        }
        let is_promised = self
            .attestations
            .iter()
            .any(|attestation| matches!(attestation, Attestation::Pending(_)));
        if is_promised && message == commitment {
            // With the promise beside it, this can't become a fork of one.
            self.join(found.clone());
        }
        Ok(())
    }
}

fn apply(ops: &[Op], message: &mut Vec<u8>) -> Result<()> {
    ops.iter().try_for_each(|op| op.apply(message))
}
