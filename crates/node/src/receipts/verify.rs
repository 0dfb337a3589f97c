//! Checking a receipt's file, without any node.

use serde::Serialize;
use timestamp::note::Identity;
use timestamp::proof::{Anchoring, ReceiptProof};

use crate::error::Result;

/// What an offline check of a receipt found.
#[derive(Clone, Debug, Serialize)]
pub struct VerifiedReceipt {
    /// The receipt's id.
    pub id: String,
    /// The model that answered.
    pub model: String,
    /// What the answer cost.
    pub price_sat: u64,
    /// When, Unix milliseconds, by the node's clock.
    pub time_unix_ms: u64,
    /// Whose signatures it carries: the node's identity in one line.
    pub node: String,
    /// What the log's head is anchored in. Claims of Bitcoin blocks aren't checked here.
    pub anchoring: Anchoring,
    /// What was checked, and held.
    pub checks: Vec<String>,
    /// What this doesn't prove.
    pub warnings: Vec<String>,
}

/// Checks a receipt file offline: signatures, place in the log, the log's checkpoint; and that
/// it is about this answer (give or take a newline at its end) and this request, if given.
/// `node` is the identity that the receipt must be by.
///
/// # Errors
/// Says what doesn't hold.
pub fn verify_receipt(
    json: &[u8],
    node: Option<&str>,
    answer: Option<&[u8]>,
    request: Option<&[u8]>,
) -> Result<VerifiedReceipt> {
    let proof = ReceiptProof::from_json(json)?;
    let node: Option<Identity> = node.map(str::parse).transpose()?;
    let verified = proof.verify(node.as_ref())?;
    let (mut checks, mut warnings) = (verified.checks(), verified.warnings());
    if let Some(answer) = answer {
        proof.verify_answer(answer)?;
        checks.push("it is about this answer".into());
    }
    if let Some(request) = request {
        proof.verify_request(request)?;
        checks.push("it is about this request".into());
    }
    warnings.push(verified.anchoring.warning());
    let receipt = &proof.signed_receipt.receipt;
    Ok(VerifiedReceipt {
        id: receipt.id.clone(),
        model: receipt.model.clone(),
        price_sat: wallet::msat_to_sat_ceil(receipt.price_msat),
        time_unix_ms: receipt.time_unix_ms,
        node: receipt.node.to_string(),
        anchoring: verified.anchoring,
        checks,
        warnings,
    })
}
