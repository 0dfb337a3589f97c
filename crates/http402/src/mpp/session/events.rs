//! Server-sent events in a stream that is paid from a session.

use serde::{Deserialize, Serialize};

use super::PaymentHash;

/// What a stream says about its payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEvent {
    /// The deposit is used up; the stream waits for a top-up.
    NeedTopUp(Balance),
    /// No top-up came in time; the stream ends.
    Timeout(Balance),
    /// The stream is complete; this is what it cost.
    Receipt(StreamReceipt),
}

/// How a session stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// The session.
    pub session_id: PaymentHash,
    /// What was spent, in sat.
    pub balance_spent: u64,
    /// What the next unit costs, in sat.
    pub balance_required: u64,
}

/// What one stream cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamReceipt {
    /// How the session was paid.
    pub method: String,
    /// The session.
    pub reference: PaymentHash,
    /// Always `success`.
    pub status: String,
    /// When, in RFC 3339.
    pub timestamp: String,
    /// What this stream cost, in sat.
    pub spent: u64,
    /// How many units it had.
    pub units: u64,
}

const NEED_TOP_UP: &str = "payment-need-topup";
const TIMEOUT: &str = "session-timeout";
const RECEIPT: &str = "payment-receipt";
/// Bytes of an event's data that are read.
const DATA_BYTES_MAX: usize = 4 * 1024;

impl SessionEvent {
    /// The event as a stream carries it, with the empty line that ends it.
    pub fn to_sse(&self) -> String {
        let (name, data) = match self {
            Self::NeedTopUp(balance) => (NEED_TOP_UP, serde_json::to_string(balance)),
            Self::Timeout(balance) => (TIMEOUT, serde_json::to_string(balance)),
            Self::Receipt(receipt) => (RECEIPT, serde_json::to_string(receipt)),
        };
        format!("event: {name}\ndata: {}\n\n", data.unwrap_or_default())
    }

    /// Reads an event by its name and data. `None` for one that is not about payment, or can't be read.
    pub fn parse(name: &str, data: &str) -> Option<Self> {
        if data.len() > DATA_BYTES_MAX {
            return None;
        }
        match name {
            NEED_TOP_UP => serde_json::from_str(data).ok().map(Self::NeedTopUp),
            TIMEOUT => serde_json::from_str(data).ok().map(Self::Timeout),
            RECEIPT => serde_json::from_str(data).ok().map(Self::Receipt),
            _ => None,
        }
    }
}
