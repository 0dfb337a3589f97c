//! The wallet behind the connections: what the service needs of it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::connection::Connection;
use super::message::{ErrorCode, Failure, PayKeysend};
use super::method::Method;
use super::transaction::{ListTransactions, Transaction};

/// A payment that is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Idempotency key: the id of the event that asks for it. The same key pays once.
    pub key: String,
    /// The invoice.
    pub invoice: String,
    /// Its payment hash, hex.
    pub payment_hash: String,
    /// What is to arrive.
    pub amount_msat: u64,
    /// From when on (Unix seconds) the invoice is worthless.
    pub expires_s: u64,
}

/// How a payment stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentState {
    /// It arrived.
    Paid {
        /// The proof, hex.
        preimage: String,
        /// What the way cost.
        fees_paid_msat: u64,
    },
    /// It didn't, and never will.
    Failed(Failure),
    /// Its end isn't known. It is asked for again later, and meanwhile the client gets no answer: an
    /// error would tell it to pay again.
    Pending,
    /// No payment with this key was ever begun, and none will be.
    NeverBegan,
}

/// Who the wallet is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WalletInfo {
    /// The node's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The node's colour, six hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
    /// The node's key, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pubkey: Option<String>,
    /// `mainnet`, `testnet`, `signet` or `regtest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Its best block.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_height: Option<u32>,
    /// Its best block's hash, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_hash: Option<String>,
    /// What this connection may ask for; the service fills it in.
    #[serde(default)]
    pub methods: Vec<String>,
    /// What this connection is told; the service fills it in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<String>,
}

/// What a connection may still spend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    /// Spent, reservations included.
    #[serde(rename = "used_budget")]
    pub used_msat: u64,
    /// The limit.
    #[serde(rename = "total_budget")]
    pub total_msat: u64,
    /// When it begins anew, Unix seconds.
    #[serde(rename = "renews_at", default, skip_serializing_if = "Option::is_none")]
    pub renews_s: Option<u64>,
    /// `daily`, `weekly`, `monthly`, `yearly` or `never`.
    #[serde(default)]
    pub renewal_period: String,
}

/// An invoice that is to be made, within bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvoice {
    /// How much; above zero.
    pub amount_msat: u64,
    /// What it is for.
    pub description: Option<String>,
    /// The hash of what it is for.
    pub description_hash: Option<[u8; 32]>,
    /// How long it can be paid.
    pub expiry_s: Option<u64>,
}

/// A wallet that others may use. A [`Failure`] of any of these means that nothing happened.
#[async_trait]
pub trait WalletBackend: Send + Sync {
    /// What it can do for this connection.
    async fn methods(&self, connection: &Connection) -> Vec<Method>;

    /// Who it is. `methods` and `notifications` are filled in by the service.
    async fn info(&self, connection: &Connection) -> Result<WalletInfo, Failure>;

    /// What the connection's wallet has.
    async fn balance_msat(&self, connection: &Connection) -> Result<u64, Failure>;

    /// What the connection may spend; none if there is no limit.
    async fn budget(&self, connection: &Connection) -> Result<Option<BudgetState>, Failure>;

    /// Pays an invoice: at most once for each [`Payment::key`]. It must be recorded durably, so that
    /// [`WalletBackend::payment`] knows of it, before money moves.
    async fn pay(
        &self,
        connection: &Connection,
        payment: &Payment,
    ) -> Result<PaymentState, Failure>;

    /// Pays a node without an invoice, at most once for each key.
    async fn pay_keysend(
        &self,
        _connection: &Connection,
        _key: &str,
        _keysend: &PayKeysend,
    ) -> Result<PaymentState, Failure> {
        let message = "this wallet can't pay without an invoice";
        Err(Failure::new(ErrorCode::NotImplemented, message))
    }

    /// How the payment with this key stands. Asked after a crash, and while a payment is pending.
    async fn payment(&self, key: &str) -> Result<PaymentState, Failure>;

    /// Makes an invoice.
    async fn make_invoice(
        &self,
        connection: &Connection,
        invoice: &NewInvoice,
    ) -> Result<Transaction, Failure>;

    /// Looks for an invoice or a payment of this connection's wallet.
    async fn lookup(
        &self,
        connection: &Connection,
        payment_hash: &str,
    ) -> Result<Option<Transaction>, Failure>;

    /// Invoices and payments of this connection's wallet, newest first, at most `query.limit`.
    async fn list(
        &self,
        connection: &Connection,
        query: &ListTransactions,
    ) -> Result<Vec<Transaction>, Failure>;
}
