//! `Payment-Receipt`: what the seller says of a payment that it took.

use serde::{Deserialize, Serialize};

use super::limits::RECEIPT_BYTES_MAX;
use super::{Error, from_base64url, to_base64url};

/// A receipt. There are none for failures: `status` is always `success`.
// The fields are in the order that canonical JSON gives their names, so that it needs no sorting: each call of a
// session has a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The challenge that was met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_id: Option<String>,
    /// How it was paid: `lightning`, `cashu`.
    pub method: String,
    /// The payment hash; of a session, its id.
    pub reference: String,
    /// Of a close: what goes back. Left out if it is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_sats: Option<u64>,
    /// Of a close: how the way back went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund_status: Option<RefundStatus>,
    /// Always `success`.
    pub status: String,
    /// When, in RFC 3339.
    pub timestamp: String,
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
        to_base64url(serde_json::to_vec(self).unwrap_or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mpp::canonical_json;

    #[test]
    fn a_receipt_is_written_in_canonical_json() {
        let receipt = Receipt {
            challenge_id: Some("a\"b\\c\u{1}\u{1f}\n\u{7f}é😀</".to_owned()),
            method: "cashu".to_owned(),
            reference: "ff".to_owned(),
            refund_sats: Some(21_000_000 * 100_000_000),
            refund_status: Some(RefundStatus::Succeeded),
            status: "success".to_owned(),
            timestamp: "2026-03-15T12:05:00Z".to_owned(),
        };
        for receipt in [
            Receipt {
                challenge_id: None,
                refund_sats: None,
                ..receipt.clone()
            },
            receipt,
        ] {
            let written = from_base64url(&receipt.encode()).unwrap();
            assert_eq!(canonical_json(&receipt).unwrap().into_bytes(), written);
            assert_eq!(Receipt::decode(&receipt.encode()).unwrap(), receipt);
        }
    }
}
