//! Base64 and CBOR as Cashu strings use them: emitted one way, read in all.

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};
use serde::de::DeserializeOwned;

use super::limits::CBOR_DEPTH_MAX;

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Base64url without padding, as NUT-18 and NUT-00 write it.
pub(super) fn to_base64url(bytes: &[u8]) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// The same text in the base64url alphabet. Wallets exist that write `+` and `/`.
pub(super) fn in_url_alphabet(text: &str) -> String {
    text.replace('+', "-").replace('/', "_")
}

/// Reads either alphabet, padded or not.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(in_url_alphabet(text)).ok()
}

/// Reads CBOR whose nesting is bounded; the caller has bounded its length.
pub(super) fn from_cbor<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    ciborium::de::from_reader_with_recursion_limit(bytes, CBOR_DEPTH_MAX).ok()
}

/// Whether a text is a usable unit name: short and printable, so that it can
/// stand in a header and on a terminal.
pub(super) fn is_unit(text: &str) -> bool {
    (1..=super::limits::UNIT_BYTES_MAX).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_graphic())
}
