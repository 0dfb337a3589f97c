//! Receipts: what a node says about one answer that it sold.
//!
//! # The statement
//!
//! What is signed and logged is not the JSON that people see, whose spelling may vary, but the
//! *statement*: lines of `name value`, each ended by a newline (U+000A), all present, in this
//! order:
//!
//! ```text
//! freehold-receipt/v1
//! id <1 to 128 visible ASCII characters>
//! request_sha256 <64 lowercase hex digits>
//! answer_sha256 <64 lowercase hex digits>
//! model <1 to 256 bytes of UTF-8 without control characters>
//! model_sha256 <64 lowercase hex digits, or `unknown`>
//! price_msat <decimal>
//! prompt_tokens <decimal>
//! completion_tokens <decimal>
//! time_unix_ms <decimal>
//! node <the node's verifier key, C2SP signed-note>
//! ```
//!
//! No value can contain a newline, and decimals have no sign and no leading zeros, so two
//! different receipts never share a statement.
//!
//! # What is made of it
//!
//! - **Signature:** Ed25519 over `freehold-receipt-signature/v1` ‖ `0x00` ‖ statement. Notes and
//!   checkpoints, which the same key signs, never contain a zero byte: a signature on one can't
//!   be passed off as a signature on the other.
//! - **Log entry:** the 32 bytes of SHA-256(statement). A log can therefore be published without
//!   telling who asked what, and the way from the statement's SHA-256 to the log's root is
//!   nothing but prepending, appending and hashing, which OpenTimestamps proofs can express.
//! - **Leaf hash:** SHA-256(`0x00` ‖ entry), see [`merkle`].

use ed25519_dalek::{Signer as _, SigningKey};
use serde::{Deserialize, Serialize};

use crate::hash::decode_hex;
use crate::merkle;
use crate::note::VerifierKey;
use crate::{Error, Hash, Result};

/// The version of the statement that this crate writes and reads.
pub const VERSION: u32 = 1;
/// The longest receipt id, in bytes.
pub const MAX_ID_BYTES: usize = 128;
/// The longest model name, in bytes.
pub const MAX_MODEL_BYTES: usize = 256;
/// The most signatures that a receipt may carry.
pub const MAX_SIGNATURES: usize = 8;

const WHAT: &str = "the receipt";
const SIGNATURE_DOMAIN: &[u8] = b"freehold-receipt-signature/v1\0";
const ED25519: &str = "ed25519";

/// What a node says about one answer. See the [module](self) for the exact bytes it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Always [`VERSION`].
    pub version: u32,
    /// The node's name for this receipt, unique within the node.
    pub id: String,
    /// The SHA-256 of the request's body, as received.
    pub request_sha256: Hash,
    /// The SHA-256 of the answer's text in UTF-8: what the model said, without the JSON or the
    /// stream that carried it.
    pub answer_sha256: Hash,
    /// The name of the model that answered.
    pub model: String,
    /// The SHA-256 of the model's weights; `None` if another machine ran them.
    pub model_sha256: Option<Hash>,
    /// What was paid, in thousandths of a satoshi.
    pub price_msat: u64,
    /// Tokens read.
    pub prompt_tokens: u64,
    /// Tokens written.
    pub completion_tokens: u64,
    /// When the answer was complete by the node's clock, in milliseconds since 1970 (UTC).
    pub time_unix_ms: u64,
    /// The node that says all this.
    pub node: VerifierKey,
}

/// A receipt with the node's signature, and with room for others beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// What was signed.
    pub receipt: Receipt,
    /// At least one Ed25519 signature by [`Receipt::node`].
    pub signatures: Vec<ReceiptSignature>,
}

/// A signature on a receipt's statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptSignature {
    /// The algorithm's name. `ed25519` is checked; others are kept and prove nothing.
    pub algorithm: String,
    /// The signature in lowercase hex.
    pub signature: String,
}

