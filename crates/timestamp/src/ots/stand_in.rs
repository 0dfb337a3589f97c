//! The stand-in: what a play network puts where a calendar's or Bitcoin's attestation would be.
//!
//! It proves nothing, and says so to whoever looks at it with another program. Other programs show
//! it as an attestation of an unknown kind, which never counts.

use super::{Attestation, Tag};

/// The first eight bytes of SHA-256("freehold-stand-in").
pub const STAND_IN: Tag = [0x72, 0x19, 0xcb, 0xc3, 0x33, 0x84, 0x6f, 0x3b];

const BEFORE: &str = "This proves nothing: a stand-in of a play network, made at unix time ";

impl Attestation {
    /// A stand-in that was made at this time, in seconds since 1970.
    pub fn stand_in(time_unix_s: u64) -> Self {
        Self::Unknown {
            tag: STAND_IN,
            payload: format!("{BEFORE}{time_unix_s}").into_bytes(),
        }
    }

    /// When it was made, if this is a stand-in.
    pub fn stand_in_time_unix_s(&self) -> Option<u64> {
        let Self::Unknown { tag, payload } = self else {
            return None;
        };
        let text = std::str::from_utf8(payload).ok()?;
        let time_unix_s = text.strip_prefix(BEFORE)?.parse().ok()?;
        // One spelling only: no needless zeros or signs.
        (*tag == STAND_IN && *self == Self::stand_in(time_unix_s)).then_some(time_unix_s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn is_known_again_and_nothing_else_is() {
        assert_eq!(Sha256::digest("freehold-stand-in")[..8], STAND_IN);
        let made = Attestation::stand_in(1_700_000_000);
        assert_eq!(made.stand_in_time_unix_s(), Some(1_700_000_000));
        let Attestation::Unknown { tag, payload } = made else {
            panic!("it is of a kind that others know");
        };
        assert!(payload.is_ascii());
        let other = |tag, payload: &[u8]| Attestation::Unknown {
            tag,
            payload: payload.to_vec(),
        };
        for not_one in [
            other([0; 8], &payload),
            other(tag, b""),
            other(tag, &payload[..payload.len() - 10]),
            other(tag, &[&payload[..], b"x"].concat()),
            other(tag, format!("{BEFORE}+1").as_bytes()),
            Attestation::Bitcoin { height: 1 },
        ] {
            assert_eq!(not_one.stand_in_time_unix_s(), None, "{not_one}");
        }
    }
}
