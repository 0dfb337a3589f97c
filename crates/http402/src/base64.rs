//! Base64 as payment protocols use it: emitted one way, read in all.

use std::borrow::Cow;

use base64::{
    Engine, alphabet,
    engine::{
        DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig,
        general_purpose::{self, NO_PAD},
    },
};

const LENIENT: GeneralPurposeConfig =
    NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// Base64url without padding.
pub(crate) fn to_base64url(bytes: &[u8]) -> String {
    general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// Standard base64 with padding.
pub(crate) fn to_base64(bytes: &[u8]) -> String {
    general_purpose::STANDARD.encode(bytes)
}

/// The same text in the base64url alphabet. Programs exist that write `+` and `/`.
pub(crate) fn in_url_alphabet(text: &str) -> Cow<'_, str> {
    if text.contains(['+', '/']) {
        text.replace('+', "-").replace('/', "_").into()
    } else {
        text.into()
    }
}

/// Reads either alphabet, padded or not. The caller has bounded the length.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|b| b == b'-' || b == b'_') {
        URL_SAFE.decode(in_url_alphabet(text).as_bytes()).ok()
    } else {
        STANDARD.decode(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_is_read() {
        for text in ["+/+/+w==", "-_-_-w", "-_-_-w==", "+/+/+w", "-/-_+w"] {
            assert_eq!(
                from_base64(text),
                Some(vec![0xfb, 0xff, 0xbf, 0xfb]),
                "{text}"
            );
        }
        // One text for one value: no bits may hide behind the last byte.
        assert_eq!(from_base64("-_-_-x"), None);
    }
}