impl Receipt {
    /// The bytes that the receipt stands for.
    pub fn statement(&self) -> Result<String> {
        self.check()?;
        let model_sha256 = self
            .model_sha256
            .map_or("unknown".to_owned(), |hash| hash.to_string());
        Ok(format!(
            "freehold-receipt/v{}\nid {}\nrequest_sha256 {}\nanswer_sha256 {}\nmodel {}\n\
             model_sha256 {}\nprice_msat {}\nprompt_tokens {}\ncompletion_tokens {}\n\
             time_unix_ms {}\nnode {}\n",
            self.version,
            self.id,
            self.request_sha256,
            self.answer_sha256,
            self.model,
            model_sha256,
            self.price_msat,
            self.prompt_tokens,
            self.completion_tokens,
            self.time_unix_ms,
            self.node,
        ))
    }

    /// The hash of this receipt's leaf in the log.
    pub fn leaf_hash(&self) -> Result<Hash> {
        let entry = Hash::of(self.statement()?.as_bytes());
        Ok(merkle::leaf_hash(entry.as_bytes()))
    }

    /// Signs the receipt with the key that it names as the node's.
    pub fn sign(&self, key: &SigningKey) -> Result<SignedReceipt> {
        if key.verifying_key() != *self.node.key() {
            return Err(Error::KeyMismatch {
                expected: hex::encode(key.verifying_key()),
                found: hex::encode(self.node.key()),
            });
        }
        let signature = ReceiptSignature {
            algorithm: ED25519.to_owned(),
            signature: hex::encode(key.sign(&self.signed_bytes()?).to_bytes()),
        };
        Ok(SignedReceipt {
            receipt: self.clone(),
            signatures: vec![signature],
        })
    }

    /// Checks that the receipt speaks of this request.
    pub fn verify_request(&self, request: &[u8]) -> Result<()> {
        same_digest("request", &self.request_sha256, request)
    }

    /// Checks that the receipt speaks of this answer.
    pub fn verify_answer(&self, answer: &[u8]) -> Result<()> {
        same_digest("answer", &self.answer_sha256, answer)
    }

    fn signed_bytes(&self) -> Result<Vec<u8>> {
        Ok([SIGNATURE_DOMAIN, self.statement()?.as_bytes()].concat())
    }

    /// Checks the fields whose types allow more than the statement does.
    fn check(&self) -> Result<()> {
        if self.version != VERSION {
            let found = format!("version {}", self.version);
            return Err(Error::UnsupportedVersion { what: WHAT, found });
        }
        let id = self.id.as_bytes();
        if !(1..=MAX_ID_BYTES).contains(&id.len()) || !id.iter().all(u8::is_ascii_graphic) {
            let why = "must be 1 to 128 visible ASCII characters";
            return Err(Error::InvalidField { field: "id", why });
        }
        let model = &self.model;
        if !(1..=MAX_MODEL_BYTES).contains(&model.len()) || model.chars().any(char::is_control) {
            let why = "must be 1 to 256 bytes without control characters";
            return Err(Error::InvalidField {
                field: "model",
                why,
            });
        }
        Ok(())
    }
}

impl SignedReceipt {
    /// Checks the node's signature. The node's key is taken from the receipt: whether it is the
    /// right node's is for the caller to compare.
    pub fn verify(&self) -> Result<()> {
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(Error::TooLarge {
                what: "the list of signatures",
                max: MAX_SIGNATURES,
            });
        }
        let message = self.receipt.signed_bytes()?;
        let key = self.receipt.node.key();
        let mut known = self
            .signatures
            .iter()
            .filter(|s| s.algorithm == ED25519)
            .peekable();
        if known.peek().is_none() {
            return Err(Error::SignatureMissing {
                what: WHAT,
                key: self.receipt.node.to_string(),
            });
        }
        let right = |signature: &ReceiptSignature| {
            decode_hex(&signature.signature)
                .map(|bytes| ed25519_dalek::Signature::from_bytes(&bytes))
                .is_some_and(|signature| key.verify_strict(&message, &signature).is_ok())
        };
        if known.all(right) {
            Ok(())
        } else {
            Err(Error::SignatureInvalid { what: WHAT })
        }
    }
}

fn same_digest(what: &'static str, expected: &Hash, bytes: &[u8]) -> Result<()> {
    if Hash::of(bytes) == *expected {
        Ok(())
    } else {
        Err(Error::DigestMismatch { what })
    }
}
