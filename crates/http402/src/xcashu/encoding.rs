//! CBOR and units as Cashu strings use them.

use serde::de::DeserializeOwned;

use super::limits::CBOR_DEPTH_MAX;

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
