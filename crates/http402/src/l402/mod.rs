//! L402: a macaroon that is worth something once its Lightning invoice is paid
//! (protocol version 0; formerly LSAT).
//!
//! The seller answers with
//! `WWW-Authenticate: L402 macaroon="M", invoice="lnbc…", version="0", token="M"`.
//! The buyer pays, learns the preimage, and repeats the request with
//! `Authorization: L402 M:preimage`, as often as the macaroon's caveats let it. A
//! credential that isn't valid is answered with 401, one that is missing with 402
//! and a challenge.
//!
//! The seller keeps nothing: the macaroon's key follows from its secret and the
//! token's id, and the payment from the preimage. That the invoice cost enough is
//! settled when it is made.
//!
//! ```
//! use http402::l402::{ClientStep, Credential, Issuer, Request, Terms, next_step};
//! use sha2::{Digest, Sha256};
//!
//! // The seller has an invoice for the hash of a preimage.
//! let preimage = [7; 32];
//! let payment_hash = Sha256::digest(preimage).into();
//! let issuer = Issuer::new(&[1; 32], "shop.example");
//! let macaroon = issuer.mint(payment_hash, [2; 32], &Terms::new("meter"))?;
//! let challenge = issuer.challenge(&macaroon, "lnbc10n1p")?;
//!
//! // The buyer finds it, pays, and comes back.
//! let headers = [("WWW-Authenticate", challenge.as_str())];
//! let ClientStep::Pay(offer) = next_step(402, headers)? else { unreachable!() };
//! let authorization = offer.authorization(&preimage)?;
//!
//! // The seller knows what it sees.
//! let Some(credential) = Credential::parse(&authorization)? else { unreachable!() };
//! let request = Request { service: "meter", method: "GET", ..Request::default() };
//! let grant = issuer.verify(&credential, &request, 1_800_000_000)?;
//! assert_eq!(grant.payment_hash, payment_hash);
//! # Ok::<(), http402::l402::Error>(())
//! ```

mod caveats;
mod client;
mod credential;
mod error;
mod identifier;
mod issuer;
mod request_path;

pub use caveats::Terms;
pub use client::{ClientStep, Offer, next_step};
pub use credential::Credential;
pub use error::Error;
pub use identifier::Identifier;
pub use issuer::{Grant, Issuer, Request};
pub use request_path::{is_plain, is_within};

/// The scheme of challenges and credentials.
pub const L402: &str = "L402";
/// What the scheme was called before. Read, never written first.
pub const LSAT: &str = "LSAT";
/// Bytes of an `Authorization` value: a macaroon in base64, and a preimage.
pub const AUTHORIZATION_BYTES_MAX: usize = 6 * 1024;
/// Bytes of an invoice.
pub const INVOICE_BYTES_MAX: usize = 4 * 1024;
/// Values in the list of one caveat.
pub const CAVEAT_VALUES_MAX: usize = 32;
