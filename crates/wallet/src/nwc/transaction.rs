//! Invoices and payments, as NIP-47 writes them.

use serde::{Deserialize, Deserializer, Serialize};

/// Which way the money goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionType {
    /// To us.
    Incoming,
    /// Away from us.
    Outgoing,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionState {
    /// Not known yet.
    Pending,
    /// Held, but neither taken nor given back.
    Accepted,
    /// Paid.
    Settled,
    /// An invoice that nobody paid in time.
    Expired,
    /// A payment that didn't arrive.
    Failed,
}

/// An invoice or a payment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// Which way.
    #[serde(rename = "type")]
    pub kind: TransactionType,
    /// What became of it. Older wallets don't say: see [`Transaction::state`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<TransactionState>,
    /// The invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The hash of what it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description_hash: Option<String>,
    /// The proof of payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preimage: Option<String>,
    /// The payment's hash.
    #[serde(default, deserialize_with = "null_is_default")]
    pub payment_hash: String,
    /// How much.
    #[serde(rename = "amount", default, deserialize_with = "null_is_default")]
    pub amount_msat: u64,
    /// What the way cost.
    #[serde(rename = "fees_paid", default, deserialize_with = "null_is_default")]
    pub fees_paid_msat: u64,
    /// Made at, Unix seconds.
    #[serde(rename = "created_at", default, deserialize_with = "null_is_default")]
    pub created_s: u64,
    /// Worthless from, Unix seconds.
    #[serde(
        rename = "expires_at",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub expires_s: Option<u64>,
    /// Paid at, Unix seconds.
    #[serde(
        rename = "settled_at",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub settled_s: Option<u64>,
}

impl Transaction {
    /// What became of it, as far as this tells: a wallet that names no state names when it was paid.
    #[must_use]
    pub fn state(&self) -> TransactionState {
        let has_text = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        match self.state {
            Some(state) => state,
            None if self.settled_s.is_some_and(|settled_s| settled_s > 0) => {
                TransactionState::Settled
            }
            None if self.kind == TransactionType::Outgoing && has_text(&self.preimage) => {
                TransactionState::Settled
            }
            None => TransactionState::Pending,
        }
    }
}

/// Some wallets write `null` where they have nothing to say.
fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Which invoice or payment to look for; one of the two is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// By its hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_hash: Option<String>,
    /// By the whole invoice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoice: Option<String>,
}

/// Which invoices and payments to list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListTransactions {
    /// Made at or after, Unix seconds.
    #[serde(rename = "from", default, skip_serializing_if = "Option::is_none")]
    pub from_s: Option<u64>,
    /// Made at or before, Unix seconds.
    #[serde(rename = "until", default, skip_serializing_if = "Option::is_none")]
    pub until_s: Option<u64>,
    /// At most so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// After so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u32>,
    /// Those that aren't paid too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unpaid: Option<bool>,
    /// One way only.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<TransactionType>,
}

/// What a client is told without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotificationKind {
    /// Money came.
    PaymentReceived,
    /// Money went.
    PaymentSent,
}

impl NotificationKind {
    /// All, as an info event lists them.
    pub(super) const SUPPORTED: [&'static str; 2] = ["payment_received", "payment_sent"];

    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PaymentReceived => "payment_received",
            Self::PaymentSent => "payment_sent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_that_names_no_state_is_understood() {
        let read = |json: &str| serde_json::from_str::<Transaction>(json).unwrap().state();
        assert_eq!(read(r#"{"type":"outgoing"}"#), TransactionState::Pending);
        assert_eq!(
            read(r#"{"type":"outgoing","amount":null,"fees_paid":null,"settled_at":null}"#),
            TransactionState::Pending
        );
        assert_eq!(
            read(r#"{"type":"outgoing","preimage":"ab","settled_at":5}"#),
            TransactionState::Settled
        );
        assert_eq!(
            read(r#"{"type":"outgoing","preimage":"ab"}"#),
            TransactionState::Settled
        );
        // An invoice's preimage is known to its maker before anybody pays.
        assert_eq!(
            read(r#"{"type":"incoming","preimage":"ab"}"#),
            TransactionState::Pending
        );
        assert_eq!(
            read(r#"{"type":"outgoing","state":"failed"}"#),
            TransactionState::Failed
        );
    }
}
