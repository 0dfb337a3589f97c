//! Computing a proof: from the first message to what is attested of the last ones.

use super::{Attestation, Digester, Op, Result, Timestamp};

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
        self.replay_into(&mut with_room(message), visit)
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
            branch.replay_into(&mut with_room(message), visit)?;
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

/// A copy that most steps don't have to move again.
fn with_room(message: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(message.len() + 256);
    copy.extend_from_slice(message);
    copy
}

fn apply(mut ops: &[Op], message: &mut Vec<u8>) -> Result<()> {
    while let [op, rest @ ..] = ops {
        ops = match climb(ops, message) {
            Some(rest) => rest,
            None => {
                op.apply(message)?;
                rest
            }
        };
    }
    Ok(())
}

/// A level of a tree at once, which nearly all of a proof is: the message's sibling, and the hash
/// of both. Returns what follows.
fn climb<'a>(ops: &'a [Op], message: &mut [u8]) -> Option<&'a [Op]> {
    let [op, Op::Digest(Digester::Sha256), rest @ ..] = ops else {
        return None;
    };
    let own = <[u8; 32]>::try_from(&*message).ok()?;
    let sibling = <[u8; 32]>::try_from(op.arg()?).ok()?;
    let pair = match op {
        Op::Append(_) => [own, sibling],
        _ => [sibling, own],
    };
    hashtree_rs::hash(message, pair.as_flattened(), 1);
    Some(rest)
}
