//! What the seller answers to an action.

use serde_json::{Value, json};

use super::{PaymentHash, RefundStatus};
use crate::mpp::{Receipt, to_rfc3339};

/// What is to be answered once the effects are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The session is open: answer the request that came with it, with this receipt.
    Opened(Receipt),
    /// The session pays for this request: serve it, with [`super::Session::receipt_for`], and take its units as they
    /// are delivered.
    Serve,
    /// The same call came before: repeat its answer, take nothing. If no answer was stored, the work was cut off,
    /// and can be done again.
    Repeat,
    /// The session has been topped up: 200 with `{"status":"ok"}`.
    ToppedUp(Receipt),
    /// The session is over.
    Closed(CloseReply),
    /// A redemption or a refund is under way: when it is done, answer with the reply that it gives, or apply the
    /// action again.
    Wait,
    /// A deposit failed, and nothing was credited: 402 with [`crate::mpp::Error::PaymentUsed`].
    DepositFailed,
}

/// The answer to a close. `Debug` hides the token.
#[derive(Clone, PartialEq, Eq)]
pub struct CloseReply {
    /// For `Payment-Receipt`.
    pub receipt: Receipt,
    /// What goes back, in sat.
    pub refund_sat: u64,
    /// How that went.
    pub status: RefundStatus,
    /// For `X-Cashu`: the rest as a token, if the session was paid with ecash.
    pub token: Option<String>,
}

impl CloseReply {
    /// The body: `{"refundSats":…,"refundStatus":…,"status":"closed"}`.
    pub fn body(&self) -> Value {
        json!({ "refundSats": self.refund_sat, "refundStatus": self.status, "status": "closed" })
    }
}

impl std::fmt::Debug for CloseReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CloseReply")
            .field("refund_sat", &self.refund_sat)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

pub(super) fn receipt(
    method: &str,
    session: PaymentHash,
    challenge_id: Option<&str>,
    at_s: u64,
) -> Receipt {
    Receipt {
        method: method.to_owned(),
        challenge_id: challenge_id.map(str::to_owned),
        reference: session.to_string(),
        status: "success".to_owned(),
        timestamp: to_rfc3339(at_s),
        refund_sats: None,
        refund_status: None,
    }
}
