//! `Payment-Receipt`: what the seller says of a payment that it took.

use serde::{Deserialize, Serialize};

use super::limits::RECEIPT_BYTES_MAX;
use super::{Error, canonical_json, from_base64url, to_base64url};

/// A receipt. There are none for failures: `status` is always `success`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// How it was paid: `lightning`, `cashu`.
    pub method: String,
    /// The challenge that was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_id: Option<String>,
    /// The payment hash; of a session, its id.
    pub reference: String,
    /// Always `success`.
    pub status: String,
    /// When, in RFC 3339.
    pub timestamp: String,
    /// Of a close: what goes back. Left out if it is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_sats: Option<u64>,
    /// Of a close: how the way back went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_status: Option<RefundStatus>,
}

/// How giving back a session's rest went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefundStatus {
    /// It went back.
    Succeeded,
    /// It didn't, and still belongs to the buyer.
    Failed,
    /// There was nothing to give back.
    Skipped,
}

impl Receipt {
    /// Writes the header's value.
    ///
    /// The result is empty only if the receipt can't be written as JSON, which doesn't happen with these types.
    pub fn encode(&self) -> String {
        to_base64url(canonical_json(self).unwrap_or_default())
    }

    /// Reads a header's value; unknown fields are ignored.
    pub fn decode(value: &str) -> Result<Self, Error> {
        if value.len() > RECEIPT_BYTES_MAX {
            return Err(Error::ReceiptMalformed("it is too long"));
        }
        let json =
            from_base64url(value.trim()).ok_or(Error::ReceiptMalformed("it is not base64url"))?;
        let receipt: Self = serde_json::from_slice(&json)
            .map_err(|_| Error::ReceiptMalformed("it is not a receipt in JSON"))?;
        if receipt.status != "success" {
            return Err(Error::ReceiptMalformed("its status is not success"));
        }
        Ok(receipt)
    }
}
