//! Requests between signers' nodes, signed with a key of the policy (BIP-340). Pure.

use bitcoin::hashes::{Hash as _, HashEngine as _, sha256};
use bitcoin::secp256k1::schnorr::Signature;
use bitcoin::secp256k1::{Message, Secp256k1};

use super::error::{VaultError, crypto};
use super::policy::Policy;
use super::signer::{SignerKey, request_key};

/// Clocks may differ by this much, either way.
const SKEW_MAX_S: u64 = 300;
/// Keeps these signatures apart from all others.
const TAG: &[u8] = b"freehold/vault-request/v1";

/// What a request's signature covers.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `GET` or `POST`.
    pub method: &'a str,
    /// The path of the URL.
    pub path: &'a str,
    /// The body, as it is sent.
    pub body: &'a [u8],
    /// When it was made.
    pub time_unix_s: u64,
}

impl Request<'_> {
    /// Lengths are hashed too, so that nothing can be moved from one part to another.
    fn message(&self) -> Message {
        let mut engine = sha256::Hash::engine();
        let tag = sha256::Hash::hash(TAG);
        engine.input(tag.as_byte_array());
        engine.input(tag.as_byte_array());
        for part in [self.method.as_bytes(), self.path.as_bytes(), self.body] {
            engine.input(&(part.len() as u64).to_be_bytes());
            engine.input(part);
        }
        engine.input(&self.time_unix_s.to_be_bytes());
        Message::from_digest(sha256::Hash::from_engine(engine).to_byte_array())
    }

    /// Signs it. `aux_random` is 32 fresh random bytes.
    ///
    /// # Errors
    /// None that a sound key could cause.
    pub fn sign(&self, key: &SignerKey, aux_random: &[u8; 32]) -> Result<String, VaultError> {
        let pair = key.request_pair()?;
        let secp = key.secp();
        let signature = secp.sign_schnorr_with_aux_rand(&self.message(), &pair, aux_random);
        Ok(signature.to_string())
    }

    /// Which of the policy's signers sent it.
    ///
    /// # Errors
    /// `Unauthorized` if none of them did, or not now.
    pub fn verify(
        &self,
        policy: &Policy,
        signer: &str,
        signature: &str,
        now_unix_s: u64,
    ) -> Result<usize, VaultError> {
        if self.time_unix_s.abs_diff(now_unix_s) > SKEW_MAX_S {
            return Err(VaultError::Unauthorized("it wasn't made now"));
        }
        let place = policy.signer(signer);
        let place = place.ok_or(VaultError::Unauthorized("the policy has no such signer"))?;
        let account = policy
            .signers
            .get(place)
            .ok_or_else(|| crypto("no such signer"))?;
        let key = request_key(&account.key)?.x_only_public_key().0;
        let false_signature = VaultError::Unauthorized("its signature is wrong");
        let Ok(signature) = signature.parse::<Signature>() else {
            return Err(false_signature);
        };
        let secp = Secp256k1::verification_only();
        match secp.verify_schnorr(&signature, &self.message(), &key) {
            Ok(()) => Ok(place),
            Err(_) => Err(false_signature),
        }
    }
}
