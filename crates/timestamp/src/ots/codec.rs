//! Bytes, and integers in LEB128.

use super::{Error, Result};

/// Reads from the front of a slice, and never beyond its end.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8> {
        let byte = self.bytes.get(self.position).ok_or(self.truncated())?;
        self.position += 1;
        Ok(*byte)
    }

    #[inline]
    pub fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let taken = rest.get(..count).ok_or(self.truncated())?;
        self.position += count;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let rest = &self.bytes[self.position..];
        let taken = rest.first_chunk().ok_or(self.truncated())?;
        self.position += N;
        Ok(*taken)
    }

    /// An integer. The reference takes any number of needless zero digits, and so do we; `None`
    /// is one that 64 bits don't hold.
    pub fn varuint(&mut self) -> Result<Option<u64>> {
        let mut value = Some(0_u64);
        for shift in (0..).step_by(7) {
            let byte = self.byte()?;
            let digit = u64::from(byte & 0x7f);
            if digit != 0 {
                value = value
                    .filter(|_| shift < 64 && digit.leading_zeros() >= shift)
                    .map(|value| value | digit << shift);
            }
            if byte & 0x80 == 0 {
                break;
            }
        }
        Ok(value)
    }

    /// Bytes after their length.
    #[inline]
    pub fn varbytes(&mut self, max: usize, what: &'static str) -> Result<&'a [u8]> {
        // Nearly all lengths have one digit.
        if let Some(&length @ ..0x80) = self.bytes.get(self.position) {
            self.position += 1;
            return self.take(usize::from(length));
        }
        let length = self.varuint()?.and_then(|length| length.try_into().ok());
        match length {
            Some(length) if length <= max => self.take(length),
            _ => Err(Error::TooLong { what, max }),
        }
    }

    /// The next `N` bytes, if there are so many. They aren't read by this.
    #[inline]
    pub fn peek<const N: usize>(&self) -> Option<&'a [u8; N]> {
        self.bytes.get(self.position..)?.first_chunk()
    }

    /// Goes past what was [peeked](Self::peek) at.
    #[inline]
    pub fn skip<const N: usize>(&mut self, _peeked: &[u8; N]) {
        self.position += N;
    }

    pub fn position(&self) -> usize {
        self.position
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub fn finish(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            excess => Err(Error::TrailingBytes { excess }),
        }
    }

    fn truncated(&self) -> Error {
        Error::Truncated {
            length: self.bytes.len(),
        }
    }
}

pub(super) fn write_varuint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

pub(super) fn write_varbytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_varuint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// An integer's digits without the needless zeros at their end.
pub(super) fn shortest(leb128: &[u8]) -> Vec<u8> {
    let significant = leb128
        .iter()
        .rposition(|byte| byte & 0x7f != 0)
        .map_or(1, |last| last + 1);
    let mut digits: Vec<u8> = leb128[..significant.min(leb128.len())].to_vec();
    if let Some(last) = digits.last_mut() {
        *last &= 0x7f;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Option<u64>) {
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.varuint(), Ok(expected), "{bytes:02x?}");
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn integers_of_any_length_are_read() {
        check(&[0], Some(0));
        check(&[0x80, 0x01], Some(128));
        check(&[0x81, 0x80, 0x00], Some(1));
        let mut long = [0x80; 40];
        long[39] = 0;
        check(&long, Some(0));
        let max = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        check(&max, Some(u64::MAX));
        let mut above = max;
        above[9] = 0x02;
        check(&above, None);
        long[39] = 1;
        check(&long, None);
    }

    #[test]
    fn what_is_written_is_read() {
        for value in [0, 1, 127, 128, 358_391, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            write_varuint(&mut bytes, value);
            check(&bytes, Some(value));
            assert_eq!(shortest(&bytes), bytes);
        }
        assert_eq!(shortest(&[0x81, 0x80, 0x00]), [0x01]);
        assert_eq!(shortest(&[0x80, 0x00]), [0x00]);
    }

    #[test]
    fn an_unfinished_integer_is_truncated() {
        assert_eq!(
            Reader::new(&[0x80]).varuint(),
            Err(Error::Truncated { length: 1 })
        );
    }
}
