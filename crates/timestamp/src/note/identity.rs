//! Who a node is, in one line, and the two secret keys behind it.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::SigningKey;

use super::{Cosigner, CosignerKey, Signer, VerifierKey};
use crate::text::serde_as_text;
use crate::{Error, Hash, Result};

const WHAT: &str = "the node's identity";
/// What stands between the two keys.
const ML_DSA_44: &str = ",ml-dsa-44:";

/// A node's name with both its keys, in one line that can be pinned:
///
/// ```text
/// <Ed25519 verifier key>,ml-dsa-44:<64 lowercase hex digits>
/// ```
///
/// The Ed25519 key is all there. An ML-DSA-44 key is 41 times as long, so the line has its digest
/// ([`CosignerKey::digest`]), and whoever shows the key itself is checked against that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    ed25519: VerifierKey,
    ml_dsa_44: Hash,
}

impl Identity {
    /// The identity with these keys, which must have one name.
    pub fn new(ed25519: VerifierKey, ml_dsa_44: &CosignerKey) -> Result<Self> {
        if ed25519.name() != ml_dsa_44.name() {
            return Err(Error::InvalidField {
                field: "key name",
                why: "must be the same for both keys of a node",
            });
        }
        let ml_dsa_44 = ml_dsa_44.digest();
        Ok(Self { ed25519, ml_dsa_44 })
    }

    /// The node's name, which is its keys' name.
    pub fn name(&self) -> &str {
        self.ed25519.name()
    }

    /// The Ed25519 key.
    pub fn ed25519(&self) -> &VerifierKey {
        &self.ed25519
    }

    /// The digest of the ML-DSA-44 key.
    pub fn ml_dsa_44(&self) -> &Hash {
        &self.ml_dsa_44
    }

    /// Checks that this is the ML-DSA-44 key that the identity speaks of.
    pub fn check_cosigner(&self, key: &CosignerKey) -> Result<()> {
        if key.digest() == self.ml_dsa_44 {
            return Ok(());
        }
        Err(Error::KeyMismatch {
            expected: self.ml_dsa_44.to_string(),
            found: key.digest().to_string(),
        })
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{ML_DSA_44}{}", self.ed25519, self.ml_dsa_44)
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (ed25519, ml_dsa_44) = text.rsplit_once(ML_DSA_44).ok_or_else(|| {
            Error::malformed(WHAT, "it is not `<verifier key>,ml-dsa-44:<digest>`")
        })?;
        Ok(Self {
            ed25519: ed25519.parse()?,
            ml_dsa_44: ml_dsa_44.parse()?,
        })
    }
}

serde_as_text!(Identity);

/// Both secret keys of a node, under one name. Printing it shows the public halves only.
#[derive(Debug, Clone)]
pub struct NodeSigner {
    ed25519: Signer,
    ml_dsa_44: Cosigner,
    identity: Identity,
}

impl NodeSigner {
    /// Names the keys; `ml_dsa_44_seed` are the 32 secret bytes that the other key is made from.
    pub fn new(
        name: impl Into<String>,
        ed25519: SigningKey,
        ml_dsa_44_seed: &[u8; 32],
    ) -> Result<Self> {
        let name = name.into();
        let ed25519 = Signer::new(name.clone(), ed25519)?;
        let ml_dsa_44 = Cosigner::from_seed(name, ml_dsa_44_seed)?;
        let identity = Identity::new(ed25519.verifier().clone(), ml_dsa_44.verifier())?;
        Ok(Self {
            ed25519,
            ml_dsa_44,
            identity,
        })
    }

    /// Who signs.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The Ed25519 key.
    pub fn ed25519(&self) -> &Signer {
        &self.ed25519
    }

    /// The ML-DSA-44 key.
    pub fn ml_dsa_44(&self) -> &Cosigner {
        &self.ml_dsa_44
    }
}
