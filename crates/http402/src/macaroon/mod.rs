//! Macaroons: tokens that their holder can narrow, but not widen.
//!
//! A macaroon is an identifier and a list of caveats under a chain of
//! HMAC-SHA256. Whoever holds it can add a caveat without a key; only the
//! minter, who has the root key, can tell whether the chain is right.
//!
//! The format is V2 binary as Go's `macaroon.v2` writes it, byte for byte:
//!
//! ```text
//! 02 [01 len location] 02 len identifier 00
//!    ([01 len location] 02 len caveat [04 len verification-id] 00)*
//! 00 06 20 signature[32]
//! ```
//!
//! Lengths are varints (LEB128). In text it is base64. Caveats of third parties
//! are read and kept, and refused when the macaroon is verified.
//!
//! ```
//! use http402::macaroon::{Macaroon, RootKey};
//!
//! let key = RootKey::derive(b"the minter's secret");
//! let minted = Macaroon::mint(&key, "example.com", b"token 1")?;
//! let narrowed = minted.with_caveat("account=7")?;
//!
//! let received = Macaroon::from_base64(&narrowed.to_base64())?;
//! received.verify(&key)?;
//! assert_eq!(received.caveats().next(), Some("account=7".as_bytes()));
//! # Ok::<(), http402::macaroon::MacaroonError>(())
//! ```

mod error;
mod key;
mod token;
mod wire;

pub use error::MacaroonError;
pub use key::RootKey;
pub use token::Macaroon;

/// Bytes of a macaroon. One of L402 has about 200, and every caveat adds to it.
pub const MACAROON_BYTES_MAX: usize = 4 * 1024;
/// Caveats of one macaroon.
pub const CAVEATS_MAX: usize = 64;
/// Bytes of one location, identifier, caveat or verification id.
pub const FIELD_BYTES_MAX: usize = 1024;
