//! MPP: the HTTP `Payment` scheme, for Lightning and ecash, one payment a request or a prepaid session
//! (draft-httpauth-payment-00, draft-lightning-charge-00, draft-lightning-session-00).
//!
//! ```text
//! buyer                                       seller
//!   GET /answer ───────────────────────────▶  ChargeOffer::decide ─ Challenge
//!   402  WWW-Authenticate: Payment id=… ◀───  ChargeOffer::challenge(invoice)
//!   (pays the invoice, learns the preimage)
//!   Authorization: Payment eyJ… ───────────▶  ChargeOffer::decide ─ Consume(Paid)
//!   200  Payment-Receipt: eyJ… ◀────────────  (consumes the payment hash, does the work)
//! ```
//!
//! A challenge is stateless: its id is an HMAC over what it says ([`ChallengeKeys`]), so nothing is stored
//! until somebody has paid. What must be stored is that a payment hash has been used, once for all
//! purposes; [`Paid`] and [`session::Effect::Consume`] name it.
//!
//! # Sessions
//!
//! A session is a deposit from which units are taken until it is closed and the rest goes back. See
//! [`session`].
//!
//! # Ecash sessions: an extension
//!
//! The drafts know Lightning deposits only. Here the same session works with ecash, as `method="cashu"`,
//! `intent="session"`, which a buyer that doesn't know it skips like any other unknown method:
//!
//! | | `lightning` | `cashu` |
//! |---|---|---|
//! | request | `depositInvoice`, `paymentHash` | `paymentRequest`: a NUT-18 request (`creqA…`) for at least `depositAmount` |
//! | session's secret | the deposit's preimage | 32 bytes that the buyer draws |
//! | `sessionId` | SHA-256 of the secret | the same |
//! | `open` | `preimage`, `returnInvoice` | `preimage` (the secret), `token` |
//! | `bearer`, `close` | `sessionId`, `preimage` | the same |
//! | `topUp` | `sessionId`, `topUpPreimage` | `sessionId`, `token` |
//! | the rest comes back | by paying `returnInvoice` | as a token in the closing answer's `X-Cashu` header |
//!
//! So everything after the deposit is the same code on both sides.

mod accept;
mod canonical;
mod challenge;
mod charge;
mod client;
mod client_session;
mod credential;
mod digest;
mod error;
mod invoice;
mod preimage;
mod receipt;
mod request;
pub mod session;
mod time;

pub use accept::AcceptPayment;
pub use canonical::{canonical_json, from_base64url, to_base64url};
pub use challenge::{Challenge, ChallengeKeys};
pub use charge::{ChargeOffer, Decision, Invoice, Paid};
pub use client::{Quote, challenges, charge_credential, quote};
pub use client_session::{ClientSession, ClientStage};
pub use credential::Credential;
pub use digest::content_digest;
pub use error::Error;
pub use invoice::InvoiceHead;
pub use preimage::{PaymentHash, Preimage};
pub use receipt::{Receipt, RefundStatus};
pub use request::{ChargeRequest, DepositTerms, MethodDetails, SessionRequest};
pub use time::{from_rfc3339, to_rfc3339};

/// The scheme's name in `WWW-Authenticate` and `Authorization`.
pub const SCHEME: &str = "Payment";
/// The header with the seller's receipt. An answer that has it is `Cache-Control: private`.
pub const PAYMENT_RECEIPT: &str = "Payment-Receipt";
/// The header in which a buyer says how it can pay.
pub const ACCEPT_PAYMENT: &str = "Accept-Payment";
/// The method that pays over Lightning.
pub const LIGHTNING: &str = "lightning";
/// The method that pays with ecash (for sessions: an extension, see above).
pub const CASHU: &str = "cashu";
/// One payment for one request.
pub const CHARGE: &str = "charge";
/// A deposit from which many requests are paid.
pub const SESSION: &str = "session";
/// The only currency here: whole satoshis.
pub const SAT: &str = "sat";

/// How much is read of what the other side sends, at most.
pub mod limits {
    /// Bytes of an `Authorization` value. The drafts want at least 4 KiB; a session opened with ecash carries
    /// a whole token.
    pub const CREDENTIAL_BYTES_MAX: usize = 64 * 1024;
    /// Bytes of one challenge's `request` or `opaque` parameter.
    pub const PARAMETER_BYTES_MAX: usize = 8 * 1024;
    /// `Payment` challenges of one answer that are looked at.
    pub const CHALLENGES_MAX: usize = 16;
    /// Bytes of a `Payment-Receipt`.
    pub const RECEIPT_BYTES_MAX: usize = 8 * 1024;
    /// Bytes of an `Accept-Payment` value, and the ranges in it.
    pub const ACCEPT_BYTES_MAX: usize = 1024;
    /// Ranges of an `Accept-Payment` value.
    pub const ACCEPT_RANGES_MAX: usize = 32;
    /// Bytes of an invoice.
    pub const INVOICE_BYTES_MAX: usize = 4 * 1024;
    /// Satoshis in any amount: all that there will ever be. It is far below 2^53, so that JSON numbers hold it.
    pub const AMOUNT_SAT_MAX: u64 = 2_100_000_000_000_000;
    /// Top-ups of one session; each is remembered, so that its answer can be repeated.
    pub const TOP_UPS_MAX: usize = 100;
    /// Calls whose idempotency key a session remembers.
    pub const CALLS_REMEMBERED: usize = 64;
    /// Bytes of an idempotency key.
    pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 128;
}
