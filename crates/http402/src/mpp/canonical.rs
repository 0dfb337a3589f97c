//! The two encodings of the scheme: canonical JSON (RFC 8785) and base64url without padding.

use base64::{
    Engine,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use serde::Serialize;

/// Writes JSON in the one form that RFC 8785 (JCS) gives it. `None` for what JSON can't say, such as NaN.
///
/// Numbers are doubles there: integers above 2^53 come out rounded. Amounts are strings in this protocol.
pub fn canonical_json<T: Serialize>(value: &T) -> Option<String> {
    serde_json_canonicalizer::to_string(value).ok()
}

/// Writes base64url without padding.
pub fn to_base64url(bytes: impl AsRef<[u8]>) -> String {
    crate::base64::to_base64url(bytes.as_ref())
}

/// Reads base64url, with all of its padding or none.
///
/// It is strict otherwise: no other alphabet, no line ends, no stray bits. What could be written in two ways
/// could be counted as two payments.
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    if text.ends_with('=') {
        URL_SAFE.decode(text).ok()
    } else {
        URL_SAFE_NO_PAD.decode(text).ok()
    }
}
