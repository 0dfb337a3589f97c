//! X-Cashu: ecash in a header (NUT-24).
//!
//! The seller answers 402 with `X-Cashu: creqA…` (a NUT-18 payment request; `creqb1…`,
//! NUT-26, is read too); the
//! buyer repeats the request with `X-Cashu: cashuB…` (a NUT-00 token). Change
//! comes back as a token in the answer's `X-Cashu` header.
//!
//! What a token says of itself (mint, unit, amount) is the sender's claim. It is
//! good for refusing a payment before anything is touched, never for accepting
//! one: only the mint's swap does that.

mod client;
mod encoding;
pub mod limits;
mod mint_url;
mod payment_request;
mod payment_request_bech32;
mod server;
mod token;
mod token_format;

pub use client::{ClientStep, Purchase, change, choose, next_step};
pub use mint_url::normalize_mint_url;
pub use payment_request::{Nut10Option, PaymentRequest, Transport};
pub use server::{Challenge, Decision, Offer};
pub use token::{TokenId, TokenOutline};

/// The header that carries request, payment and change (NUT-24).
pub const X_CASHU: &str = "X-Cashu";
