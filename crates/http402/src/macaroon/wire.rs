//! Packets of the V2 format: a type, a length, and so many bytes.

use std::ops::Range;

use super::{CAVEATS_MAX, FIELD_BYTES_MAX, MacaroonError};

pub(super) const VERSION: u8 = 2;
pub(super) const END_OF_SECTION: u8 = 0;
pub(super) const LOCATION: u8 = 1;
pub(super) const IDENTIFIER: u8 = 2;
pub(super) const VERIFICATION_ID: u8 = 4;
pub(super) const SIGNATURE: u8 = 6;
/// The end of the caveats, and the signature: the last bytes of every macaroon.
pub(super) const TAIL_BYTES: usize = 3 + 32;

/// Fields up to an end-of-section mark, as ranges of the macaroon's bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Section {
    pub(super) location: Range<usize>,
    pub(super) identifier: Range<usize>,
    pub(super) is_third_party: bool,
}

/// Where everything is: the header, and each caveat.
pub(super) fn read(bytes: &[u8]) -> Result<(Section, Vec<Section>), MacaroonError> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.byte()? != VERSION {
        return Err(MacaroonError::Malformed("it is not of version 2"));
    }
    let header = reader.section()?;
    if header.is_third_party {
        return Err(MacaroonError::Malformed("its header has a verification id"));
    }
    let mut caveats = Vec::new();
    while reader.bytes.get(reader.at) != Some(&END_OF_SECTION) {
        check("caveats", caveats.len() + 1, CAVEATS_MAX)?;
        caveats.push(reader.section()?);
    }
    let tail = &bytes[reader.at..];
    if tail.len() != TAIL_BYTES || tail[..3] != [END_OF_SECTION, SIGNATURE, 32] {
        return Err(MacaroonError::Malformed(
            "it does not end with its signature",
        ));
    }
    Ok((header, caveats))
}

/// Appends a packet.
pub(super) fn push(bytes: &mut Vec<u8>, field: u8, data: &[u8]) -> Result<(), MacaroonError> {
    check("bytes in a field", data.len(), FIELD_BYTES_MAX)?;
    bytes.push(field);
    let mut len = data.len();
    while len >= 0x80 {
        bytes.push((len & 0x7f) as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend_from_slice(data);
    Ok(())
}

pub(super) fn check(what: &'static str, len: usize, max: usize) -> Result<(), MacaroonError> {
    if len > max {
        return Err(MacaroonError::TooLarge { what, max });
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, MacaroonError> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or(MacaroonError::Malformed("it ends too early"))
    }

    fn section(&mut self) -> Result<Section, MacaroonError> {
        let mut section = Section::default();
        let mut last = 0;
        loop {
            let field = self.byte()?;
            if field == END_OF_SECTION && last >= IDENTIFIER {
                return Ok(section);
            }
            if field <= last {
                return Err(MacaroonError::Malformed("a field is missing or misplaced"));
            }
            let data = self.data()?;
            match field {
                LOCATION => section.location = data,
                IDENTIFIER => section.identifier = data,
                // An identifier comes before it: without one nothing would be signed.
                VERIFICATION_ID if last == IDENTIFIER => section.is_third_party = true,
                _ => return Err(MacaroonError::Malformed("a field is of no known type")),
            }
            last = field;
        }
    }

    fn data(&mut self) -> Result<Range<usize>, MacaroonError> {
        let len = self.varint()?;
        check("bytes in a field", len, FIELD_BYTES_MAX)?;
        let start = self.at;
        self.at += len;
        if self.at > self.bytes.len() {
            return Err(MacaroonError::Malformed("it ends too early"));
        }
        Ok(start..self.at)
    }

    /// A length in as few bytes as it takes: one macaroon has one spelling.
    fn varint(&mut self) -> Result<usize, MacaroonError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(first.into());
        }
        let second = self.byte()?;
        if second == 0 {
            return Err(MacaroonError::Malformed("a length is written too long"));
        }
        if second >= 0x80 {
            // More than two bytes count beyond anything that is read.
            check("bytes in a field", usize::MAX, FIELD_BYTES_MAX)?;
        }
        Ok(usize::from(first & 0x7f) | usize::from(second) << 7)
    }
}
