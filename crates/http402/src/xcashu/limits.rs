//! How much is read of what the other side sends, at most.
//!
//! The bounds on length come first and make the others cheap to check: no input
//! is decoded before it is known to be short.

/// Bytes of an encoded payment request, prefix included.
pub const REQUEST_BYTES_MAX: usize = 8 * 1024;
/// Mints in a payment request.
pub const REQUEST_MINTS_MAX: usize = 64;
/// Transports in a payment request.
pub const REQUEST_TRANSPORTS_MAX: usize = 16;
/// Tags of one transport or one lock, and values in one tag.
pub const TAGS_MAX: usize = 32;
/// `X-Cashu` values of one answer that are tried.
pub const HEADER_VALUES_MAX: usize = 16;
/// Bytes of an encoded token, so of a request's `X-Cashu` header.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// Proofs in a token. Mints limit the inputs of one swap likewise, and 64 powers of
/// two cover every amount, so an honest wallet stays far below.
pub const PROOFS_MAX: usize = 1_000;
/// Bytes of one proof's secret. Plain secrets have 64, locked ones a few hundred.
pub const SECRET_BYTES_MAX: usize = 4 * 1024;
/// Bytes of any other text: mint URL, description, memo, tag value.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Characters of a unit's name.
pub const UNIT_BYTES_MAX: usize = 32;
/// Characters of a keyset id. The longest in use is 33 bytes in hexadecimal.
pub const KEYSET_ID_BYTES_MAX: usize = 128;
/// Levels of nesting in CBOR. A token with DLEQ proofs needs six.
pub const CBOR_DEPTH_MAX: usize = 16;
/// The largest sum of a token's proofs: all bitcoin there will be, in
/// millisatoshi. It fits a signed 64-bit integer, which ledgers count in.
pub const AMOUNT_MAX: u64 = 2_100_000_000_000_000_000;
