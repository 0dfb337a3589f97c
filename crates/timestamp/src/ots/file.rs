//! Proof files (`.ots`): a digest, and the timestamp of it.

use super::codec::{Reader, write_varuint};
use super::{Attestation, Digester, Error, Result, Timestamp, parse};

/// How a proof file begins.
pub const MAGIC: [u8; 31] = *b"\x00OpenTimestamps\x00\x00Proof\x00\xbf\x89\xe2\xe8\x84\xe8\x92\x94";
/// The longest proof that is read. A usual one has 500 to 5,000 bytes.
pub const MAX_PROOF_BYTES: usize = 4 * 1024 * 1024;

const MAJOR_VERSION: u64 = 1;

/// A proof that stands in a file beside the one that it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachedProof {
    digester: Digester,
    digest: Vec<u8>,
    timestamp: Timestamp,
}

impl DetachedProof {
    /// Puts a digest and its timestamp together.
    ///
    /// # Errors
    /// `DigestLength`.
    pub fn new(digester: Digester, digest: Vec<u8>, timestamp: Timestamp) -> Result<Self> {
        if digest.len() != digester.digest_bytes() {
            return Err(Error::DigestLength {
                algorithm: digester.name(),
                expected: digester.digest_bytes(),
                found: digest.len(),
            });
        }
        Ok(Self {
            digester,
            digest,
            timestamp,
        })
    }

    /// A proof about these bytes, by their SHA-256.
    ///
    /// # Errors
    /// None at present.
    pub fn of_bytes(bytes: &[u8], timestamp: Timestamp) -> Result<Self> {
        let digester = Digester::Sha256;
        Self::new(digester, digester.digest(bytes), timestamp)
    }

    /// The algorithm of the file's digest.
    pub fn digester(&self) -> Digester {
        self.digester
    }

    /// The file's digest.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    /// What is known about the digest.
    pub fn timestamp(&self) -> &Timestamp {
        &self.timestamp
    }

    /// The same, to add to it.
    pub fn timestamp_mut(&mut self) -> &mut Timestamp {
        &mut self.timestamp
    }

    /// Reads a proof file.
    ///
    /// # Errors
    /// Where the reference refuses too, and beyond this crate's own bounds.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_PROOF_BYTES {
            return Err(Error::TooLong {
                what: "the proof",
                max: MAX_PROOF_BYTES,
            });
        }
        let rest = bytes.strip_prefix(&MAGIC).ok_or(Error::NotAProof)?;
        let mut reader = Reader::new(rest);
        let version = reader.varuint()?;
        if version != Some(MAJOR_VERSION) {
            return Err(Error::UnsupportedVersion { version });
        }
        let tag = reader.byte()?;
        let digester = Digester::from_tag(tag).ok_or(Error::UnknownDigest { tag })?;
        let digest = reader.take(digester.digest_bytes())?.to_vec();
        let timestamp = parse::timestamp(&mut reader, digest.len())?;
        reader.finish()?;
        Self::new(digester, digest, timestamp)
    }

    /// Writes the proof file, in its one canonical form.
    ///
    /// # Errors
    /// As [`Timestamp::to_bytes`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(4096);
        out.extend_from_slice(&MAGIC);
        write_varuint(&mut out, MAJOR_VERSION);
        out.push(self.digester.tag());
        out.extend_from_slice(&self.digest);
        self.timestamp.write(&mut out, 0)?;
        Ok(out)
    }

    /// Takes in what another proof of the same digest says.
    ///
    /// # Errors
    /// `DifferentMessages`.
    pub fn merge(&mut self, other: Self) -> Result<()> {
        if (self.digester, &self.digest) != (other.digester, &other.digest) {
            return Err(Error::DifferentMessages);
        }
        self.timestamp.merge(other.timestamp);
        Ok(())
    }

    /// All attestations, each with the message that it is about.
    ///
    /// # Errors
    /// As [`Timestamp::replay`].
    pub fn attestations(&self) -> Result<Vec<(Vec<u8>, Attestation)>> {
        self.timestamp.attestations(&self.digest)
    }
}
