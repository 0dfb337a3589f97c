//! Haggling over a price before paying it: an open extension of our own to any
//! 402 protocol, specified in `docs/haggle.md`.
//!
//! A buyer sends a bid in `Payment-Bid`; the seller answers in `Payment-Offer`
//! with an offer that it signs, or refuses. The buyer takes an offer, or bids
//! again by returning it. Every offer is firm until it expires, and the seller
//! keeps nothing: what was agreed comes back with the seller's own signature, the
//! [`OfferId`], which also binds the payment. Who doesn't know these headers
//! ignores them and asks, or pays, the usual price.
//!
//! ```
//! use http402::haggle::{Answer, Bid, Buyer, Plan, Policy, Seller, Step, Tactic};
//!
//! let policy = Policy { list_msat: 1_000, floor_msat: 600, ..Policy::default() };
//! let seller = Seller::new(&[1; 32], policy)?;
//! let plan = Plan { open_msat: 400, limit_msat: 800, ..Plan::default() };
//! let (mut buyer, mut bid) = Buyer::open([2; 16], plan)?;
//!
//! let now = 1_800_000_000;
//! let deal = loop {
//!     // Each goes through a header of the request, and of its answer.
//!     let bid_header = bid.to_value();
//!     let answer = seller.answer("GET /answer", &Bid::parse(&bid_header)?, now);
//!     match buyer.next(&Answer::parse(&answer.to_value())?, now)? {
//!         Step::Bid(next) => bid = next,
//!         Step::Take(offer) => break offer,
//!         Step::Leave => panic!("600 to 800 was possible"),
//!     }
//! };
//! let terms = seller.settle("GET /answer", &deal, now)?;
//! assert!((600..=800).contains(&terms.price_msat));
//! # Ok::<(), http402::haggle::Error>(())
//! ```

mod buyer;
mod error;
mod message;
mod offer;
mod seller;
mod tactic;

pub use buyer::{Buyer, Plan, Step};
pub use error::Error;
pub use message::{Answer, Bid, Refusal};
pub use offer::{Offer, OfferId, Terms};
pub use seller::{Bulk, Policy, Seller};
pub use tactic::Tactic;

/// The request header with a bid, or with the offer that is taken.
pub const PAYMENT_BID: &str = "Payment-Bid";
/// The response header with the seller's answer.
pub const PAYMENT_OFFER: &str = "Payment-Offer";
/// Bytes of either header's value.
pub const VALUE_BYTES_MAX: usize = 1024;
/// Rounds that anybody haggles for.
pub const ROUNDS_MAX: u32 = 32;
/// Units that are bought at once.
pub const QUANTITY_MAX: u64 = 1_000_000;
/// The highest price: all bitcoin there will be, in millisatoshi.
pub const PRICE_MSAT_MAX: u64 = 2_100_000_000_000_000_000;
/// Bytes of the name of what is sold.
pub const RESOURCE_BYTES_MAX: usize = 4 * 1024;
