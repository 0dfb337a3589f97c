//! A PSBT as QR codes: in BBQr's form, which hardware wallets scan. One code if it fits, otherwise
//! several that are shown in turn.

use super::error::VaultError;

/// What every part begins with.
const MAGIC: &str = "B$";
/// Base32 without compression, a PSBT.
const ENCODING: char = '2';
const FILE_TYPE: char = 'P';
/// Magic, encoding, type, number of parts and number of this one.
const HEADER_CHARS: usize = 8;
/// Parts at most: two digits of base 36.
const PARTS_MAX: usize = 36 * 36 - 1;
/// RFC 4648.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Bytes that come to whole characters of base32: parts are split at these.
const GROUP_BYTES: usize = 5;
const GROUP_CHARS: usize = 8;

/// Splits bytes into the texts of QR codes with at most `chars_max` characters each.
///
/// # Errors
/// `Payment` if there would be more than 1295 parts.
pub fn split(bytes: &[u8], chars_max: usize) -> Result<Vec<String>, VaultError> {
    let groups = chars_max.saturating_sub(HEADER_CHARS) / GROUP_CHARS;
    let part_bytes = groups.max(1) * GROUP_BYTES;
    let count = bytes.len().div_ceil(part_bytes).max(1);
    if count > PARTS_MAX {
        let why = "the proposal is too long for QR codes: pass it on as a file";
        return Err(VaultError::Payment(why.into()));
    }
    // Parts of about the same length, all but the last of whole groups.
    let part_bytes = bytes
        .len()
        .div_ceil(count)
        .next_multiple_of(GROUP_BYTES)
        .max(GROUP_BYTES);
    let parts: Vec<&[u8]> = bytes.chunks(part_bytes).collect();
    let count = parts.len().max(1);
    let each = parts.iter().enumerate();
    Ok(each
        .map(|(number, part)| {
            let (count, number) = (base36(count), base36(number));
            format!(
                "{MAGIC}{ENCODING}{FILE_TYPE}{count}{number}{}",
                encode(part)
            )
        })
        .collect())
}

/// Puts scanned parts together, in whatever order they come. Parts may be repeated.
///
/// # Errors
/// `Malformed` if they aren't the parts of one PSBT.
pub fn join(parts: &[&str]) -> Result<Vec<u8>, VaultError> {
    let malformed = |why: &str| VaultError::Malformed(format!("the QR codes: {why}"));
    let mut found: Vec<Option<Vec<u8>>> = Vec::new();
    for part in parts {
        let part = part.trim();
        let (header, data) = part
            .split_at_checked(HEADER_CHARS)
            .filter(|(header, _)| header.starts_with("B$2P"))
            .ok_or_else(|| malformed("this isn't a part of a PSBT in base32"))?;
        let count = from_base36(&header[4..6]).ok_or_else(|| malformed("a bad count"))?;
        let number = from_base36(&header[6..8]).ok_or_else(|| malformed("a bad number"))?;
        if found.is_empty() {
            found.resize(count, None);
        }
        if count != found.len() || number >= count {
            return Err(malformed("these are parts of different PSBTs"));
        }
        let data = decode(data).ok_or_else(|| malformed("a damaged part"))?;
        match &mut found[number] {
            Some(known) if *known != data => {
                return Err(malformed("these are parts of different PSBTs"));
            }
            place => *place = Some(data),
        }
    }
    let missing = found.iter().filter(|part| part.is_none()).count();
    if found.is_empty() || missing > 0 {
        return Err(malformed(&format!("{missing} parts are missing")));
    }
    Ok(found.into_iter().flatten().flatten().collect())
}

fn base36(number: usize) -> String {
    let digit = |value: usize| char::from_digit((value % 36) as u32, 36).unwrap_or('0');
    let text: String = [digit(number / 36), digit(number)].iter().collect();
    text.to_ascii_uppercase()
}

fn from_base36(text: &str) -> Option<usize> {
    let digits = text
        .chars()
        .map(|c| c.to_digit(36).filter(|_| !c.is_lowercase()));
    digits
        .into_iter()
        .try_fold(0_usize, |sum, digit| Some(sum * 36 + digit? as usize))
}

fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(GROUP_BYTES) * GROUP_CHARS);
    for group in bytes.chunks(GROUP_BYTES) {
        let value = (0..GROUP_BYTES)
            .map(|place| u64::from(group.get(place).copied().unwrap_or(0)))
            .fold(0, |sum, byte| (sum << 8) | byte);
        let chars = (group.len() * 8).div_ceil(5);
        for place in 0..chars {
            let digit = (value >> (35 - 5 * place)) & 31;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / GROUP_CHARS * GROUP_BYTES);
    for group in text.as_bytes().chunks(GROUP_CHARS) {
        let mut value = 0_u64;
        for place in 0..GROUP_CHARS {
            let digit = match group.get(place) {
                Some(char) => ALPHABET.iter().position(|known| known == char)?,
                None => 0,
            };
            value = (value << 5) | digit as u64;
        }
        let whole = group.len() * 5 / 8;
        // Characters that a shorter text would have said it with are a mistake, and so are bits
        // that are left over.
        if (whole * 8).div_ceil(5) != group.len() || value & ((1 << (40 - 8 * whole)) - 1) != 0 {
            return None;
        }
        bytes.extend((0..whole).map(|place| (value >> (32 - 8 * place)) as u8));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_is_base32_of_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "MY"),
            ("foob", "MZXW6YQ"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(encode(plain.as_bytes()), coded);
            assert_eq!(decode(coded).unwrap(), plain.as_bytes());
        }
        for bad in ["M", "MZ1", "my", "MZXW6YTBO", "MZ"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parts_come_together_in_any_order(
            bytes in prop::collection::vec(any::<u8>(), 1..3_000),
            chars_max in 20_usize..600,
        ) {
            let mut parts = split(&bytes, chars_max).unwrap();
            prop_assert!(parts.iter().all(|part| part.len() <= chars_max));
            parts.reverse();
            parts.push(parts[0].clone());
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            prop_assert_eq!(join(&parts).unwrap(), bytes);
        }

        #[test]
        fn no_text_makes_it_panic(parts in prop::collection::vec(".{0,40}|B\\$2P[0-9A-Z]{4}[A-Z2-7]{0,40}", 0..5)) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            let _ = join(&parts);
        }
    }
}
