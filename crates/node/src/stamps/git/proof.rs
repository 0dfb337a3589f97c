//! Finding an object's proof, and keeping it.

use std::path::Path;

use timestamp::git::{Armored, Commitment, Digest, Error, Signed};
use timestamp::ots::{DetachedProof, Digester, Timestamp};

use super::{GitError, GitObject, Repository};

/// Where a proof is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Behind the object's signature.
    Signature,
    /// In a note.
    Note,
}

impl Place {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Note => "note",
        }
    }
}

/// The proof of an object.
#[derive(Debug, Clone)]
pub struct GitProof {
    /// Where it was found.
    pub place: Place,
    /// What it begins with.
    pub message: Digest,
    /// What is known about the message.
    pub timestamp: Timestamp,
}

impl GitObject {
    /// The first message of an ordinary proof: the digest of what git stores.
    #[must_use]
    pub fn message(&self) -> Digest {
        *timestamp::Hash::of(&self.raw).as_bytes()
    }

    /// The proof in the signature. One that can't be completed there may be in a note as well.
    fn signed_proof(&self) -> Result<Option<GitProof>, GitError> {
        let Some(signed) = Signed::split(&self.raw)? else {
            return Ok(None);
        };
        let found = Armored::read(&signed.payload, &signed.signature)?;
        Ok(found.map(|(message, armored)| GitProof {
            place: Place::Signature,
            message,
            timestamp: armored.timestamp,
        }))
    }
}

impl Repository {
    /// What there is to prove when an object was made.
    ///
    /// # Errors
    /// `NotStamped`, or if what is there can't be read.
    pub fn proof(&mut self, object: &GitObject) -> Result<GitProof, GitError> {
        let signed = object.signed_proof()?;
        let note = self.note(&object.id)?;
        let is_about = |note: &DetachedProof, message: &Digest| {
            note.digester() == Digester::Sha256 && note.digest() == message
        };
        match (signed, note) {
            (None, None) => Err(GitError::NotStamped(object.id.to_string())),
            (None, Some(note)) if is_about(&note, &object.message()) => Ok(GitProof {
                place: Place::Note,
                message: object.message(),
                timestamp: note.timestamp().clone(),
            }),
            (None, Some(_)) => Err(GitError::OtherNote(object.id.to_string())),
            (Some(mut signed), note) => {
                // A signature can't be changed any more: what came later is in the note.
                if let Some(note) = note.filter(|note| is_about(note, &signed.message)) {
                    signed.timestamp.merge(note.timestamp().clone());
                }
                Ok(signed)
            }
        }
    }

    /// What is to be stamped of an object that has no proof yet.
    ///
    /// # Errors
    /// `StampedAlready`.
    pub fn unstamped(&mut self, object: &GitObject) -> Result<Commitment, GitError> {
        match self.proof(object) {
            Err(GitError::NotStamped(_)) => self.commitment(object.message(), &object.raw),
            Err(error) => Err(error),
            Ok(proof) => Err(GitError::StampedAlready {
                id: object.id.to_string(),
                place: proof.place.name(),
            }),
        }
    }

    /// Keeps a new proof.
    ///
    /// # Errors
    /// If there is one by now, or git can't write it.
    pub fn add_proof(
        &mut self,
        object: &GitObject,
        message: Digest,
        timestamp: Timestamp,
    ) -> Result<(), GitError> {
        self.set_note(&object.id, &detached(message, timestamp)?, false)
    }

    /// Keeps a proof that has become more complete. That of a signature goes into the note as a
    /// proof of the signature's message.
    ///
    /// # Errors
    /// If there is a note about something else, or git can't write it.
    pub fn replace_proof(&mut self, object: &GitObject, proof: &GitProof) -> Result<(), GitError> {
        let new = detached(proof.message, proof.timestamp.clone())?;
        match self.note(&object.id)? {
            Some(note) if note.digest() != new.digest() => {
                Err(GitError::OtherNote(object.id.to_string()))
            }
            _ => self.set_note(&object.id, &new, true),
        }
    }

    /// The proof of a file, by that of a commit or tag whose tree it is in. A tag without a proof
    /// stands for its commit.
    ///
    /// # Errors
    /// If there is no proof, no such file, or the one says nothing of the other.
    pub fn file_proof(&mut self, rev: &str, path: &Path) -> Result<DetachedProof, GitError> {
        let path = self.path_inside(path)?;
        let mut object = self.object(rev)?;
        let proof = match self.proof(&object) {
            Err(GitError::NotStamped(_)) => {
                object = self.object(&format!("{rev}^{{commit}}"))?;
                self.proof(&object)?
            }
            proof => proof?,
        };
        let file = self.file(&object.raw, &path)?;
        let commitment = self.commitment(proof.message, &object.raw)?;
        Ok(commitment.file(&proof.timestamp, &file)?)
    }
}

fn detached(message: Digest, timestamp: Timestamp) -> Result<DetachedProof, GitError> {
    let proof = DetachedProof::new(Digester::Sha256, message.to_vec(), timestamp);
    Ok(proof.map_err(Error::from)?)
}
