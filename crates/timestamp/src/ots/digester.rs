//! The digest algorithms that a proof may use, for files and within.

use std::io::{self, Read};

use ripemd::Ripemd160;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use sha3::Keccak256;

/// How much of a file is read at once, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

const SHA1: u8 = 0x02;
const RIPEMD160: u8 = 0x03;
pub(super) const SHA256: u8 = 0x08;
const KECCAK256: u8 = 0x67;

/// A digest algorithm. SHA-1 and RIPEMD-160 are still fit for this purpose: two files of one
/// digest would only mean that both existed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digester {
    /// SHA-1: 20 bytes.
    Sha1,
    /// RIPEMD-160: 20 bytes.
    Ripemd160,
    /// SHA-256: 32 bytes. What new proofs use.
    Sha256,
    /// Keccak-256 as Ethereum has it, before it became SHA-3: 32 bytes.
    Keccak256,
}

impl Digester {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Ripemd160, Self::Sha256, Self::Keccak256];

    /// The length of a digest in bytes.
    pub fn digest_bytes(self) -> usize {
        match self {
            Self::Sha1 | Self::Ripemd160 => 20,
            Self::Sha256 | Self::Keccak256 => 32,
        }
    }

    /// The name, as the reference client writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Ripemd160 => "ripemd160",
            Self::Sha256 => "sha256",
            Self::Keccak256 => "keccak256",
        }
    }

    /// The digest of these bytes.
    pub fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(bytes).to_vec(),
            Self::Ripemd160 => Ripemd160::digest(bytes).to_vec(),
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Keccak256 => Keccak256::digest(bytes).to_vec(),
        }
    }

    /// The digest of all that can be read, a piece at a time.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn digest_reader(self, reader: &mut impl Read) -> io::Result<Vec<u8>> {
        match self {
            Self::Sha1 => read_all(Sha1::new(), reader),
            Self::Ripemd160 => read_all(Ripemd160::new(), reader),
            Self::Sha256 => read_all(Sha256::new(), reader),
            Self::Keccak256 => read_all(Keccak256::new(), reader),
        }
    }

    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Sha1 => SHA1,
            Self::Ripemd160 => RIPEMD160,
            Self::Sha256 => SHA256,
            Self::Keccak256 => KECCAK256,
        }
    }

    #[inline]
    pub(super) fn from_tag(tag: u8) -> Option<Self> {
        match tag {
            SHA256 => Some(Self::Sha256),
            SHA1 => Some(Self::Sha1),
            RIPEMD160 => Some(Self::Ripemd160),
            KECCAK256 => Some(Self::Keccak256),
            _ => None,
        }
    }

    /// Replaces the message by its digest, without giving its memory back.
    pub(super) fn replace(self, message: &mut Vec<u8>) {
        let digest: &[u8] = match self {
            Self::Sha256 => &sha256(message),
            Self::Sha1 => &Sha1::digest(&*message),
            Self::Ripemd160 => &Ripemd160::digest(&*message),
            Self::Keccak256 => &Keccak256::digest(&*message),
        };
        message.clear();
        message.extend_from_slice(digest);
    }
}

/// Nearly all that proofs hash is two digests, side by side, for which there is a faster way: it
/// knows the padding beforehand.
fn sha256(message: &[u8]) -> [u8; 32] {
    if message.len() != 64 {
        return Sha256::digest(message).into();
    }
    let mut digest = [0; 32];
    hashtree_rs::hash(&mut digest, message, 1);
    digest
}

fn read_all<D: Digest>(mut digest: D, reader: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok(digest.finalize().to_vec()),
            Ok(length) => digest.update(&chunk[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
