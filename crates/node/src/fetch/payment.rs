//! Payments to other servers: one row each, from the reservation to the change.

use http402::xcashu::TokenOutline;
use serde::{Deserialize, Serialize};
use timestamp::Hash;
use uuid::Uuid;

use super::rows::to_json;
use super::ways::{Bill, Way};
use super::{Carrier, FetchRequest, HttpAnswer, Protocol, Spender};
use crate::error::{NodeError, Result};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PaymentState {
    /// Counts against the budget; no token exists that anybody could know.
    Reserved,
    /// The token exists, and the seller may have it; or the wallet may have paid the invoice.
    Paying,
    /// The invoice is paid, and the proof stored.
    Paid,
    /// The seller's last word is stored; the change isn't redeemed yet.
    Answered,
    /// Over, and paid.
    Settled,
    /// Over, and not paid.
    Voided,
}

impl PaymentState {
    const ALL: [(Self, &'static str); 6] = [
        (Self::Reserved, "reserved"),
        (Self::Paying, "paying"),
        (Self::Paid, "paid"),
        (Self::Answered, "answered"),
        (Self::Settled, "settled"),
        (Self::Voided, "voided"),
    ];

    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("", |(_, text)| text)
    }

    pub fn parse(text: &str) -> Self {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == text)
            .map_or(Self::Voided, |(state, _)| *state)
    }
}

/// A payment as it stands.
#[derive(Clone)]
pub(super) struct Payment {
    pub id: String,
    pub state: PaymentState,
    pub spender: Spender,
    pub request: FetchRequest,
    pub request_sha256: String,
    pub protocol: Protocol,
    /// Where the challenge was, and the credential goes.
    pub carrier: Carrier,
    /// What the token is worth, or the invoice asks for.
    pub amount_sat: u64,
    /// What making it, or the way there, cost.
    pub fee_sat: u64,
    /// What is paid over Lightning.
    pub bill: Option<Bill>,
    /// What the way there may cost.
    pub fee_max_sat: Option<u64>,
    /// The challenge's headers until it is paid, and the credential from then on; encrypted.
    pub sealed: Option<Vec<u8>>,
    pub operation: Option<Uuid>,
    pub token: Option<String>,
    pub answer: Option<HttpAnswer>,
    pub change_token: Option<String>,
    pub spent_sat: Option<u64>,
    pub receipt_id: Option<String>,
    pub error: Option<String>,
    pub created_ms: i64,
    /// Whether whoever wants it is here, with all that its token says: then a wallet may be asked to begin it.
    pub may_begin: bool,
}

/// A payment, for people.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PaymentView {
    /// Its id; the same id pays once.
    pub id: String,
    /// `owner` or `purse:NAME`.
    pub spender: String,
    /// Who was paid.
    pub url: String,
    /// `x-cashu`, `l402` or `mpp-charge`.
    pub protocol: String,
    /// `reserved`, `paying`, `paid`, `answered`, `settled` or `voided`.
    pub state: String,
    /// What was handed over.
    pub amount_sat: u64,
    /// What it cost, after change; none as long as that isn't known.
    pub spent_sat: Option<u64>,
    /// The payment hash of the invoice that was paid.
    pub payment_hash: Option<String>,
    /// The receipt that came back.
    pub receipt_id: Option<String>,
    /// Begun at, Unix milliseconds.
    pub created_ms: i64,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

impl Payment {
    pub fn new(id: String, spender: Spender, request: FetchRequest, way: Way, now_ms: i64) -> Self {
        let state = match way.protocol.is_lightning() {
            true => PaymentState::Paying,
            false => PaymentState::Reserved,
        };
        Self {
            id,
            state,
            request_sha256: fingerprint(&request),
            fee_max_sat: request
                .max_sat
                .map(|max| max.saturating_sub(way.amount_sat)),
            spender,
            request,
            protocol: way.protocol,
            carrier: Carrier::Headers,
            amount_sat: way.amount_sat,
            fee_sat: 0,
            bill: way.bill,
            sealed: None,
            operation: None,
            token: None,
            answer: None,
            change_token: None,
            spent_sat: None,
            receipt_id: None,
            error: None,
            created_ms: now_ms,
            may_begin: true,
        }
    }

    /// Its place in the ledger.
    pub fn transfer_id(&self) -> String {
        format!("pay:{}", self.id)
    }

    pub fn memo(&self) -> String {
        let url: String = self.request.url.chars().take(200).collect();
        format!("{} {url}", self.request.method)
    }

    pub fn is_over(&self) -> bool {
        matches!(self.state, PaymentState::Settled | PaymentState::Voided)
    }

    /// An id names one request of one spender.
    pub fn must_match(&self, spender: &Spender, request: &FetchRequest) -> Result<()> {
        let is_payer = self.spender.account() == spender.account();
        if is_payer && self.request_sha256 == fingerprint(request) {
            return Ok(());
        }
        Err(wallet::WalletError::IdempotencyConflict(self.id.clone()).into())
    }

    pub fn view(&self) -> PaymentView {
        PaymentView {
            id: self.id.clone(),
            spender: self.spender.account().to_string(),
            url: self.request.url.clone(),
            protocol: self.protocol.to_string(),
            state: self.state.as_str().to_owned(),
            amount_sat: self.amount_sat,
            spent_sat: self.spent_sat,
            payment_hash: self.bill.as_ref().map(|bill| bill.payment_hash.clone()),
            receipt_id: self.receipt_id.clone(),
            created_ms: self.created_ms,
            error: self.error.clone(),
        }
    }

    /// The invoice that is paid.
    pub fn bill(&self) -> Result<&Bill> {
        self.bill.as_ref().ok_or_else(|| inconsistent(&self.id))
    }

    /// The change token's identity, however it is written.
    pub fn change_id(&self) -> Option<String> {
        let outline = TokenOutline::parse(self.change_token.as_deref()?).ok()?;
        Some(outline.id.to_string())
    }
}

/// The request's identity: everything that is sent.
fn fingerprint(request: &FetchRequest) -> String {
    let headers = to_json(&request.headers);
    let mut bytes = Vec::new();
    for part in [
        request.method.as_bytes(),
        request.url.as_bytes(),
        headers.as_bytes(),
    ] {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes.extend_from_slice(request.body.as_deref().unwrap_or_default());
    Hash::of(&bytes).to_string()
}

/// For errors where a payment's record contradicts itself.
pub(super) fn inconsistent(id: &str) -> NodeError {
    NodeError::NotFound {
        what: "token of payment",
        id: id.to_owned(),
    }
}
