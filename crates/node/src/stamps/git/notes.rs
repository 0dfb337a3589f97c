//! Proofs in git's notes.

use timestamp::git::ObjectId;
use timestamp::ots::{DetachedProof, MAX_PROOF_BYTES};

use super::program::{failed, line_with, output};
use super::{GitError, Repository};

/// Where the proofs are.
pub const NOTES_REF: &str = "refs/notes/ots";

impl Repository {
    /// The proof in an object's note.
    pub(super) fn note(&mut self, id: &ObjectId) -> Result<Option<DetachedProof>, GitError> {
        let args = ["notes", "--ref", NOTES_REF, "list", &id.to_string()];
        let output = output(&self.folder, &args, b"")?;
        match output.status.code() {
            Some(0) => {}
            Some(1) => return Ok(None),
            _ => return Err(failed(&self.folder, &output)),
        }
        let blob = String::from_utf8_lossy(&output.stdout);
        let (_, bytes) = self.objects.read(blob.trim(), MAX_PROOF_BYTES)?;
        let proof = DetachedProof::from_bytes(&bytes).map_err(timestamp::git::Error::from)?;
        Ok(Some(proof))
    }

    /// Writes a proof into an object's note; one that is there is replaced only if so wanted.
    pub(super) fn set_note(
        &mut self,
        id: &ObjectId,
        proof: &DetachedProof,
        is_replaced: bool,
    ) -> Result<(), GitError> {
        let bytes = proof.to_bytes().map_err(timestamp::git::Error::from)?;
        // Calendars had a say in it: together their answers may be too much to read again.
        DetachedProof::from_bytes(&bytes).map_err(timestamp::git::Error::from)?;
        let blob = line_with(&self.folder, &["hash-object", "-w", "--stdin"], &bytes)?;
        let blob = String::from_utf8_lossy(&blob);
        let id = id.to_string();
        // Only a blob that is there already gets into a note byte for byte.
        let mut args = vec!["notes", "--ref", NOTES_REF, "add", "-C", blob.trim()];
        if is_replaced {
            args.push("-f");
        }
        args.push(&id);
        line_with(&self.folder, &args, b"").map(drop)
    }
}
