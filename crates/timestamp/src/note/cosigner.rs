//! ML-DSA-44 keys (type 0x06): lattices instead of curves, for the day when a quantum computer
//! can forge Ed25519 (FIPS 204; C2SP `tlog-cosignature`).
//!
//! A secret key is made from 32 bytes, always the same one, and signs without randomness (the
//! deterministic variant of FIPS 204, 3.4), so that this crate needs none.

use std::fmt;
use std::str::FromStr;

use fips204::ml_dsa_44::{self, PrivateKey, PublicKey};
use fips204::traits::{KeyGen as _, SerDes as _, Signer as _, Verifier as _};

use super::KEY_ID_BYTES;
use super::vkey::{self, check_name, malformed};
use crate::text::serde_as_text;
use crate::{Error, Hash, Result};

/// The algorithm byte of timestamped ML-DSA-44 cosignatures in C2SP tlog-cosignature.
pub const ALGORITHM_ML_DSA_44: u8 = 0x06;
/// The length of a public key.
pub const ML_DSA_44_KEY_BYTES: usize = ml_dsa_44::PK_LEN;
/// The length of a signature.
pub const ML_DSA_44_SIGNATURE_BYTES: usize = ml_dsa_44::SIG_LEN;

/// Of FIPS 204: C2SP names no context, and what is signed here is kept apart by its first bytes.
const NO_CONTEXT: &[u8] = &[];
/// What makes signing deterministic.
const NO_RANDOMNESS: [u8; 32] = [0; 32];

/// A named ML-DSA-44 key, written `name+hex(key id)+base64(0x06 ‖ public key)`.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey {
    name: String,
    key: Box<[u8; ML_DSA_44_KEY_BYTES]>,
}

impl CosignerKey {
    /// Names a key; see [`VerifierKey::new`](super::VerifierKey::new) for what a name may be.
    pub fn new(name: impl Into<String>, key: [u8; ML_DSA_44_KEY_BYTES]) -> Result<Self> {
        let name = name.into();
        check_name(&name)?;
        PublicKey::try_from_bytes(key).map_err(|_| malformed("its key is not an ML-DSA-44 key"))?;
        let key = Box::new(key);
        Ok(Self { name, key })
    }

    /// The key's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key itself.
    pub fn key(&self) -> &[u8; ML_DSA_44_KEY_BYTES] {
        &self.key
    }

    /// `SHA-256(name ‖ 0x0A ‖ 0x06 ‖ key)`, by which an [`Identity`](super::Identity) knows it.
    pub fn digest(&self) -> Hash {
        vkey::digest(&self.name, ALGORITHM_ML_DSA_44, self.key.as_slice())
    }

    /// The four bytes by which signature lines refer to the key: the digest's first.
    pub fn key_id(&self) -> [u8; KEY_ID_BYTES] {
        vkey::id(&self.digest())
    }

    /// Whether these are the bytes of a signature on the message by this key.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let (Ok(key), Ok(signature)) = (
            PublicKey::try_from_bytes(*self.key),
            signature.try_into() as std::result::Result<[u8; ML_DSA_44_SIGNATURE_BYTES], _>,
        ) else {
            return false;
        };
        key.verify(message, &signature, NO_CONTEXT)
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        vkey::write(f, &self.name, ALGORITHM_ML_DSA_44, self.key.as_slice())
    }
}

impl fmt::Debug for CosignerKey {
    /// By its digest: nobody reads 1,312 bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({}, {})", self.name, self.digest())
    }
}

impl FromStr for CosignerKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = vkey::parse(text)?;
        if parsed.algorithm != ALGORITHM_ML_DSA_44 {
            let algorithm = parsed.algorithm;
            return Err(Error::UnsupportedAlgorithm { algorithm });
        }
        let key = parsed
            .key
            .try_into()
            .map_err(|_| malformed("its key is not an ML-DSA-44 key"))?;
        Self::new(parsed.name, key)
    }
}

serde_as_text!(CosignerKey);

/// A named ML-DSA-44 secret key. Printing it shows the public half only.
#[derive(Clone)]
pub struct Cosigner {
    secret: Box<PrivateKey>,
    verifier: CosignerKey,
}

impl Cosigner {
    /// The key that these 32 secret bytes make.
    pub fn from_seed(name: impl Into<String>, seed: &[u8; 32]) -> Result<Self> {
        let (public, secret) = ml_dsa_44::KG::keygen_from_seed(seed);
        Ok(Self {
            secret: Box::new(secret),
            verifier: CosignerKey::new(name, public.into_bytes())?,
        })
    }

    /// The public half, to give to others.
    pub fn verifier(&self) -> &CosignerKey {
        &self.verifier
    }

    /// The bytes of a signature on the message. The caller sees to it that no other use of the
    /// key signs the same bytes.
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Result<[u8; ML_DSA_44_SIGNATURE_BYTES]> {
        self.secret
            .try_sign_with_seed(&NO_RANDOMNESS, message, NO_CONTEXT)
            .map_err(|why| Error::SigningFailed { why })
    }
}

impl fmt::Debug for Cosigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cosigner({:?})", self.verifier)
    }
}
