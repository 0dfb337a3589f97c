//! Headers as servers write them.

use bitcoin::block::Header;
use bitcoin::consensus::Decodable;

use super::super::HEADER_BYTES;

/// A header in hex.
pub(super) fn header_from_hex(text: &str) -> Option<Header> {
    let mut bytes = [0; HEADER_BYTES];
    hex::decode_to_slice(text.trim(), &mut bytes).ok()?;
    Header::consensus_decode(&mut bytes.as_slice()).ok()
}
