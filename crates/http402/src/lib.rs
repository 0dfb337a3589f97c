//! Pay-per-request over HTTP 402 (Payment Required).
//!
//! This crate knows the wire formats and decides what to answer. It has no
//! clock, no network and no wallet: the seller's and the buyer's state machines
//! are functions from headers to decisions, and the caller carries them out.
//!
//! | protocol | module | specification |
//! |---|---|---|
//! | MPP: the `Payment` scheme | [`mpp`] | draft-httpauth-payment-00, lightning charge and session |
//! | X-Cashu | [`xcashu`] | Cashu NUT-24 on NUT-18 requests and NUT-00 tokens |
//! | L402 | [`l402`] | L402 version 0, on [`macaroon`]s of format V2 |
//! | haggling beside any of them | [`haggle`] | `docs/haggle.md` |
//!
//! [`www_authenticate`] reads the list of challenges that a server sends.
//!
//! [`door`] joins them on the seller's side and [`choose`] on the buyer's; [`mcp`] carries MPP inside JSON-RPC,
//! [`discovery`] tells what is sold before anybody asks.
//!
//! Everything that comes from outside is read leniently and bounded before it
//! is looked at; everything that goes out has one canonical form.
//!
//! ```
//! use http402::xcashu::{ClientStep, Decision, Offer, choose, next_step};
//!
//! // The seller has an offer. A request without a payment is answered with 402.
//! let offer = Offer::new(21, "sat", &["https://mint.example.com"])?;
//! let Decision::Challenge(challenge) = offer.decide(None) else { unreachable!() };
//!
//! // The buyer reads the challenge and learns what to put into the next request.
//! let headers = [(challenge.name, challenge.value.as_str())];
//! let ClientStep::Pay(request) = next_step(402, headers)? else { unreachable!() };
//! let purchase = choose(&request, &["https://MINT.example.com/"], "sat", 100)?;
//! assert_eq!(purchase.amount_sat, 21);
//! # Ok::<(), http402::Error>(())
//! ```

mod base64;
pub mod choose;
pub mod discovery;
pub mod door;
mod error;
pub mod haggle;
mod hmac;
pub mod l402;
pub mod macaroon;
pub mod mcp;
pub mod mpp;
mod problem;
pub mod www_authenticate;
pub mod xcashu;

pub use error::Error;
pub use problem::{PROBLEM_CONTENT_TYPE, Problem};
