//! Checkpoints (C2SP `tlog-checkpoint`): the signed head of a log.
//!
//! ```text
//! <origin: the log's name>
//! <number of leaves, decimal>
//! <base64(root hash)>
//! <extension lines, if any>
//! ```
//!
//! A log signs it with both its keys: Ed25519 over this text, and ML-DSA-44 as a
//! [cosignature](crate::cosignature) under the log's own name, which is the form that the
//! specification recommends.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::cosignature;
use crate::note::{CosignerKey, NodeSigner, Note, VerifierKey};
use crate::{Error, Hash, Result};

const WHAT: &str = "the checkpoint";

/// What a log says about itself: at this size it has this root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name, by custom the name of the key that signs.
    pub origin: String,
    /// The number of leaves.
    pub size: u64,
    /// The root of the tree of that size.
    pub root: Hash,
    /// Further lines that a log may add. Readers keep them and give them no meaning.
    pub extensions: Vec<String>,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn to_text(&self) -> Result<String> {
        let mut free_lines = std::iter::once(&self.origin).chain(&self.extensions);
        if free_lines.any(|line| line.is_empty() || line.contains('\n')) {
            return Err(Error::malformed(
                WHAT,
                "a line is empty or contains a newline",
            ));
        }
        let root = BASE64.encode(self.root.0);
        let mut text = format!("{}\n{}\n{root}\n", self.origin, self.size);
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        Ok(text)
    }

    /// Reads the text of a note. Whether it may be believed is for [`Checkpoint::open`] to say.
    pub fn parse(text: &str) -> Result<Self> {
        let body = text
            .strip_suffix('\n')
            .ok_or_else(|| Error::malformed(WHAT, "its last line does not end"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(Error::malformed(WHAT, "it has less than three lines"));
        };
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if origin.is_empty() || extensions.iter().any(String::is_empty) {
            return Err(Error::malformed(WHAT, "a line is empty"));
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: parse_size(size)?,
            root: parse_root(root)?,
            extensions,
        })
    }

    /// Signs the checkpoint with both keys. At `time_unix_s` the log had no larger tree;
    /// [`NO_TIME`](cosignature::NO_TIME) leaves that open.
    pub fn sign(&self, signer: &NodeSigner, time_unix_s: u64) -> Result<Note> {
        let mut note = signer.ed25519().sign(self.to_text()?)?;
        note.push(cosignature::cosign(signer.ml_dsa_44(), time_unix_s, self)?);
        Ok(note)
    }

    /// Reads a signed checkpoint, if `key` has signed it, and `cosigner` too where it is known.
    ///
    /// The origin is left to the caller: a witness signs under a name of its own.
    pub fn open(note: &[u8], key: &VerifierKey, cosigner: Option<&CosignerKey>) -> Result<Self> {
        let note = Note::parse(note)?;
        let checkpoint = Self::parse(note.verify(key)?)?;
        if let Some(cosigner) = cosigner {
            note.require(cosigner.name(), cosigner.key_id(), |bytes| {
                cosignature::verifies(cosigner, bytes, &checkpoint)
            })?;
        }
        Ok(checkpoint)
    }
}

/// ASCII decimal without leading zeros, and hence with one spelling for each number.
fn parse_size(line: &str) -> Result<u64> {
    let canonical = |size: &u64| size.to_string() == line;
    line.parse()
        .ok()
        .filter(canonical)
        .ok_or_else(|| Error::malformed(WHAT, "its size is not a plain decimal number"))
}

fn parse_root(line: &str) -> Result<Hash> {
    BASE64
        .decode(line)
        .ok()
        .and_then(|bytes| bytes.try_into().ok())
        .map(Hash)
        .ok_or_else(|| Error::malformed(WHAT, "its root is not the base64 of 32 bytes"))
}
