//! Receipts: what a node says about one answer of its model.
//!
//! # The statement
//!
//! What is signed and logged is not the JSON that people see, whose spelling may vary, but the
//! *statement*: lines of `name value`, each ended by a newline (U+000A), all present, in this
//! order:
//!
//! ```text
//! freehold-receipt/v2
//! id <1 to 128 visible ASCII characters>
//! request_sha256 <64 lowercase hex digits>
//! answer_sha256 <64 lowercase hex digits>
//! model <1 to 256 bytes of UTF-8 without control characters>
//! model_sha256 <64 lowercase hex digits, or `unknown`>
//! price_msat <decimal>
//! prompt_tokens <decimal>
//! completion_tokens <decimal>
//! time_unix_ms <decimal>
//! node <the node's identity: a verifier key, and the digest of another>
//! ```
//!
//! No value can contain a newline, and decimals have no sign and no leading zeros, so two
//! different receipts never share a statement.
//!
//! # What is made of it
//!
//! - **Signatures:** Ed25519 and ML-DSA-44 over `freehold-receipt-signature/v2` ‖ `0x00` ‖
//!   statement, in base64. What the same keys sign otherwise are notes, which never contain a zero
//!   byte, and cosignatures, which begin with `subtree/v1`: a signature on one can't be passed off
//!   as a signature on another. Both are needed, so a receipt holds as long as one of the two
//!   algorithms does.
//! - **Log entry:** the 32 bytes of SHA-256(statement). A log can therefore be published without
//!   telling who asked what, and the way from the statement's SHA-256 to the log's root is
//!   nothing but prepending, appending and hashing, which OpenTimestamps proofs can express.
//! - **Leaf hash:** SHA-256(`0x00` ‖ entry), see [`merkle`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::merkle;
use crate::note::{CosignerKey, Identity, NodeSigner};
use crate::{Error, Hash, Result};

/// The version of the statement that this crate writes and reads.
pub const VERSION: u32 = 2;
/// The longest receipt id, in bytes.
pub const MAX_ID_BYTES: usize = 128;
/// The longest model name, in bytes.
pub const MAX_MODEL_BYTES: usize = 256;
/// The most signatures that a receipt may carry.
pub const MAX_SIGNATURES: usize = 8;

const WHAT: &str = "the receipt";
const SIGNATURE_DOMAIN: &[u8] = b"freehold-receipt-signature/v2\0";
/// The names of the algorithms.
const ED25519: &str = "ed25519";
const ML_DSA_44: &str = "ml-dsa-44";

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
    pub node: Identity,
}

/// A receipt with the node's signatures, and with room for others beside them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedReceipt {
    /// What was signed.
    pub receipt: Receipt,
    /// At least one Ed25519 and one ML-DSA-44 signature by [`Receipt::node`].
    pub signatures: Vec<ReceiptSignature>,
}

/// A signature on a receipt's statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptSignature {
    /// The algorithm's name. `ed25519` and `ml-dsa-44` are checked; others are kept and prove
    /// nothing.
    pub algorithm: String,
    /// The signature in base64.
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

    /// What stands in the log: the SHA-256 of the statement.
    pub fn entry(&self) -> Result<Hash> {
        Ok(Hash::of(self.statement()?.as_bytes()))
    }

    /// The hash of this receipt's leaf in the log.
    pub fn leaf_hash(&self) -> Result<Hash> {
        Ok(merkle::leaf_hash(self.entry()?.as_bytes()))
    }

    /// Signs the receipt with the keys that it names as the node's.
    pub fn sign(&self, signer: &NodeSigner) -> Result<SignedReceipt> {
        if *signer.identity() != self.node {
            return Err(Error::KeyMismatch {
                expected: signer.identity().to_string(),
                found: self.node.to_string(),
            });
        }
        let message = self.signed_bytes()?;
        let signature = |algorithm: &str, bytes: &[u8]| ReceiptSignature {
            algorithm: algorithm.to_owned(),
            signature: BASE64.encode(bytes),
        };
        Ok(SignedReceipt {
            receipt: self.clone(),
            signatures: vec![
                signature(ED25519, &signer.ed25519().sign_bytes(&message)),
                signature(ML_DSA_44, &signer.ml_dsa_44().sign_bytes(&message)?),
            ],
        })
    }

    /// Checks that the receipt speaks of this request.
    pub fn verify_request(&self, request: &[u8]) -> Result<()> {
        if Hash::of(request) == self.request_sha256 {
            Ok(())
        } else {
            Err(Error::DigestMismatch { what: "request" })
        }
    }

    /// Checks that the receipt speaks of this answer, in one of its [`answer_digests`].
    pub fn verify_answer(&self, answer: &[u8]) -> Result<()> {
        if answer_digests(answer).contains(&self.answer_sha256) {
            Ok(())
        } else {
            Err(Error::DigestMismatch { what: "answer" })
        }
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
    /// Checks the node's signatures. The Ed25519 key is taken from the receipt, and `cosigner` must
    /// be the key that the receipt names beside it: whether they are the right node's is for the
    /// caller to compare.
    pub fn verify(&self, cosigner: &CosignerKey) -> Result<()> {
        if self.signatures.len() > MAX_SIGNATURES {
            return Err(Error::TooLarge {
                what: "the list of signatures",
                max: MAX_SIGNATURES,
            });
        }
        let node = &self.receipt.node;
        node.check_cosigner(cosigner)?;
        let message = self.receipt.signed_bytes()?;
        self.require(ED25519, |bytes| node.ed25519().verifies(&message, bytes))?;
        self.require(ML_DSA_44, |bytes| cosigner.verifies(&message, bytes))
    }

    /// Checks that there are signatures of this algorithm, and that all of them are right.
    fn require(&self, algorithm: &str, verifies: impl Fn(&[u8]) -> bool) -> Result<()> {
        let mut known = self
            .signatures
            .iter()
            .filter(|signature| signature.algorithm == algorithm)
            .peekable();
        if known.peek().is_none() {
            return Err(Error::SignatureMissing {
                what: WHAT,
                key: format!("the {algorithm} key of {}", self.receipt.node.name()),
            });
        }
        let is_right = |signature: &ReceiptSignature| {
            BASE64
                .decode(&signature.signature)
                .is_ok_and(|bytes| verifies(&bytes))
        };
        if known.all(is_right) {
            Ok(())
        } else {
            Err(Error::SignatureInvalid { what: WHAT })
        }
    }
}

/// The digests that a receipt may have of a saved answer: that of the bytes as they are, and that
/// without the newline which shells and editors put at the end of a file.
pub fn answer_digests(answer: &[u8]) -> Vec<Hash> {
    let trimmed = answer.strip_suffix(b"\n");
    [Some(answer), trimmed]
        .into_iter()
        .flatten()
        .map(Hash::of)
        .collect()
}
